use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use jiff::Timestamp;
use leads_store::Pausable;
use platform::clock::Clock;

use crate::chance::timestamp;
use crate::fault::Site;
use crate::platform::{Platform, Request};

/// The outcome that the simulator chooses for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The call takes effect and is answered.
    Proceed,
    /// The call has no effect and fails.
    FailBefore,
    /// The call takes effect, and the answer is lost.
    FailAfter,
    /// The call fails, and takes effect after this many milliseconds.
    Late(i64),
    /// The call succeeds, and takes effect once more after this many milliseconds.
    Again(i64),
    /// The call takes effect; the answer waits for a second verdict.
    DelayAnswer,
    /// The code that makes the call panics.
    Panic,
}

/// What is known about the effect of a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The call certainly had no effect.
    NothingDone,
    /// The call may have taken effect.
    PerhapsDone,
}

/// A call that waits for its verdict.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) site: Site,
    /// Whether the call has already taken effect.
    pub(crate) has_acted: bool,
    /// For a sleep instead of a call: its end, in milliseconds since the run began.
    sleeps_until: Option<i64>,
    waker: Option<Waker>,
    verdict: Option<Verdict>,
}

/// One execution environment: its clock, which may be wrong, and the calls that its invocation waits for.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) platform: Rc<RefCell<Platform>>,
    calls: RefCell<Vec<Option<Waiting>>>,
    skew: Cell<i64>,
    /// The only change-feed record that is processed, if the strategy trusts the feed.
    trusted: RefCell<Option<(String, u64)>>,
    /// The steps in which the current invocation read each buyer's cursor first and last.
    looks: RefCell<BTreeMap<String, (u64, u64)>>,
    /// The time at which the current invocation began.
    began: Cell<i64>,
    /// Whether the clock was ever changed.
    is_clock_changed: Cell<bool>,
    /// The nonces of the claims of invitations since the last read of the buyer's cursor, by buyer.
    invitations: RefCell<BTreeMap<String, Vec<String>>>,
}

impl Machine {
    pub(crate) fn new(name: String, platform: Rc<RefCell<Platform>>, skew: i64) -> Self {
        Self {
            name,
            platform,
            calls: RefCell::new(Vec::new()),
            skew: Cell::new(skew),
            trusted: RefCell::new(None),
            looks: RefCell::default(),
            began: Cell::new(0),
            is_clock_changed: Cell::new(false),
            invitations: RefCell::default(),
        }
    }

    /// Changes the error of the clock. Returns the difference to the previous one.
    pub(crate) fn set_clock(&self, skew: i64) -> i64 {
        self.is_clock_changed.set(true);
        skew - self.skew.replace(skew)
    }

    pub(crate) fn trust(&self, buyer: &str, sequence: u64) {
        *self.trusted.borrow_mut() = Some((buyer.to_owned(), sequence));
    }

    pub(crate) fn trusted(&self, buyer: &str) -> Option<u64> {
        self.trusted.borrow().as_ref().filter(|(of, _)| of == buyer).map(|(_, sequence)| *sequence)
    }

    pub(crate) fn note_look(&self, buyer: &str, step: u64) {
        let mut looks = self.looks.borrow_mut();
        looks.entry(buyer.to_owned()).or_insert((step, step)).1 = step;
        self.invitations.borrow_mut().remove(buyer);
    }

    /// The number of invitations claimed before this one since the last read of the buyer's cursor.
    pub(crate) fn invitations_before(&self, buyer: &str, nonce: &str) -> usize {
        let mut invitations = self.invitations.borrow_mut();
        let nonces = invitations.entry(buyer.to_owned()).or_default();
        nonces.iter().position(|known| known == nonce).unwrap_or_else(|| {
            nonces.push(nonce.to_owned());
            nonces.len() - 1
        })
    }

    /// The steps of the first and last read of this buyer's cursor.
    pub(crate) fn looks(&self, buyer: &str) -> (u64, u64) {
        self.looks.borrow().get(buyer).copied().unwrap_or_default()
    }

    /// Forgets the reads of earlier invocations, when a new one begins now.
    pub(crate) fn begin(&self, now: i64) {
        self.looks.borrow_mut().clear();
        self.began.set(now);
    }

    /// Checks that the current invocation may perform effects of this kind: if it began in a pause of them, and the pause
    /// was older than what an execution environment relies on, it may not.
    pub(crate) fn must_not_be_paused(&self, kind: Pausable) {
        let mut platform = self.platform.borrow_mut();
        let is_known = |paused_at: i64| paused_at + 10_000 <= self.began.get();
        if platform.pauses.begun(kind).is_some_and(is_known) && !self.is_clock_changed.get() {
            let violation = format!("{} performs an effect although {} are paused", self.name, kind.name());
            platform.violations.push(violation);
        }
    }

