//! The world of a run, and how it makes one step: a call gets its verdict, and the worker that waited for it continues,
//! fails or freezes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use effects::mail::Letterhead;
use jiff::SignedDuration;
use leads_store::Walked;

use crate::call::{Verdict, Woken};
use crate::chance::{Chance, HOUR, MINUTE, timestamp};
use crate::fault::{Fault, FaultSource, Faults, Site};
use crate::history::{Post, Sent};
use crate::operator::take_over;
use crate::plan::{Pausing, Plan, Settings};
use crate::platform::Platform;
use crate::sight::Sight;
use crate::worker::{Invocation, Kind, Warm};

/// The executor of a run: it decides step by step which worker continues and what goes wrong.
pub(crate) struct World {
    pub(crate) platform: Rc<RefCell<Platform>>,
    pub(crate) posts: Vec<Post>,
    pub(crate) outbox: VecDeque<usize>,
    /// The coming settings of the stack.
    pub(crate) settings: Settings,
    pub(crate) slots: Vec<Slot>,
    pub(crate) invocations: Vec<Invocation>,
    pub(crate) chance: Chance,
    pub(crate) faults: FaultSource,
    pub(crate) letterhead: Letterhead,
    pub(crate) waker: Arc<Woken>,
    pub(crate) machines: usize,
    /// The number of sweeps that are due.
    pub(crate) sweeps: usize,
    /// See [`Plan::is_about_mail`].
    pub(crate) is_about_mail: bool,
    /// The longest duration of a step, in milliseconds.
    pub(crate) longest_step: i64,
    /// Whether reactor and sweeper are down.
    pub(crate) is_down: bool,
    /// See [`Plan::pausing`].
    pub(crate) pausing: Option<Pausing>,
    /// The number of posts that are withheld until all operations are done, or until the caller releases them.
    pub(crate) withheld: usize,
    /// Whether only the caller releases them.
    pub(crate) is_withheld_permanently: bool,
}

/// A place in which one invocation at a time runs.
pub(crate) struct Slot {
    pub(crate) kind: Kind,
    /// The warm execution environment in it.
    pub(crate) warm: Option<Warm>,
    /// The number of changes of the stack's settings before it was started.
    pub(crate) epoch: usize,
    /// Whether an invocation runs in it now.
    pub(crate) is_busy: bool,
}

impl World {
    pub(crate) fn new(plan: &Plan, posts: Vec<Post>, unsent: Vec<Sent>) -> Self {
        let mut chance = Chance::of(plan.seed);
        let is_random = plan.faults == Faults::Random;
        let mut platform = Platform::new(Chance::of(!plan.seed), is_random, plan.off, plan.has_trace);
        platform.strategy = plan.strategy;
        // Either the sweeper ran five minutes ago, or it never ran before.
        let began = timestamp(-5 * MINUTE);
        let is_first = is_random && chance.per_mille(20);
        platform.leads.walked = (!is_first).then_some(Walked::to(began));
        if is_random {
            platform.queue.takes_all = chance.per_mille(500);
            platform.ses.back_at = chance.pick(&[0, 0, 0, HOUR, 9 * HOUR]);
            platform.sales.back_at = chance.pick(&[0, 0, 0, 0, 0, 0, 0, 0, HOUR, 12 * HOUR]);
            let days = chance.pick(&[0, 10 * MINUTE, HOUR, 24 * HOUR, 24 * HOUR]);
            platform.pace.tried_for = SignedDuration::from_millis(days);
        }
        let is_about_mail = plan.is_about_mail();
        if is_about_mail {
            platform.ses.is_busy = true;
            platform.feed.is_prompt = true;
            platform.events.is_silent = chance.per_mille(600);
            platform.ses.back_at = 0;
            platform.pace.tried_for = SignedDuration::from_millis(chance.pick(&[0, 0, 10 * MINUTE]));
        }
        let mut faults = FaultSource::new(&plan.faults, is_about_mail, &mut chance);
        let mut outbox: VecDeque<usize> = (0..posts.len()).collect();
        platform.unsent = unsent;
        plan.takeover.clone().begin(&mut platform);
        // Other ways, and ours without a safeguard, run without a former system and operators.
        let is_simple = plan.strategy.is_some() || plan.off.is_some_and(|off| !off.is_beside());
        let settings = if is_random && !is_simple {
            take_over(&mut platform, &posts, &mut outbox, &mut chance)
        } else {
            Settings::new()
        };
        if is_random && platform.former.is_some() && chance.per_mille(400) {
            faults.focus = Some(chance.pick(&[Site::Handover, Site::Handover, Site::Append, Site::Answer]));
            faults.left = faults.left.max(6);
        }
        let mut kinds = vec![Kind::Recorder, Kind::Recorder, Kind::Reactor, Kind::Reactor];
        kinds.extend([Kind::Sweeper, Kind::Receipts, Kind::Operator]);
        if chance.per_mille(500) {
            kinds.extend([Kind::Recorder, Kind::Reactor]);
        }
        let slot = |kind| Slot { kind, warm: None, epoch: 0, is_busy: false };
        let slots = kinds.into_iter().map(slot).collect();
        Self {
            platform: Rc::new(RefCell::new(platform)),
            outbox,
            settings,
            posts,
            slots,
            invocations: Vec::new(),
            chance,
            faults,
            letterhead: Letterhead { site: "Cars".to_owned(), site_url: "https://cars.example".to_owned() },
            waker: Arc::default(),
            machines: 0,
            sweeps: 0,
            is_about_mail,
            longest_step: 100,
            is_down: false,
            pausing: plan.pausing(),
            withheld: plan.takeover.later,
            is_withheld_permanently: false,
        }
    }

