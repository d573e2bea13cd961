use jiff::{SignedDuration, Timestamp};
use platform::clock::{Clock, Deadline};
use std::cell::Cell;

/// A clock that stands still and returns numbered nonces.
#[derive(Debug, Default)]
pub(crate) struct Still(Cell<u64>);

/// The time at which the clock stands: 2026-11-23T10:00:00Z.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_795_428_000).unwrap()
}

/// The deadline of an invocation that has just begun.
pub(crate) fn deadline() -> Deadline {
    Deadline::at(now() + SignedDuration::from_secs(60))
}

impl Clock for &Still {
    fn now(&self) -> Timestamp {
        now()
    }

    fn nonce(&self) -> String {
        self.0.set(self.0.get() + 1);
        format!("nonce-{}", self.0.get())
    }
}
