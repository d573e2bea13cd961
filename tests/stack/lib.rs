//! Access to a stack deployed on a local AWS, for the deployed tests and the demo.
#![expect(clippy::missing_errors_doc, reason = "every error ends a test or the demo, and its text says why")]

mod crowd;
mod emulator;
mod play;
mod scenarios;
mod stack;

pub use crowd::{Guest, crowd};
pub use emulator::{Mail, Queued};
pub use play::{Person, Played, play};
pub use scenarios::{Delivery, Expected, Scenario, scenarios};
pub use stack::{Failed, Stack};
