//! Time and chance, as the rest of the program sees them, so that tests can set both.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// What a worker finds around it that is no data.
pub trait Clock {
    /// This machine's idea of now. Never used for order: clocks are wrong.
    fn now(&self) -> Timestamp;

    /// A name that nobody has ever used, to recognise one's own writes by.
    fn nonce(&self) -> String;
}

/// Clock in which time can be let pass.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Sleep: Clock {
    /// Returns once this much time has passed.
    async fn sleep(&self, time: Duration);
}

/// The machine's own clock and randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn nonce(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }
}

impl Sleep for SystemClock {
    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// What must be left of an invocation before a call is begun: one call to AWS with its retries.
pub const NEEDED: Duration = Duration::from_secs(6);

/// When an invocation ends. Nothing is begun that cannot end before it.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Timestamp);

/// There is not enough time left to begin anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the invocation's time is up")]
pub struct OutOfTime;

impl Deadline {
    /// The deadline at this moment.
    #[must_use]
    pub const fn at(moment: Timestamp) -> Self {
        Self(moment)
    }

    /// The moment itself.
    #[must_use]
    pub const fn moment(&self) -> Timestamp {
        self.0
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
