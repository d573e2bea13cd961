//! Does what commits call for, once. A stream record is only a doorbell; [`Advance`] looks at the buyer: from the cursor
//! on, every pending effect in order, then the cursor moves.
//!
//! An e-mail is claimed in the ledger before its one attempt and settled after it; a sales message may go out twice,
//! always under the same id. What the world was told lies in the leads table.

mod advance;
mod deliver;
mod held;
pub mod mail;
pub mod outside;
mod settle;
mod sweep;
pub mod worker;

pub use advance::{Advance, Advanced, CannotMark, Performed};
pub use held::oldest_held;
pub use sweep::{Failed, MailPace, Swept};
