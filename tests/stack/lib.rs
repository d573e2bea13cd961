//! Access to a deployed stack, for the deployed tests, the demo and the acceptance test.
#![expect(clippy::missing_errors_doc, reason = "every error ends a test or the demo, and its text says why")]

mod crowd;
mod emulator;
mod invariants;
mod play;
mod stack;

pub use crowd::{Guest, Observed, crowd, crowd_of, post_all};
pub use emulator::{Failed, Mail, Queued, Seen};
pub use invariants::Finding;
pub use play::{Delivery, Outcome, Person, Played, Recorded, Scenario, play, recorded, scenarios};
pub use stack::{Stack, post_to};
