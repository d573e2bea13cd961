//! What every function needs and no business rule does: AWS clients, settings, one HTTPS client, logs and metrics, clock
//! and deadlines. Knows nothing of buyers.
//!
//! Lambda gives region and credentials in the environment, so no credential chain is built in: it would be a quarter of
//! the binary and is never used.

mod clients;
pub mod clock;
pub mod https;
mod retry;
mod settings;
pub mod telemetry;

pub use clients::{Access, deadline_of};
pub use retry::RetryConflicts;
pub use settings::{BadSetting, Settings};
