//! A clock that moves only when it is set.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use platform::clock::{Clock, Deadline, Sleep};

/// A time on the day that the tests use, 2026-11-23.
#[must_use]
pub fn at(time: &str) -> Timestamp {
    format!("2026-11-23T{time}Z").parse().unwrap()
}

/// A clock that moves only when it is set, with numbered nonces. Its clones show the same time and share the nonces.
#[derive(Debug, Clone)]
pub struct TestClock(Rc<Face>);

#[derive(Debug)]
struct Face {
    now: Cell<Timestamp>,
    nonces: Cell<u32>,
    /// The moment at which each sleeper wakes.
    sleepers: RefCell<Vec<Timestamp>>,
}

impl TestClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn showing(now: Timestamp) -> Self {
        Self(Rc::new(Face { now: Cell::new(now), nonces: Cell::new(0), sleepers: RefCell::default() }))
    }

    /// Sets the clock.
    pub fn set(&self, now: Timestamp) {
        self.0.now.set(now);
    }

    /// Moves the clock on by this much.
    pub fn pass(&self, time: SignedDuration) {
        self.set(self.now() + time);
    }

    /// The deadline of an invocation that begins now and may take this many seconds.
    #[must_use]
    pub fn deadline_in(&self, seconds: i64) -> Deadline {
        Deadline::at(self.now() + SignedDuration::from_secs(seconds))
    }
}

/// A clock at ten o'clock.
impl Default for TestClock {
    fn default() -> Self {
        Self::showing(at("10:00:00"))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.0.now.get()
    }

    fn nonce(&self) -> String {
        self.0.nonces.set(self.0.nonces.get() + 1);
        format!("nonce-{}", self.0.nonces.get())
    }
}

/// A sleeper advances the clock to its wake-up time once all other tasks have run, if no other sleeper wakes earlier.
impl Sleep for TestClock {
    async fn sleep(&self, time: Duration) {
        let until = self.now() + SignedDuration::try_from(time).unwrap();
        self.0.sleepers.borrow_mut().push(until);
        while self.now() < until {
            tokio::task::yield_now().await;
            if self.0.sleepers.borrow().iter().min() == Some(&until) {
                self.set(until.max(self.now()));
            }
        }
        let mut sleepers = self.0.sleepers.borrow_mut();
        let own = sleepers.iter().position(|moment| *moment == until).unwrap();
        sleepers.remove(own);
    }
}
