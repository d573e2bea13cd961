//! How long backlogs take to drain: throttled e-mails, and an outage.

use std::collections::BTreeSet;

use leads_store::{Behind, WorkKind};

use crate::chance::{HOUR, MINUTE, timestamp};
use crate::history::{Post, Sent};
use crate::plan::Plan;
use crate::rules::effects_of;
use crate::world::World;
use crate::{Faults, checker};

/// The time between two sweeps, as in the template.
const SWEEPS_EVERY: i64 = 5 * MINUTE;

/// The longest duration of a step in milliseconds. Steps lie between the answers of a sweep's overlapping calls, so
/// they are short.
const STEP: i64 = 2;

/// A scenario in which mails wait for SES beside other open work.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// The number of buyers with one unsent mail each.
    pub mails: usize,
    /// The number of buyers with a held event each.
    pub gaps: usize,
    /// The number of mails that SES takes per second.
    pub rate: usize,
}

/// The outcome, measured from the moment at which SES takes mails again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrainResult {
    /// The time until the last mail was sent, in seconds.
    pub mails: i64,
    /// The number of sweeps until a buyer was settled that was behind for another reason.
    pub behind: usize,
    /// The number of gaps that were examined within the first hour.
    pub gaps_in_an_hour: usize,
    /// The number of mails that SES refused because of its rate.
    pub throttled: usize,
    /// Every violation that was found.
    pub violations: Vec<String>,
}

impl Drain {
    /// Plays the scenario.
    #[must_use]
    pub fn play(self) -> DrainResult {
        let mails = (0..self.mails).map(|number| made(&format!("m{number}"), 0, 1));
        let gaps = (0..self.gaps).map(|number| made(&format!("g{number}"), 0, 2));
        let mut world = quiet_world(mails.chain(gaps).chain([made("behind", 0, 1)]).collect());
        world.platform.borrow_mut().ses.back_at = i64::MAX;
        let mut took = DrainResult::default();
        if let Err(violation) = world.settle_down() {
            return DrainResult { violations: vec![violation], ..took };
        }
        let (began, waiting) = {
            let mut platform = world.platform.borrow_mut();
            platform.ses.back_at = 0;
            platform.ses.rate = Some(self.rate);
            platform.now += 5 * MINUTE;
            let began = platform.now;
            let behind = Behind {
                mark: "another reason".to_owned(),
                reason: "the sales team's queue was unavailable".to_owned(),
                attempts: 1,
                not_before: timestamp(began),
            };
            platform.leads.mark_behind("behind", &behind);
            (began, platform.leads.open(WorkKind::Email).count())
        };
        if waiting != self.mails + 1 {
            took.violations.push(format!("an unexpected number of mails waits: {waiting}"));
        }
        for sweep in 1..=100 {
            if let Err(violation) = world.sweep() {
                took.violations.push(violation);
            }
            let mut platform = world.platform.borrow_mut();
            if took.behind == 0 && platform.leads.cursor("behind").behind.is_none() {
                took.behind = sweep;
            }
            if platform.now - began <= HOUR {
                let is_looked_at = |due| due > timestamp(began + HOUR - 5 * MINUTE);
                let gaps = platform.leads.open(WorkKind::Held);
                took.gaps_in_an_hour = gaps.filter(|(_, work)| is_looked_at(work.due)).count();
            }
            if took.mails == 0 && platform.leads.open(WorkKind::Email).count() == 0 {
                took.mails = (platform.ses.last_at - began) / 1_000;
            }
            if took.mails > 0 && platform.now - began > HOUR {
                break;
            }
            platform.now = began + SWEEPS_EVERY * i64::try_from(sweep).unwrap_or(1);
        }
        let platform = world.platform.borrow();
        took.throttled = platform.ses.throttled;
        took.violations.extend(checker::check(&platform, &world.posts).0);
        took
    }
}

/// A scenario in which SES throttles the mails of buyers for an hour, while more of their events arrive.
#[derive(Debug, Clone, Copy)]
pub struct Throttled {
    /// The number of buyers.
    pub buyers: usize,
}

/// The outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AfterThrottle {
    /// The number of messages sent to the sales team's queue, including repeats.
    pub sales_sent: usize,
    /// The number of different messages.
    pub sales: usize,
    /// The number of mails that SES took.
    pub mails: usize,
    /// The highest number of buyers that were behind at any sweep.
    pub behind: usize,
    /// The longest time from the posting of a later event to its sales messages, in seconds.
    pub later_took: i64,
    /// Every violation that was found.
    pub violations: Vec<String>,
}