    /// The calls that were made, if the faults are planned.
    pub(crate) fn sites(&mut self) -> Vec<Site> {
        mem::take(&mut self.faults.sites)
    }

    pub(crate) fn log(&self, words: &str) {
        self.platform.borrow_mut().log(format_args!("{words}"));
    }
}

impl World {
    /// Gives one waiting call its verdict. Returns `false` if no call waits.
    pub(crate) fn step(&mut self, now: i64) -> bool {
        self.wake(now);
        let is_awake = |invocation: &&Invocation| invocation.is_awake(now);
        let awake = self.invocations.iter().filter(is_awake).count();
        if awake == 0 {
            return false;
        }
        let chosen = self.chance.below(awake);
        let found = self.invocations.iter().enumerate().filter(|(_, one)| is_awake(one)).nth(chosen);
        let Some((index, invocation)) = found else { return false };
        let machine = Rc::clone(&invocation.machine);
        let places = machine.places();
        let first = self.chance.below(places);
        let waiting = (0..places)
            .map(|offset| (first + offset) % places)
            .find_map(|place| machine.waiting(place).map(|(site, has_acted)| (place, site, has_acted)));
        let Some((place, site, has_acted)) = waiting else {
            self.end(index, true);
            return true;
        };
        let fault = if has_acted { None } else { self.next_fault(site) };
        let mut platform = self.platform.borrow_mut();
        platform.calls[site as usize] += 1;
        if self.invocations[index].slept >= HOUR {
            match site {
                Site::Append => platform.sights.add(Sight::LateAppend),
                Site::Claim | Site::Email | Site::Settle | Site::Sales | Site::MoveCursor => {
                    platform.sights.add(Sight::LateReactor);
                }
                Site::Page
                | Site::Letter
                | Site::Answer
                | Site::Cursor
                | Site::Mark
                | Site::Feed
                | Site::OpenWork
                | Site::Lease
                | Site::Walked
                | Site::Stop
                | Site::Receipt
                | Site::ReceiptsAnswer
                | Site::LookUp
                | Site::Handover
                | Site::Clear
                | Site::Pauses => {}
            }
        }
        if platform.trace.is_some() {
            platform.log(format_args!(
                "{} {site:?} {}",
                machine.name,
                fault.map_or(String::new(), |fault| format!("{fault:?}"))
            ));
        }
        let Some(fault) = fault else {
            drop(platform);
            machine.decide(place, Verdict::Proceed);
            self.poll(index);
            return true;
        };
        let is_end = matches!(
            fault,
            Fault::CrashBefore | Fault::CrashAfter | Fault::FreezeBefore | Fault::FreezeAfter
        );
        if fault == Fault::Panic && matches!(site, Site::Page | Site::Append | Site::Letter) {
            platform.panics += 1;
        }
        platform.doubts +=
            usize::from(site.is_doubtful()) + if is_end { machine.doubtful_calls() } else { 0 };
        drop(platform);
        self.inject(index, place, fault, now);
        true
    }

    /// Continues the invocations whose sleep ends now.
    fn wake(&mut self, now: i64) {
        let sleeps = |invocation: &Invocation| {
            let wakes_at = invocation.machine.wakes_at();
            invocation.wakes_at <= now && wakes_at.is_some_and(|at| at <= now)
        };
        while let Some(index) = self.invocations.iter().position(sleeps) {
            self.invocations[index].machine.wake(now);
            self.poll(index);
        }
    }

    fn next_fault(&mut self, site: Site) -> Option<Fault> {
        let fault = if let Some(at) = &self.faults.at {
            let call = self.faults.sites.len();
            self.faults.sites.push(site);
            at.iter().find(|(planned, _)| *planned == call).map(|(_, fault)| *fault)?
        } else {
            if self.faults.left == 0 {
                return None;
            }
            let per_mille = if self.faults.focus == Some(site) { 300 } else { self.faults.per_mille };
            if !self.chance.per_mille(per_mille) {
                return None;
            }
            self.faults.left -= 1;
            if self.faults.is_about_mail && self.chance.per_mille(700) {
                // Most races are possible between an attempt and its settling.
                let freezes = if site == Site::Settle { 800 } else { 400 };
                if self.chance.per_mille(freezes) { Fault::FreezeBefore } else { Fault::Again }
            } else {
                self.chance.pick(&Fault::ALL)
            }
        };
        // A request to SES is never repeated.
        Some(if fault == Fault::Again && site == Site::Email { Fault::FailAfter } else { fault })
    }

