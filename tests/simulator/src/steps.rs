//! The steps of a run: a worker continues, an invocation begins, a message is posted, time passes, or something goes
//! wrong.

use contract::stored::StoredCommit;

use crate::chance::{HOUR, MINUTE};
use crate::plan::Strategy;
use crate::platform::Former;
use crate::sight::Sight;
use crate::worker::{Invocation, Kind, Warm};
use crate::world::World;

/// The limit of sweeps until everything is settled. It covers a day and a half, because the longest wait is a day.
const ROUNDS: usize = 220;

impl World {
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
                self.pause_at(tick * 1000 / ticks, (tick + 1) * 1000 / ticks);
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

    /// Begins the pause in its part of the run, lets a minute pass in a later one, and the rest of its hour in the last.
    /// All parts are in thousandths, up to `until`.
    fn pause_at(&mut self, from: usize, until: usize) {
        let Some(pausing) = self.pausing else { return };
        let is_now = |part: usize| (from..until).contains(&part);
        if is_now(pausing.from) {
            self.platform.borrow_mut().pause(pausing.kinds);
        }
        if is_now(pausing.from + (pausing.to - pausing.from) / 4) {
            self.pass(MINUTE);
            self.sweeps = 1;
        }
        if is_now(pausing.to) {
            let left = {
                let platform = self.platform.borrow();
                platform.pauses.left(platform.now)
            };
            self.pass(left);
        }
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

    /// Makes one random step. Returns `false` if nothing was to be done.
    pub(crate) fn tick(&mut self) -> bool {
        let now = self.pass_time();
        let is_random = self.platform.borrow().is_noisy;
        let first = self.chance.below(100);
        if first < 70 && self.step(now) {
            return true;
        }
        let order = [self.chance.below(8), self.chance.below(8)];
        for what in order.into_iter().chain(0..8) {
            let is_done = match what {
                0 => self.begin(Kind::Recorder, now),
                1 => self.begin(Kind::Reactor, now),
                2 => self.post(now),
                3 => self.begin(Kind::Sweeper, now),
                4 => self.begin(Kind::Receipts, now),
                5 => self.begin(Kind::Operator, now),
                6 => self.former_acts(now),
                _ => is_random && self.misfortune(),
            };
            if is_done {
                return true;
            }
        }
        self.step(now)
    }

    /// Advances the clock by one step, and lets late requests take effect that are due.
    fn pass_time(&mut self) -> i64 {
        let mut platform = self.platform.borrow_mut();
        platform.now += 1 + self.chance.up_to(self.longest_step);
        platform.resume_in_time();
        let now = platform.now;
        while let Some(at) = platform.late.iter().position(|(at, _)| *at <= now) {
            let (_, request) = platform.late.swap_remove(at);
            platform.log(format_args!("late {request:?}"));
            platform.land(&request);
        }
        now
    }

    /// Lets time pass without any step. Workers that were sending e-mails stand still as well, so these are in doubt.
    pub(crate) fn pass(&mut self, milliseconds: i64) {
        // Lambda has ended an appending invocation after that time; see `freeze`.
        while milliseconds > 2 * HOUR
            && let Some(at) = self.invocations.iter().position(|invocation| invocation.kind.appends())
        {
            self.end(at, true);
        }
        let mut platform = self.platform.borrow_mut();
        platform.now += milliseconds;
        platform.doubts += self.invocations.iter().map(|one| one.machine.doubtful_calls()).sum::<usize>();
    }

    /// An operator redrives all dead letters days later, in any order.
    pub(crate) fn redrive_late(&mut self) {
        let time = self.chance.up_to(72 * HOUR);
        self.pass(time);
        let mut platform = self.platform.borrow_mut();
        while !platform.letters.is_empty() {
            let at = self.chance.below(platform.letters.len());
            platform.redrive(at);
            platform.sights.add(Sight::RedrivenLate);
        }
    }

    /// Whether no invocation is running, and no message or doorbell waits for one.
    fn is_at_rest(&self) -> bool {
        let platform = self.platform.borrow();
        let now = platform.now;
        let is_busy = self.invocations.iter().any(|invocation| invocation.is_awake(now));
        !is_busy && !platform.queue.has_ready(now) && !platform.feed.has_ready(now)
    }

    /// Something goes wrong that is not a fault of a call. Returns `false` if nothing did.
    fn misfortune(&mut self) -> bool {
        if self.is_about_mail && self.chance.per_mille(900) {
            // Time passes while mails wait for their next attempt, not during an attempt.
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
                if let Some(slot) = self.slots.get_mut(at).filter(|slot| !slot.is_busy) {
                    slot.warm = None;
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

    /// The former system receives an event or announces something.
    fn former_acts(&mut self, now: i64) -> bool {
        let platform = &mut *self.platform.borrow_mut();
        let Some(former) = &mut platform.former else { return false };
        let mut announced = Vec::new();
        let is_done = former.act(now, &mut self.chance, &mut announced);
        platform.announce_theirs(announced);
        is_done
    }

    /// Applies the settings of the stack that are due at this number of remaining posts.
    fn set(&mut self) {
        while let Some((_, setting)) = self.settings.pop_front_if(|(left, _)| self.outbox.len() <= *left) {
            self.platform.borrow_mut().set(setting);
        }
    }

    fn post(&mut self, now: i64) -> bool {
        self.set();
        if self.withheld > 0 && !self.is_withheld_permanently && self.platform.borrow().operations.is_empty()
        {
            self.withheld = 0;
        }
        if self.outbox.len() <= self.withheld {
            return false;
        }
        // Events should arrive while mails wait for their next attempt, and sometimes during an attempt.
        let is_slow = self.is_about_mail && self.platform.borrow().is_noisy;
        let is_feed_empty = self.platform.borrow().feed.is_empty();
        let is_frozen = self.invocations.iter().any(|invocation| invocation.wakes_at > now);
        let times = match (self.is_at_rest() && is_feed_empty, is_frozen) {
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
            let platform = &mut *platform;
            if let (Some(former), Some(event)) = (&mut platform.former, &post.event) {
                former.schedule(now, event, &mut platform.chance);
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
            Kind::Operator if platform.operators_back_at > now => false,
            Kind::Operator if platform.is_noisy => {
                !platform.operations.is_empty() && self.chance.per_mille(15)
            }
            // An operator acts when everything has come to rest.
            Kind::Operator => {
                let is_quiet = self.invocations.is_empty()
                    && self.outbox.len() <= self.withheld
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
        let free = self.slots.iter().position(|slot| slot.kind == kind && !slot.is_busy);
        let (true, Some(at)) = (has_work, free) else { return false };
        let Some(slot) = self.slots.get_mut(at) else { return false };
        // Environments of an older setting are replaced. With a trusted feed every record counts, so nothing is
        // remembered.
        if slot.epoch != platform.epoch || kind == Kind::Reactor && platform.is(Strategy::TrustFeed) {
            slot.warm = None;
        }
        slot.epoch = platform.epoch;
        let warm = slot.warm.get_or_insert_with(|| {
            self.machines += 1;
            let skew = if platform.is_noisy {
                self.chance.pick(&[0, 0, -1, 1]) * self.chance.up_to(HOUR)
            } else {
                0
            };
            let name = format!("{kind:?}-{}", self.machines);
            Warm::start(kind, name, &self.platform, skew, &self.letterhead, (platform.setting, platform.pace))
        });
        let Some(invocation) = warm.invoke(&mut platform, at) else { return false };
        if kind == Kind::Sweeper {
            self.sweeps = 0;
        }
        slot.is_busy = true;
        drop(platform);
        self.invocations.push(invocation);
        let last = self.invocations.len() - 1;
        self.poll(last);
        true
    }
}
