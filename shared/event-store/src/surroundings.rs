//! Time and chance, as the rest of the program sees them, so that tests can set both.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The clock of this machine. Never used for order: clocks are wrong.
pub trait Clock {
    /// This machine's idea of now.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// When an invocation ends. Nothing is begun that cannot end before it.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Timestamp);

/// There is not enough time left to begin anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the invocation's time is up")]
pub struct OutOfTime;

impl Deadline {
    /// The moment itself.
    #[must_use]
    pub const fn at(moment: Timestamp) -> Self {
        Self(moment)
    }

    /// Whether something that takes this long can still end in time.
    ///
    /// # Errors
    /// [`OutOfTime`] if it cannot.
    pub fn leaves(&self, time: Duration, clock: &impl Clock) -> Result<(), OutOfTime> {
        let needed = SignedDuration::try_from(time).map_err(|_| OutOfTime)?;
        if self.0.duration_since(clock.now()) >= needed { Ok(()) } else { Err(OutOfTime) }
    }
}
