use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

use contract::stored::StoredCommit;
use effects::leads::Walked;
use effects::mail::Letterhead;
use jiff::SignedDuration;

use crate::Plan;
use crate::call::timestamp;
use crate::chance::Chance;
use crate::executor::{FaultSource, Woken};
use crate::fault::{Faults, Site};
use crate::history::Post;
use crate::operator::{Takeover, take_over};
use crate::platform::Platform;
use crate::sight::Sight;
use crate::strategy::Strategy;
use crate::worker::{Invocation, Kind, Warm};

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// How many sweeps may be needed until all is settled: a day and a half, for what waits longest waits a day.
const ROUNDS: usize = 220;

/// The executor: one thread that decides, step by step, who goes on and what goes wrong.
pub(crate) struct World {
    pub(crate) platform: Rc<RefCell<Platform>>,
    pub(crate) posts: Vec<Post>,
    outbox: VecDeque<usize>,
    /// Where invocations run: what for, what is warm there, and whether one runs now.
    pub(crate) slots: Vec<(Kind, Option<Warm>, bool)>,
    pub(crate) invocations: Vec<Invocation>,
    pub(crate) chance: Chance,
    pub(crate) faults: FaultSource,
    letterhead: Letterhead,
    pub(crate) waker: Arc<Woken>,
    machines: usize,
    /// Sweeps that are due.
    sweeps: usize,
    /// See [`Plan::is_about_mail`].
    is_about_mail: bool,
    /// How long a step takes at most, in milliseconds.
    pub(crate) longest_step: i64,
    /// Whether nobody performs effects.
    pub(crate) is_down: bool,
    /// How many of the posts are not to be posted yet: until nothing is decided any more, or somebody says so.
    pub(crate) held_back: usize,
    pub(crate) is_held_for_good: bool,
}

impl World {
    pub(crate) fn new(plan: &Plan, posts: Vec<Post>) -> Self {
        let mut chance = Chance::of(plan.seed);
        let is_random = plan.faults == Faults::Random;
        let mut platform = Platform::new(Chance::of(!plan.seed), is_random, plan.off, plan.has_trace);
        platform.strategy = plan.strategy;
        // It has been sweeping all along; or never before.
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
        let faults = FaultSource::new(&plan.faults, is_about_mail, &mut chance);
        let mut outbox: VecDeque<usize> = (0..posts.len()).collect();
        // Other ways, and ours without a safeguard, are looked at in a simpler world.
        if is_random && plan.off.is_none() && plan.strategy.is_none() {
            take_over(&mut platform, &posts, &mut outbox, &mut chance);
        }
        let Takeover { known, has_former, operations, later } = plan.takeover.clone();
        if has_former || !known.is_empty() {
            let former = platform.former.get_or_insert_default();
            for event in &known {
                former.tell(event);
            }
        }
        platform.operations.extend(operations);
        let mut slots = vec![(Kind::Recorder, None, false), (Kind::Recorder, None, false)];
        slots.extend([
            (Kind::Reactor, None, false),
            (Kind::Reactor, None, false),
            (Kind::Sweeper, None, false),
            (Kind::Receipts, None, false),
            (Kind::Operator, None, false),
        ]);
        if chance.per_mille(500) {
            slots.extend([(Kind::Recorder, None, false), (Kind::Reactor, None, false)]);
        }
        Self {
            platform: Rc::new(RefCell::new(platform)),
            outbox,
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
            held_back: later,
            is_held_for_good: false,
        }
    }

    /// The calls that were made, where faults are planned.
    pub(crate) fn sites(&mut self) -> Vec<Site> {
        mem::take(&mut self.faults.sites)
    }

