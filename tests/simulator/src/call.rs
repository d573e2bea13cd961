use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use jiff::Timestamp;
use platform::clock::Clock;

use crate::fault::Site;
use crate::platform::{Platform, Request};

/// When every run begins, in milliseconds since 1970: 2026-11-23T00:00:00Z.
const BEGINNING: i64 = 1_795_392_000_000;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It does its work and is answered.
    Proceed,
    /// It does nothing and fails.
    FailBefore,
    /// It does its work, and the answer is lost.
    FailAfter,
    /// It fails, and lands after so many milliseconds.
    Late(i64),
    /// It succeeds, and lands once more after so many milliseconds.
    Again(i64),
    /// It does its work; the answer waits for a second verdict.
    Hold,
    /// The code that makes the call panics.
    Panic,
}

/// How much a failed call has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Nothing, and that is certain.
    NothingDone,
    /// Nobody knows.
    Unknown,
}

/// A call that waits for its verdict.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) site: Site,
    /// It has done its work already.
    pub(crate) is_held: bool,
    /// No call: it waits until then, in milliseconds since the run began.
    sleeps_until: Option<i64>,
    waker: Option<Waker>,
    verdict: Option<Verdict>,
}

/// One execution environment: a clock that is wrong in its own way, and the calls that its invocation waits for.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) platform: Rc<RefCell<Platform>>,
    calls: RefCell<Vec<Option<Waiting>>>,
    skew: Cell<i64>,
    /// The one record of the change feed that is looked at, where the feed is trusted.
    rang: RefCell<Option<(String, u64)>>,
    /// In which steps it looked at each buyer's cursor first and last, since its invocation began.
    looks: RefCell<BTreeMap<String, (u64, u64)>>,
    /// Of each buyer, the claims of invitations since the last look at its cursor, by nonce.
    invitations: RefCell<BTreeMap<String, Vec<String>>>,
}

impl Machine {
    pub(crate) fn new(name: String, platform: Rc<RefCell<Platform>>, skew: i64) -> Self {
        Self {
            name,
            platform,
            calls: RefCell::new(Vec::new()),
            skew: Cell::new(skew),
            rang: RefCell::new(None),
            looks: RefCell::default(),
            invitations: RefCell::default(),
        }
    }

    /// Its clock is set anew; tells by how much.
    pub(crate) fn set_clock(&self, skew: i64) -> i64 {
        skew - self.skew.replace(skew)
    }

    pub(crate) fn trust(&self, buyer: &str, sequence: u64) {
        *self.rang.borrow_mut() = Some((buyer.to_owned(), sequence));
    }

    pub(crate) fn rang(&self, buyer: &str) -> Option<u64> {
        self.rang.borrow().as_ref().filter(|(of, _)| of == buyer).map(|(_, sequence)| *sequence)
    }

    pub(crate) fn looks_at(&self, buyer: &str, step: u64) {
        let mut looks = self.looks.borrow_mut();
        looks.entry(buyer.to_owned()).or_insert((step, step)).1 = step;
        self.invitations.borrow_mut().remove(buyer);
    }

    /// How many invitations it has claimed before this one since its last look at the buyer's cursor.
    pub(crate) fn invitations_before(&self, buyer: &str, nonce: &str) -> usize {
        let mut invitations = self.invitations.borrow_mut();
        let nonces = invitations.entry(buyer.to_owned()).or_default();
        nonces.iter().position(|known| known == nonce).unwrap_or_else(|| {
            nonces.push(nonce.to_owned());
            nonces.len() - 1
        })
    }

    /// The steps of its first and last look at this buyer's cursor.
    pub(crate) fn looks(&self, buyer: &str) -> (u64, u64) {
        self.looks.borrow().get(buyer).copied().unwrap_or_default()
    }

    /// A new invocation begins: it looks for itself.
    pub(crate) fn forget_looks(&self) {
        self.looks.borrow_mut().clear();
    }

    /// How many places for calls there are; some are empty.
    pub(crate) fn places(&self) -> usize {
        self.calls.borrow().len()
    }

    /// The call that waits in this place.
    pub(crate) fn waiting(&self, place: usize) -> Option<(Site, bool)> {
        let calls = self.calls.borrow();
        let waits = |call: &&Waiting| call.verdict.is_none() && call.sleeps_until.is_none();
        calls.get(place)?.as_ref().filter(waits).map(|call| (call.site, call.is_held))
    }

    /// When the first of those that sleep here wakes.
    pub(crate) fn wakes_at(&self) -> Option<i64> {
        self.calls.borrow().iter().flatten().filter_map(|call| call.sleeps_until).min()
    }

    /// Whether nothing waits here for a verdict, but something for its time to come.
    pub(crate) fn only_sleeps(&self) -> bool {
        self.wakes_at().is_some() && (0..self.places()).all(|place| self.waiting(place).is_none())
    }

    /// Those wake whose time has come.
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

    /// Time passes, and nothing can go wrong with that.
    pub(crate) async fn sleep(&self, time: Duration) {
        let now = self.platform.borrow().now;
        let until = now.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        self.verdict(Site::Walked, false, Some(until)).await;
    }

    /// How many calls wait that can leave an e-mail in doubt.
    pub(crate) fn doubtful(&self) -> usize {
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

    /// One call to AWS. What it does, `perform`, is one step; everything that others do lies before or after it.
    pub(crate) async fn call<T>(
        &self,
        site: Site,
        perform: impl FnOnce(&mut Platform) -> T,
        lost: impl FnOnce(Lost) -> T,
        request: impl FnOnce() -> Option<Request>,
    ) -> T {
        let verdict = self.verdict(site, false, None).await;
        if verdict == Verdict::Panic {
            // Unwinds without the message that a panic prints.
            resume_unwind(Box::new("a fault of the simulator"));
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
            return lost(Lost::Unknown);
        }
        let answer = perform(&mut self.platform.borrow_mut());
        if verdict == Verdict::FailAfter {
            return lost(Lost::Unknown);
        }
        if verdict == Verdict::Hold {
            self.verdict(site, true, None).await;
        }
        answer
    }

    fn verdict(
        &self,
        site: Site,
        is_held: bool,
        sleeps_until: Option<i64>,
    ) -> impl Future<Output = Verdict> + '_ {
        let mut place = None;
        poll_fn(move |context| {
            let mut calls = self.calls.borrow_mut();
            let Some(place) = place else {
                let waker = Some(context.waker().clone());
                let waiting = Some(Waiting { site, is_held, sleeps_until, waker, verdict: None });
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

/// A moment of the run.
pub(crate) fn timestamp(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(BEGINNING + milliseconds).unwrap_or(Timestamp::MAX)
}
