//! Changed copies of known inputs, from a seed: what a fuzzer does without watching.

/// The pieces that texts of ours are made of, and those that break them.
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

/// Changed copies, the same on every machine.
#[derive(Debug, Clone)]
pub struct Changes(u64);

impl Changes {
    /// Those of this seed.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// `SplitMix64`.
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    #[expect(clippy::cast_possible_truncation, reason = "what is kept is below `end`, a usize")]
    const fn below(&mut self, end: usize) -> usize {
        ((self.next() as u128 * end as u128) >> 64) as usize
    }

    /// A copy of one of these, changed once to four times.
    pub fn of_one_of(&mut self, known: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = known[self.below(known.len())].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, known);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, known: &[Vec<u8>]) {
        let at = self.below(bytes.len() + 1);
        let until = (at + self.below(16)).min(bytes.len());
        match self.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(1),
            2 => drop(bytes.drain(at..until)),
            3 => {
                let again = bytes[at..until].to_vec();
                bytes.splice(at..at, again);
            }
            // The end of another one.
            4 => {
                let other = &known[self.below(known.len())];
                bytes.truncate(at);
                bytes.extend(&other[self.below(other.len() + 1)..]);
            }
            _ => {
                let piece = PIECES[self.below(PIECES.len())];
                bytes.splice(at..until.min(at + self.below(2)), piece.iter().copied());
            }
        }
    }
}
