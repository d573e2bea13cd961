//! Access to a stack deployed on a local AWS, for the deployed tests and the demo.
#![expect(clippy::missing_errors_doc, reason = "every error ends a test or the demo, and its text says why")]

mod crowd;
mod emulator;
mod invariants;
mod play;
mod stack;

pub use crowd::{Guest, Observed, crowd, post_all};
pub use emulator::{Failed, Mail, Queued};
pub use invariants::Finding;
pub use play::{Delivery, Outcome, Person, Played, Recorded, Scenario, play, scenarios};
pub use stack::Stack;
