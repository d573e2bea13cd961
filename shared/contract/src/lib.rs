//! What crosses a border as text, and nothing else: the events that come in, the messages that go out, what SES
//! tells of e-mails, what a former system knows of a buyer, the commits and snapshots that are stored. The only crate that derives `Serialize` and `Deserialize`.
//!
//! Every version ever written stays readable: golden files under `tests/golden/` hold one of each.

pub mod address;
pub mod incoming;
mod json;
pub mod legacy;
pub mod outgoing;
pub mod receipt;
pub mod stored;

#[expect(
    clippy::expect_used,
    reason = "only maps with keys that are no text, or a failing writer, can fail; there are none"
)]
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain structs and text always encode")
}

/// The SHA-256 of a text in hexadecimal, 64 characters.
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
