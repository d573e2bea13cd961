//! Randomly changed copies of known inputs, generated from a seed as a fuzzer without coverage feedback would.

use testkit::SplitMix64;

/// Fragments of JSON, e-mails and templates, and bytes that often break their parsers.
const PIECES: [&[u8]; 24] = [
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"0",
    b"-1",
    b"1e999",
    b"18446744073709551615",
    b"4294967296",
    b"\r\n",
    b"\0",
    b"<",
    b"{{x}}",
    b"\xe2\x80\xae",
    b"\xff",
    b"@",
    b"\x1e",
    b"/",
];

/// A generator of changed copies, which are the same on every machine.
#[derive(Debug, Clone)]
pub struct Changes(SplitMix64);

impl Changes {
    /// The generator with this seed.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self(SplitMix64(seed))
    }

    /// A copy of one of the known inputs, with one to four changes.
    pub fn of_one_of(&mut self, known: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = known[self.0.below(known.len())].clone();
        for _ in 0..=self.0.below(4) {
            self.change(&mut bytes, known);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, known: &[Vec<u8>]) {
        let at = self.0.below(bytes.len() + 1);
        let until = (at + self.0.below(16)).min(bytes.len());
        match self.0.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.0.below(8),
            1 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(1),
            2 => drop(bytes.drain(at..until)),
            3 => {
                let again = bytes[at..until].to_vec();
                bytes.splice(at..at, again);
            }
            // Replaces the end by the end of another input.
            4 => {
                let other = &known[self.0.below(known.len())];
                bytes.truncate(at);
                bytes.extend(&other[self.0.below(other.len() + 1)..]);
            }
            _ => {
                let piece = PIECES[self.0.below(PIECES.len())];
                bytes.splice(at..until.min(at + self.0.below(2)), piece.iter().copied());
            }
        }
    }
}
