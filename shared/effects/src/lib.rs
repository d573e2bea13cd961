//! Does what commits call for, once. A stream record is only a doorbell; [`Advance`] looks at the buyer: from the cursor
//! on, every pending effect in order, then the cursor moves.
//!
//! An e-mail is claimed in the ledger before its one attempt and settled after it; a sales message may go out twice,
//! always under the same id. What the world was told lies in the leads table.

mod advance;
mod deliver;
mod held;
pub mod leads;
pub mod mail;
pub mod outside;
mod settle;
mod sweep;
pub mod worker;

pub use advance::{Advance, Advanced, CannotMark, Performed};
pub use held::oldest_held;
pub use sweep::{Failed, MailPace, Swept};

/// The SHA-256 of a text in hexadecimal, 64 characters.
fn sha256_hex(text: &str) -> String {
    use std::fmt::Write as _;

    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