    fn inject(&mut self, index: usize, place: usize, fault: Fault, now: i64) {
        let machine = Rc::clone(&self.invocations[index].machine);
        let delays = if self.faults.is_about_mail {
            [2 * MINUTE, 10 * MINUTE, 20 * MINUTE]
        } else {
            [1_000, MINUTE, 2 * HOUR]
        };
        let delay = |chance: &mut Chance| {
            let longest = chance.pick(&delays);
            chance.up_to(longest)
        };
        let verdict = match fault {
            Fault::CrashBefore => return self.end(index, true),
            Fault::FreezeBefore => return self.freeze(index, now),
            Fault::CrashAfter | Fault::FreezeAfter => Verdict::DelayAnswer,
            Fault::FailBefore => Verdict::FailBefore,
            Fault::FailAfter => Verdict::FailAfter,
            Fault::Late => Verdict::Late(delay(&mut self.chance)),
            Fault::Again => Verdict::Again(delay(&mut self.chance)),
            Fault::Panic => Verdict::Panic,
        };
        machine.decide(place, verdict);
        if self.poll(index) {
            return;
        }
        match fault {
            Fault::CrashAfter => self.end(index, true),
            Fault::FreezeAfter => self.freeze(index, now),
            Fault::FailBefore
            | Fault::FailAfter
            | Fault::Late
            | Fault::Again
            | Fault::CrashBefore
            | Fault::FreezeBefore
            | Fault::Panic => {}
        }
    }

    /// Polls an invocation until it waits for a verdict or has ended. Returns `true` if it has ended and was removed.
    pub(crate) fn poll(&mut self, index: usize) -> bool {
        let waker = Waker::from(Arc::clone(&self.waker));
        let mut context = Context::from_waker(&waker);
        loop {
            self.waker.0.store(false, Ordering::Relaxed);
            let Some(invocation) = self.invocations.get_mut(index) else { return true };
            let future = &mut invocation.future;
            match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context))) {
                Ok(Poll::Pending) if self.waker.0.load(Ordering::Relaxed) => {}
                Ok(Poll::Pending) => return false,
                Ok(Poll::Ready(())) => {
                    let has_failed = *invocation.has_failed.borrow();
                    self.end(index, has_failed);
                    return true;
                }
                Err(_) => {
                    // The panic was not caught, so it also ends the invocation's concurrent e-mails.
                    self.platform.borrow_mut().doubts += invocation.machine.doubtful_calls();
                    self.end(index, true);
                    return true;
                }
            }
        }
    }

    /// Ends an invocation. If it failed, its execution environment is discarded and its doorbells are delivered again.
    pub(crate) fn end(&mut self, index: usize, has_failed: bool) {
        let invocation = self.invocations.swap_remove(index);
        if let Some(slot) = invocation.slot.and_then(|slot| self.slots.get_mut(slot)) {
            slot.is_busy = false;
            if has_failed {
                slot.warm = None;
            }
        }
        if has_failed && invocation.slot.is_some() {
            self.platform.borrow_mut().feed.give_back(&invocation.doorbells);
        }
    }

    /// Freezes an invocation for longer than anything waits for it. Its slot becomes free, and its batch is delivered
    /// again.
    fn freeze(&mut self, index: usize, now: i64) {
        // A commit carries the time at which it was made. If it is put much later and its doorbell is lost, no walk of
        // the sweeper reaches it. Lambda ends an invocation at its time-out, so two hours are long enough.
        let appends = self.invocations.get(index).is_some_and(|invocation| invocation.kind.appends());
        let longest = if appends {
            self.chance.pick(&[20_000, 10 * MINUTE, 110 * MINUTE])
        } else {
            self.chance.pick(&[20_000, 10 * MINUTE, 5 * HOUR, 5 * HOUR, 30 * HOUR])
        };
        let longest = if self.faults.is_about_mail { longest.min(5 * MINUTE) } else { longest };
        let wakes_at = now + self.chance.up_to(longest);
        let Some(invocation) = self.invocations.get_mut(index) else { return };
        invocation.wakes_at = wakes_at;
        invocation.slept = wakes_at - now;
        if let Some(slot) = invocation.slot.take().and_then(|slot| self.slots.get_mut(slot)) {
            slot.warm = None;
            slot.is_busy = false;
            self.platform.borrow_mut().feed.give_back(&invocation.doorbells);
        }
    }
}
