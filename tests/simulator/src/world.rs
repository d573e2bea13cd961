use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

use contract::stored::StoredCommit;
use effects::mail::Letterhead;
use jiff::SignedDuration;
use leads_store::Walked;

use crate::Plan;
use crate::call::timestamp;
use crate::chance::Chance;
use crate::executor::{FaultSource, Woken};
use crate::fault::{Faults, Site};
use crate::history::{Post, Sent};
use crate::platform::{Former, Platform};
use crate::sight::Sight;
use crate::takeover::{Settings, take_over};
use crate::worker::{Invocation, Kind, Warm};

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// The limit of sweeps until everything is settled. It covers a day and a half, because the longest wait is a day.
const ROUNDS: usize = 220;

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
            withheld: plan.takeover.later,
            is_withheld_permanently: false,
        }
    }

    /// The calls that were made, if the faults are planned.
    pub(crate) fn sites(&mut self) -> Vec<Site> {
        mem::take(&mut self.faults.sites)
    }

    /// Makes the run: first with everything that can go wrong, then without faults until no work is left.
    ///
    /// # Errors
    /// The work that is never completed.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        if self.faults.at.is_none() {
            let ticks = self.chance.pick(&[150, 400, 700]) * if self.is_about_mail { 2 } else { 1 };
            // The very first sweep looks back only three days.
            let has_swept = self.platform.borrow().leads.walked.is_some();
            self.is_down = has_swept && self.chance.per_mille(10);
            for tick in 0..ticks {
                if self.is_down && tick == ticks / 2 {
                    self.pass(30 * HOUR);
                    self.platform.borrow_mut().sights.add(Sight::Outage);
                    self.is_down = false;
                }
                self.tick();
            }
            if has_swept && self.chance.per_mille(60) {
                self.redrive_late();
            }
            self.faults.left = 0;
            self.platform.borrow_mut().is_noisy = false;
        }
        self.log("the faults end");
        let (mut left, mut is_last) = (None, false);
        for _ in 0..ROUNDS {
            self.settle_down()?;
            left = self.unsettled();
            if left.is_none() || !self.platform.borrow().has_sweeper() {
                if is_last || !self.has_final_operations() {
                    return Ok(());
                }
                is_last = true;
                continue;
            }
            self.platform.borrow_mut().now += 10 * MINUTE;
            self.sweeps = 1;
        }
        Err(format!("does not drain: {}", left.unwrap_or_default()))
    }

    /// Adds the operations that operators perform at the end of a run. Returns whether there are any.
    fn has_final_operations(&self) -> bool {
        let mut platform = self.platform.borrow_mut();
        let last = platform.final_operations();
        platform.operations.extend(last);
        !platform.operations.is_empty()
    }

    /// Makes one sweep, and everything that follows from it.
    pub(crate) fn sweep(&mut self) -> Result<(), String> {
        self.sweeps = 1;
        self.settle_down()
    }

    /// Makes steps until no work is left, skipping the time in which nothing happens.
    pub(crate) fn settle_down(&mut self) -> Result<(), String> {
        for _ in 0..20_000 + 200 * self.posts.len() {
            if !self.tick() && !self.jump() {
                return Ok(());
            }
        }
        Err("does not drain: work never runs out".to_owned())
    }

    /// Advances the clock to the next moment at which something can happen. Returns `false` if there is none.
    fn jump(&mut self) -> bool {
        let mut platform = self.platform.borrow_mut();
        let now = platform.now;
        let wakes = self.invocations.iter().map(Invocation::goes_on_at).filter(|at| *at > now);
        let lands = platform.late.iter().map(|(at, _)| *at);
        let next = [
            wakes.min(),
            lands.min(),
            platform.queue.next_visible(now),
            platform.feed.next_visible(now),
            platform.former.as_ref().and_then(Former::next_at),
            Some(platform.operators_back_at).filter(|at| *at > now && !platform.operations.is_empty()),
        ];
        let Some(next) = next.into_iter().flatten().min() else { return false };
        platform.now = next.max(now + 1);
        true
    }

    /// The work that is still open when no more steps are possible; `None` if there is none.
    fn unsettled(&self) -> Option<String> {
        let platform = self.platform.borrow();
        if !platform.events.is_empty() {
            return Some("an event of SES stays in its queue".to_owned());
        }
        if !platform.queue.is_empty() {
            return Some("a message stays in its queue".to_owned());
        }
        if let Some(operation) = platform.operations.first() {
            return Some(format!("{operation:?} is never done"));
        }
        platform.streams.buyers.iter().find_map(|(buyer, stream)| {
            let must_be_looked_at = |commit: &&StoredCommit| commit.feed.is_some();
            let due = stream.values().rev().find(must_be_looked_at).map_or(0, |commit| commit.last);
            let items = platform.leads.buyers.get(buyer);
            let through = items.map_or(0, |items| items.cursor.through.get());
            if through < due {
                return Some(format!("{buyer} is settled through {through} instead of {due}"));
            }
            let items = items?;
            if items.cursor.behind.is_some() {
                return Some(format!("{buyer} stays behind"));
            }
            let open = items.ledger.iter().find(|(_, entry)| entry.due.is_some());
            open.map(|(key, entry)| format!("{buyer}: e-mail {key} stays {}", entry.status.name()))
        })
    }

    fn log(&self, words: &str) {
        self.platform.borrow_mut().log(format_args!("{words}"));
    }
}
