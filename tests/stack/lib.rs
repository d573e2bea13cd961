//! Access to a stack deployed on a local AWS, for the deployed tests and the demo.
#![expect(clippy::missing_errors_doc, reason = "every error ends a test or the demo, and its text says why")]

mod crowd;
mod emulator;
mod invariants;
mod play;
mod stack;

pub use crowd::{Guest, crowd};
pub use emulator::{Mail, Queued};
pub use invariants::{Finding, Observed};
pub use play::{Delivery, Outcome, Scenario, scenarios};
pub use play::{Person, Played, Recorded, play};
pub use stack::{Failed, Stack};
