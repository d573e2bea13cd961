//! Performs the effects that commits call for. A change-feed record is only a doorbell: [`Advance`] reads the buyer's
//! cursor, performs every pending effect after it in order, and moves the cursor.
//!
//! An e-mail is claimed in the ledger before its single attempt and settled afterwards. A sales message may be sent
//! twice, always under the same id. The leads table records what was sent. What operators have paused waits.

mod advance;
mod config;
mod deliver;
mod held;
mod look;
pub mod mail;
pub mod outside;
mod pauses;
mod report;
mod settle;
mod sweep;

pub use advance::{Advance, CannotMark};
pub use config::Config;
pub use pauses::KnownPauses;
pub use report::{Advanced, Performed};
pub use sweep::{Failed, MailPace, Swept, sweep};
