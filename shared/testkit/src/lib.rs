//! Builders and doubles for tests. It is a dev-dependency only; nothing that is shipped may depend on it.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "test code: a wrong builder call fails the test"
)]

pub mod clauses;
#[cfg(feature = "stores")]
mod clock;
#[cfg(feature = "engine")]
pub mod engine;
mod events;
#[cfg(feature = "stores")]
mod hooked;
#[cfg(feature = "stores")]
pub mod hooks;
#[cfg(feature = "stores")]
pub mod leads;
pub mod logs;
mod message;
pub mod strict;
pub mod wire;

#[cfg(feature = "stores")]
pub use clock::{TestClock, at};
pub use events::{
    EventBuilder, acceptance_withdrawn, accepted, append, body, buyer, contact, doorbell, made, made_by,
    offer, rejected, withdrawn,
};
#[cfg(feature = "stores")]
pub use hooked::Hooked;

/// A figure of this process in bytes, for example `VmRSS`, its resident memory now, or `VmHWM`, the peak of it.
/// Source: proc(5), `/proc/pid/status`.
#[must_use]
pub fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let figure = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    figure.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// The random number generator `SplitMix64`: the same state always gives the same numbers, on every machine. It is
/// implemented here because a library's generator may change with its version.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators".
#[derive(Debug, Clone, Default)]
pub struct SplitMix64(pub u64);

impl SplitMix64 {
    /// The next number; any `u64` is possible.
    #[inline]
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if `end` is 0.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the result is below `end`, a usize")]
    pub const fn below(&mut self, end: usize) -> usize {
        ((self.next() as u128 * end as u128) >> 64) as usize
    }
}
