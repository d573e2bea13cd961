//! The randomness and the time of a run.

use jiff::Timestamp;
use testkit::SplitMix64;

/// A random generator. The same seed gives the same numbers on every machine and in every version.
#[derive(Debug, Clone)]
pub struct Chance(SplitMix64);

impl Chance {
    /// The generator with this seed. Neighbouring seeds give unrelated numbers.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self(SplitMix64(seed.wrapping_mul(0xd134_2543_de82_ef95) ^ 0x9e6c_63d0_876a_3f6b))
    }

    /// The next number, from the full range.
    pub const fn next(&mut self) -> u64 {
        self.0.next()
    }

    /// A number below `end`; 0 if `end` is 0.
    pub const fn below(&mut self, end: usize) -> usize {
        self.0.below(end)
    }

    /// A number from `first` to `last`, both included.
    pub const fn between(&mut self, first: usize, last: usize) -> usize {
        first + self.below(last + 1 - first)
    }

    /// True with a probability of `times` in a thousand.
    pub const fn per_mille(&mut self, times: usize) -> bool {
        self.below(1000) < times
    }

    /// A duration up to `longest` milliseconds.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap,
        reason = "durations are days at most"
    )]
    pub const fn up_to(&mut self, longest: i64) -> i64 {
        self.below(longest as usize + 1) as i64
    }

    /// One of the given values, of which there must be at least one.
    pub fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }
}

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// The time at which every run begins, in milliseconds since 1970: 2026-11-23T00:00:00Z.
const BEGINNING: i64 = 1_795_392_000_000;

/// The timestamp of a moment in the run, given in milliseconds since its beginning.
pub(crate) fn timestamp(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(BEGINNING + milliseconds).unwrap_or(Timestamp::MAX)
}