    /// The run: first with everything that can go wrong, then without, until nothing is left to do.
    ///
    /// # Errors
    /// What does not come to an end.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        if self.faults.at.is_none() {
            let ticks = self.chance.pick(&[150, 400, 700]) * if self.is_about_mail { 2 } else { 1 };
            // The very first sweep looks back for three days only.
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
        let mut left = None;
        for _ in 0..ROUNDS {
            self.settle_down()?;
            left = self.unsettled();
            if left.is_none() || !self.platform.borrow().has_sweeper() {
                return Ok(());
            }
            self.platform.borrow_mut().now += 10 * MINUTE;
            self.sweeps = 1;
        }
        Err(format!("does not drain: {}", left.unwrap_or_default()))
    }

    /// One sweep, and what comes of it.
    pub(crate) fn sweep(&mut self) -> Result<(), String> {
        self.sweeps = 1;
        self.settle_down()
    }

    /// Goes on until nothing is to be done at all, jumping over the time in which nothing happens.
    pub(crate) fn settle_down(&mut self) -> Result<(), String> {
        for _ in 0..20_000 + 200 * self.posts.len() {
            if !self.tick() && !self.jump() {
                return Ok(());
            }
        }
        Err("does not drain: there is always something to do".to_owned())
    }

    /// To the next moment at which something can happen, if there is one.
    fn jump(&mut self) -> bool {
        let mut platform = self.platform.borrow_mut();
        let now = platform.now;
        let wakes = self.invocations.iter().map(Invocation::goes_on_at).filter(|at| *at > now);
        let lands = platform.late.iter().map(|(at, _)| *at);
        let next =
            [wakes.min(), lands.min(), platform.queue.next_visible(now), platform.feed.next_visible(now)];
        let Some(next) = next.into_iter().flatten().min() else { return false };
        platform.now = next.max(now + 1);
        true
    }

    /// What there still is to do, once nothing happens any more.
    fn unsettled(&self) -> Option<String> {
        let platform = self.platform.borrow();
        if !platform.events.is_empty() {
            return Some("an event of SES stays in its queue".to_owned());
        }
        if !platform.queue.is_empty() {
            return Some("a message stays in its queue".to_owned());
        }
        if let Some(operation) = platform.operations.first() {
            return Some(format!("{operation:?} is not done"));
        }
        platform.streams.buyers.iter().find_map(|(buyer, stream)| {
            let must_be_looked_at = |commit: &&StoredCommit| commit.feed.is_some();
            let due = stream.values().rev().find(must_be_looked_at).map_or(0, |commit| commit.last);
            let items = platform.leads.buyers.get(buyer);
            let through = items.map_or(0, |items| items.cursor.through.get());
            if through < due {
                return Some(format!("{buyer} is settled through {through}, and should be through {due}"));
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

    /// One step of somebody, or a beginning, or time. `false` if there was nothing to do.
    fn tick(&mut self) -> bool {
        let now = self.pass_time();
        let is_random = self.platform.borrow().is_noisy;
        let first = self.chance.below(100);
        if first < 70 && self.step(now) {
            return true;
        }
        let order = [self.chance.below(7), self.chance.below(7)];
        for what in order.into_iter().chain(0..7) {
            let is_done = match what {
                0 => self.begin(Kind::Recorder, now),
                1 => self.begin(Kind::Reactor, now),
                2 => self.post(now),
                3 => self.begin(Kind::Sweeper, now),
                4 => self.begin(Kind::Receipts, now),
                5 => self.begin(Kind::Operator, now),
                _ => is_random && self.misfortune(),
            };
            if is_done {
                return true;
            }
        }
        self.step(now)
    }

    fn pass_time(&mut self) -> i64 {
        let mut platform = self.platform.borrow_mut();
        platform.now += 1 + self.chance.up_to(self.longest_step);
        let now = platform.now;
        while let Some(at) = platform.late.iter().position(|(at, _)| *at <= now) {
            let (_, request) = platform.late.swap_remove(at);
            platform.log(format_args!("late {request:?}"));
            platform.land(&request);
        }
        now
    }

    /// Time in which nothing happens: whoever was at an e-mail stood still as well.
    fn pass(&mut self, milliseconds: i64) {
        // Whoever appends has been ended by Lambda after so long; see `freeze`.
        while milliseconds > 2 * HOUR
            && let Some(at) = self.invocations.iter().position(|invocation| invocation.kind.appends())
        {
            self.end(at, true);
        }
        let mut platform = self.platform.borrow_mut();
        platform.now += milliseconds;
        platform.doubts += self.invocations.iter().map(|one| one.machine.doubtful()).sum::<usize>();
    }

    /// Somebody looks at the dead letters days later and gives all of them another try, in any order.
    fn redrive_late(&mut self) {
        let time = self.chance.up_to(72 * HOUR);
        self.pass(time);
        let mut platform = self.platform.borrow_mut();
        while !platform.letters.is_empty() {
            let at = self.chance.below(platform.letters.len());
            platform.redrive(at);
            platform.sights.add(Sight::RedrivenLate);
        }
    }

    /// Whether no worker is at anything, and no event or doorbell waits for one.
    fn is_at_rest(&self) -> bool {
        let platform = self.platform.borrow();
        let now = platform.now;
        let is_busy = self.invocations.iter().any(|invocation| invocation.is_awake(now));
        !is_busy && !platform.queue.has_ready(now) && !platform.feed.has_ready(now)
    }

    fn misfortune(&mut self) -> bool {
        if self.is_about_mail && self.chance.per_mille(900) {
            // Time passes while mails wait for their next attempt, not while a worker is at one.
            let is_at_rest = self.is_at_rest();
            let time = self.chance.up_to(2 * MINUTE);
            if is_at_rest {
                self.pass(time);
            }
            return is_at_rest;
        }
        let misfortune = self.chance.below(14);
        if misfortune == 0 {
            let longest = self.chance.pick(&[5_000, MINUTE, 200_000, HOUR]);
            let time = self.chance.up_to(longest);
            self.pass(time);
            return true;
        }
        let mut platform = self.platform.borrow_mut();
        match misfortune {
            1 => {
                let at = self.chance.below(self.slots.len());
                if let Some((_, warm, false)) = self.slots.get_mut(at) {
                    *warm = None;
                }
            }
            2 if !platform.letters.is_empty() => {
                let at = self.chance.below(platform.letters.len());
                platform.redrive(at);
            }
            3 if !self.invocations.is_empty() => {
                let at = self.chance.below(self.invocations.len());
                let skew = self.chance.pick(&[-1, 0, 1]) * self.chance.up_to(HOUR);
                if self.invocations[at].machine.set_clock(skew) < 0 {
                    platform.sights.add(Sight::ClockWentBack);
                }
            }
            4 => {
                let platform = &mut *platform;
                if platform.streams.spoil(&mut platform.chance) {
                    platform.sights.add(Sight::SpoiltSnapshot);
                }
            }
            _ => return false,
        }
        true
    }

    fn post(&mut self, now: i64) -> bool {
        if self.held_back > 0 && !self.is_held_for_good && self.platform.borrow().operations.is_empty() {
            self.held_back = 0;
        }
        if self.outbox.len() <= self.held_back {
            return false;
        }
        // Events that come while mails wait for their next attempt, now and then in the middle of one.
        let is_slow = self.is_about_mail && self.platform.borrow().is_noisy;
        let is_heard = self.platform.borrow().feed.is_empty();
        let is_frozen = self.invocations.iter().any(|invocation| invocation.wakes_at > now);
        let times = match (self.is_at_rest() && is_heard, is_frozen) {
            (true, true) => 400,
            (true, false) => 80,
            (false, _) => 20,
        };
        if is_slow && !self.chance.per_mille(times) {
            return false;
        }
        let Some(at) = self.outbox.pop_front() else { return false };
        let mut platform = self.platform.borrow_mut();
        if let Some(post) = self.posts.get(at) {
            platform.log(format_args!("posted {}", post.id));
            platform.queue.send(now, &post.group, &post.id, &post.body, at);
            if let (Some(former), Some(event)) = (&mut platform.former, &post.event) {
                former.is_posted(event);
            }
            if platform.queue.has_repeats {
                platform.sights.add(Sight::RepeatedLater);
            }
        }
        true
    }

    fn begin(&mut self, kind: Kind, now: i64) -> bool {
        let mut platform = self.platform.borrow_mut();
        let has_work = match kind {
            Kind::Recorder => platform.queue.has_ready(now),
            Kind::Reactor => !self.is_down && platform.feed.has_ready(now),
            Kind::Receipts => platform.events.has_ready(now),
            Kind::Operator if platform.is_noisy => {
                !platform.operations.is_empty() && self.chance.per_mille(15)
            }
            // Somebody looks when all has come to rest.
            Kind::Operator => {
                let is_quiet = self.invocations.is_empty()
                    && self.outbox.len() <= self.held_back
                    && !platform.queue.has_ready(now)
                    && !platform.feed.has_ready(now);
                !platform.operations.is_empty() && is_quiet
            }
            Kind::Sweeper => {
                let is_time = self.sweeps > 0
                    || platform.is_noisy && self.chance.per_mille(if self.is_about_mail { 150 } else { 20 });
                is_time && platform.has_sweeper() && !self.is_down
            }
        };
        let free = self.slots.iter().position(|(of, _, is_busy)| *of == kind && !is_busy);
        let (true, Some(slot)) = (has_work, free) else { return false };
        let Some((_, warm, is_busy)) = self.slots.get_mut(slot) else { return false };
        if kind == Kind::Reactor && platform.is(Strategy::TrustFeed) {
            *warm = None; // It remembers nothing: every record counts.
        }
        let warm = warm.get_or_insert_with(|| {
            self.machines += 1;
            let skew = if platform.is_noisy {
                self.chance.pick(&[0, 0, -1, 1]) * self.chance.up_to(HOUR)
            } else {
                0
            };
            let name = format!("{kind:?}-{}", self.machines);
            let takeover = (platform.former.is_some(), platform.performing(), platform.pace);
            Warm::start(kind, name, &self.platform, skew, &self.letterhead, takeover)
        });
        let Some(invocation) = warm.invoke(&mut platform, slot) else { return false };
        if kind == Kind::Sweeper {
            self.sweeps = 0;
        }
        *is_busy = true;
        drop(platform);
        self.invocations.push(invocation);
        let last = self.invocations.len() - 1;
        self.poll(last);
        true
    }
}
