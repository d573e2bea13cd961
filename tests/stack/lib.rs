//! A deployed stack on a local AWS, as the deployed tests and the demo use it.
#![expect(
    clippy::missing_errors_doc,
    reason = "every error here ends a test or the demo, with its own words"
)]

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