impl Throttled {
    /// Plays the scenario: one offer for each buyer, another one after twenty minutes. SES takes mails after an hour.
    #[must_use]
    pub fn play(self) -> AfterThrottle {
        let offers = |offer| (0..self.buyers).map(move |number| made(&format!("b{number}"), offer, 1));
        let mut world = quiet_world(offers(0).chain(offers(1)).collect());
        world.is_withheld_permanently = true;
        world.withheld = self.buyers;
        world.platform.borrow_mut().ses.rate = Some(0);
        let mut after = AfterThrottle::default();
        let mut ends = world.settle_down();
        for minutes in (5..=120).step_by(5) {
            world.platform.borrow_mut().now = minutes * MINUTE;
            match minutes {
                20 => {
                    world.withheld = 0;
                    ends = ends.and_then(|()| world.settle_down());
                    let now = world.platform.borrow().now;
                    after.later_took = (now - minutes * MINUTE) / 1_000;
                    if world.platform.borrow().sales.sent != 3 * self.buyers {
                        after.violations.push("sales messages of the later events wait".to_owned());
                    }
                }
                60 => world.platform.borrow_mut().ses.rate = None,
                _ => {}
            }
            ends = ends.and_then(|()| world.sweep());
            let behind = world.platform.borrow().leads.open(WorkKind::Behind).count();
            after.behind = after.behind.max(behind);
        }
        after.violations.extend(ends.err());
        let platform = world.platform.borrow();
        after.violations.extend(checker::check(&platform, &world.posts).0);
        let ids: BTreeSet<&str> =
            platform.sales.messages.iter().map(|message| message.effect_id.as_str()).collect();
        AfterThrottle {
            sales_sent: platform.sales.sent,
            sales: ids.len(),
            mails: platform.ses.mails.len(),
            ..after
        }
    }
}

fn made(buyer: &str, offer: usize, version: u32) -> Post {
    let kind = if version == 1 { ("made", "ada@example.com") } else { ("accepted", "") };
    Sent::new(buyer, &format!("o{offer}"), version, kind.0, kind.1).post()
}

/// A world without faults, apart from SES, in which many calls are in progress at once.
fn quiet_world(posts: Vec<Post>) -> World {
    let plan = Plan { faults: Faults::At(Vec::new()), ..Plan::default() };
    let mut world = World::new(&plan, posts, Vec::new());
    world.longest_step = STEP;
    world
}

/// An outage of reactor and sweeper during which events keep arriving.
#[derive(Debug, Clone, Copy)]
pub struct Outage {
    /// The number of buyers, whose events arrive evenly over the outage.
    pub buyers: usize,
    /// The number of offers per buyer, all of which are accepted.
    pub offers: u32,
    /// The duration of the outage in hours.
    pub hours: i64,
}

/// The pending effects at the end of the outage, and their outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drained {
    /// The number of effects that were pending.
    pub pending: usize,
    /// The number of e-mails sent.
    pub mails: usize,
    /// The number of messages to the sales team, each id counted once.
    pub announced: usize,
    /// The time until everything was settled, in seconds of the simulated clock.
    pub seconds: i64,
    /// Every violation that was found.
    pub violations: Vec<String>,
}

impl Outage {
    /// Plays the outage and the recovery.
    #[must_use]
    pub fn play(self) -> Drained {
        let plan = Plan { faults: Faults::At(Vec::new()), ..Plan::default() };
        let posts: Vec<Post> = (0..self.buyers).flat_map(|number| self.posts_of(number)).collect();
        let total = posts.len();
        let mut world = World::new(&plan, posts, Vec::new());
        world.is_down = true;
        for hour in 1..=self.hours {
            world.is_withheld_permanently = true;
            world.withheld = total - total * index(hour) / index(self.hours);
            if let Err(violation) = world.settle_down() {
                return Drained { violations: vec![violation], ..Drained::default() };
            }
            world.platform.borrow_mut().now = hour * HOUR;
        }
        let (pending, before) = {
            let platform = world.platform.borrow();
            let commits = platform.streams.buyers.values().flat_map(|stream| stream.values());
            let pending = commits.filter_map(effects_of).map(|effects| effects.len()).sum();
            (pending, platform.sales.messages.len() + platform.ses.mails.len())
        };
        world.is_down = false;
        let ended = world.run();
        let platform = world.platform.borrow();
        let mut violations: Vec<String> = ended.err().into_iter().collect();
        violations.extend(checker::check(&platform, &world.posts).0);
        if before > 0 {
            violations.push(format!("{before} effects were performed during the outage"));
        }
        let announced: BTreeSet<&str> =
            platform.sales.messages.iter().map(|message| message.effect_id.as_str()).collect();
        Drained {
            pending,
            mails: platform.ses.mails.len(),
            announced: announced.len(),
            seconds: (platform.now - self.hours * HOUR) / 1_000,
            violations,
        }
    }

    fn posts_of(self, number: usize) -> impl Iterator<Item = Post> {
        let event = move |offer: u32, version, kind, email| {
            Sent::new(&format!("b{number}"), &format!("o{offer}"), version, kind, email).post()
        };
        let made = (0..self.offers).map(move |offer| event(offer, 1, "made", "ada@example.com"));
        made.chain((0..self.offers).map(move |offer| event(offer, 2, "accepted", "")))
    }
}

fn index(hours: i64) -> usize {
    usize::try_from(hours).unwrap_or(1)
}
