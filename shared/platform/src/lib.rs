//! The technical base of every function: AWS clients, settings, one HTTPS client, logs, metrics, clock and deadlines.
//! It contains no business rules and knows nothing of buyers.
//!
//! Lambda passes region and credentials in the environment, so the SDK's credential chain is left out: it would make up
//! a quarter of the binary and never be used.

mod clients;
pub mod clock;
mod endpoints;
pub mod https;
mod settings;
pub mod telemetry;
mod traces;

pub use clients::{Access, RetryConflicts, deadline_of};
pub use settings::{BadSetting, Settings};
pub use traces::Traces;
