//! Time and nonces behind a trait, so that tests can control both.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Time and nonces.
pub trait Clock {
    /// The current time by this machine's clock. Never used to order events, because clocks are wrong.
    fn now(&self) -> Timestamp;

    /// A name that was never used before, by which a writer recognises its own writes.
    fn nonce(&self) -> String;
}

/// A clock that can also wait.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Sleep: Clock {
    /// Returns after this much time.
    async fn sleep(&self, time: Duration);
}

/// The machine's clock, with random nonces.
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

/// The time that an invocation must have left before a call to AWS begins. It covers one call with its retries.
pub const CALL_TIME: Duration = Duration::from_secs(6);

/// The end of an invocation. Work that could outlive it is not started.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Timestamp);

/// The invocation has too little time left for the requested work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the invocation's time is up")]
pub struct OutOfTime;

impl Deadline {
    /// A deadline at `moment`.
    #[must_use]
    pub const fn at(moment: Timestamp) -> Self {
        Self(moment)
    }

    /// When the deadline is.
    #[must_use]
    pub const fn moment(&self) -> Timestamp {
        self.0
    }

    /// Checks that work of this duration can finish before the deadline.
    ///
    /// # Errors
    /// [`OutOfTime`] if it cannot.
    pub fn leaves(&self, time: Duration, clock: &impl Clock) -> Result<(), OutOfTime> {
        let needed = SignedDuration::try_from(time).map_err(|_| OutOfTime)?;
        if self.0.duration_since(clock.now()) >= needed { Ok(()) } else { Err(OutOfTime) }
    }
}
