//! The serialized formats of Leadstream: incoming events, outgoing sales messages, SES's delivery events, the former
//! system's answers, and stored commits and snapshots; and the names that operators read, of dead letters' reasons and
//! metrics. This is the only crate that derives `Serialize` and `Deserialize`.
//!
//! Every version ever written stays readable: golden files under `tests/golden/` hold one of each.

pub mod address;
pub mod dead_letter;
pub mod incoming;
mod json;
pub mod legacy;
pub mod metric;
pub mod outgoing;
pub mod receipt;
pub mod stored;
pub mod trace;

#[expect(
    clippy::expect_used,
    reason = "encoding fails only for maps with non-string keys or a failing writer, and neither is used"
)]
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain structs and strings always encode")
}

/// The SHA-256 of a text as 64 hexadecimal characters.
#[must_use]
pub fn sha256_hex(text: &str) -> String {
    use std::fmt::Write as _;

    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