    /// The number of places for calls; some may be empty.
    pub(crate) fn places(&self) -> usize {
        self.calls.borrow().len()
    }

    /// The call that waits for a verdict in this place, and whether it has taken effect.
    pub(crate) fn waiting(&self, place: usize) -> Option<(Site, bool)> {
        let calls = self.calls.borrow();
        let waits = |call: &&Waiting| call.verdict.is_none() && call.sleeps_until.is_none();
        calls.get(place)?.as_ref().filter(waits).map(|call| (call.site, call.has_acted))
    }

    /// The end of the first sleep.
    pub(crate) fn wakes_at(&self) -> Option<i64> {
        self.calls.borrow().iter().flatten().filter_map(|call| call.sleeps_until).min()
    }

    /// Whether no call waits for a verdict, but at least one sleep for its end.
    pub(crate) fn only_sleeps(&self) -> bool {
        self.wakes_at().is_some() && (0..self.places()).all(|place| self.waiting(place).is_none())
    }

    /// Ends the sleeps whose time has come.
    pub(crate) fn wake(&self, now: i64) {
        let is_over = |call: &Waiting| call.sleeps_until.is_some_and(|until| until <= now);
        let over: Vec<usize> = {
            let calls = self.calls.borrow();
            let places = calls.iter().enumerate();
            places.filter(|(_, call)| call.as_ref().is_some_and(is_over)).map(|(place, _)| place).collect()
        };
        for place in over {
            self.decide(place, Verdict::Proceed);
        }
    }

    /// Sleeps; no fault can be injected into a sleep.
    pub(crate) async fn sleep(&self, time: Duration) {
        let now = self.platform.borrow().now;
        let until = now.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        self.verdict(Site::Walked, false, Some(until)).await;
    }

    /// The number of waiting calls that can leave an e-mail in doubt.
    pub(crate) fn doubtful_calls(&self) -> usize {
        self.calls.borrow().iter().flatten().filter(|call| call.site.is_doubtful()).count()
    }

    pub(crate) fn decide(&self, place: usize, verdict: Verdict) {
        let waker = self.calls.borrow_mut().get_mut(place).and_then(Option::as_mut).and_then(|call| {
            call.verdict = Some(verdict);
            call.sleeps_until = None;
            call.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Makes a call to AWS. Its effect, `perform`, is one step: everything that others do happens before or after it.
    pub(crate) async fn call<T>(
        &self,
        site: Site,
        perform: impl FnOnce(&mut Platform) -> T,
        lost: impl FnOnce(Lost) -> T,
        request: impl FnOnce() -> Option<Request>,
    ) -> T {
        let verdict = self.verdict(site, false, None).await;
        if verdict == Verdict::Panic {
            // Unlike `panic!`, this prints no message.
            resume_unwind(Box::new("a panic injected by the simulator"));
        }
        if verdict == Verdict::FailBefore {
            return lost(Lost::NothingDone);
        }
        if let Verdict::Late(delay) | Verdict::Again(delay) = verdict
            && let Some(request) = request()
        {
            let mut platform = self.platform.borrow_mut();
            let at = platform.now + delay;
            platform.late.push((at, request));
        }
        if matches!(verdict, Verdict::Late(_)) {
            return lost(Lost::PerhapsDone);
        }
        let answer = perform(&mut self.platform.borrow_mut());
        if verdict == Verdict::FailAfter {
            return lost(Lost::PerhapsDone);
        }
        if verdict == Verdict::DelayAnswer {
            self.verdict(site, true, None).await;
        }
        answer
    }

    fn verdict(
        &self,
        site: Site,
        has_acted: bool,
        sleeps_until: Option<i64>,
    ) -> impl Future<Output = Verdict> + '_ {
        let mut place = None;
        poll_fn(move |context| {
            let mut calls = self.calls.borrow_mut();
            let Some(place) = place else {
                let waker = Some(context.waker().clone());
                let waiting = Some(Waiting { site, has_acted, sleeps_until, waker, verdict: None });
                let free = calls.iter().position(Option::is_none).unwrap_or(calls.len());
                if free == calls.len() {
                    calls.push(waiting);
                } else if let Some(slot) = calls.get_mut(free) {
                    *slot = waiting;
                }
                place = Some(free);
                return Poll::Pending;
            };
            let Some(slot) = calls.get_mut(place) else { return Poll::Pending };
            let Some(verdict) = slot.as_ref().and_then(|call| call.verdict) else { return Poll::Pending };
            *slot = None;
            Poll::Ready(verdict)
        })
    }
}

impl Clock for &Machine {
    fn now(&self) -> Timestamp {
        timestamp(self.platform.borrow().now + self.skew.get())
    }

    fn nonce(&self) -> String {
        self.platform.borrow_mut().nonce()
    }
}

/// Records that a future wants to be polled again.
#[derive(Debug, Default)]
pub(crate) struct Woken(pub(crate) AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
