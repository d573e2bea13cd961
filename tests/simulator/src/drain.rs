//! SES takes no mail for a while, then it does: how long what waited takes, and what else waits for it.

use std::collections::BTreeSet;

use leads_store::{Behind, WorkKind};

use crate::call::timestamp;
use crate::history::{Post, Sent};
use crate::world::{HOUR, MINUTE, World};
use crate::{Faults, Plan, checker};

/// How often the sweeper is called, as the template says.
const SWEEPS_EVERY: i64 = 5 * MINUTE;

/// Milliseconds that a step takes at most here: calls of one sweep overlap, and steps are what lies between their answers.
const STEP: i64 = 2;

/// Mails that wait until SES takes them, and what is open beside them.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// Buyers with a mail each that was not sent.
    pub mails: usize,
    /// Buyers with an event that waits for an earlier one.
    pub gaps: usize,
    /// How many mails SES takes in a second.
    pub rate: usize,
}

/// How long it took, from the moment at which SES takes mails again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrainTook {
    /// Until the last mail was sent, in seconds.
    pub mails: i64,
    /// Until a buyer was settled that was behind for another reason, in sweeps.
    pub behind: usize,
    /// How many of the gaps were looked at within the first hour.
    pub gaps_in_an_hour: usize,
    /// How many mails SES would not take because of its rate.
    pub throttled: usize,
    /// Everything that must not be.
    pub violations: Vec<String>,
}

impl Drain {
    /// Plays it.
    #[must_use]
    pub fn play(self) -> DrainTook {
        let mails = (0..self.mails).map(|number| made(&format!("m{number}"), 0, 1));
        let gaps = (0..self.gaps).map(|number| made(&format!("g{number}"), 0, 2));
        let mut world = quiet_world(mails.chain(gaps).chain([made("behind", 0, 1)]).collect());
        world.platform.borrow_mut().ses.back_at = i64::MAX;
        let mut took = DrainTook::default();
        if let Err(violation) = world.settle_down() {
            return DrainTook { violations: vec![violation], ..took };
        }
        let (began, waiting) = {
            let mut platform = world.platform.borrow_mut();
            platform.ses.back_at = 0;
            platform.ses.rate = Some(self.rate);
            platform.now += 5 * MINUTE;
            let began = platform.now;
            let behind = Behind {
                mark: "another reason".to_owned(),
                reason: "the sales team's queue was away".to_owned(),
                attempts: 1,
                not_before: timestamp(began),
            };
            platform.leads.mark_behind("behind", &behind);
            (began, platform.leads.open(WorkKind::Email).count())
        };
        if waiting != self.mails + 1 {
            took.violations.push(format!("{waiting} mails wait"));
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

/// Buyers whose mails SES throttles for an hour, while more of their events come.
#[derive(Debug, Clone, Copy)]
pub struct Throttled {
    /// How many.
    pub buyers: usize,
}

/// What became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AfterThrottle {
    /// How many messages the sales team's queue was sent, repeats too.
    pub sales_sent: usize,
    /// How many different ones.
    pub sales: usize,
    /// How many mails SES took.
    pub mails: usize,
    /// How many buyers were marked behind at any of its sweeps.
    pub behind: usize,
    /// How long the sales messages of the later events took at most, from their posting, in seconds.
    pub later_took: i64,
    /// Everything that must not be.
    pub violations: Vec<String>,
}

impl Throttled {
    /// Plays it: an offer each; after twenty minutes another one; SES takes mails after an hour.
    #[must_use]
    pub fn play(self) -> AfterThrottle {
        let offers = |offer| (0..self.buyers).map(move |number| made(&format!("b{number}"), offer, 1));
        let mut world = quiet_world(offers(0).chain(offers(1)).collect());
        world.is_held_for_good = true;
        world.held_back = self.buyers;
        world.platform.borrow_mut().ses.rate = Some(0);
        let mut after = AfterThrottle::default();
        let mut ends = world.settle_down();
        for minutes in (5..=120).step_by(5) {
            world.platform.borrow_mut().now = minutes * MINUTE;
            match minutes {
                20 => {
                    world.held_back = 0;
                    ends = ends.and_then(|()| world.settle_down());
                    let now = world.platform.borrow().now;
                    after.later_took = (now - minutes * MINUTE) / 1_000;
                    if world.platform.borrow().sales.sent != 3 * self.buyers {
                        after.violations.push("the later messages wait".to_owned());
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

/// In which nothing goes wrong but what SES does, and many calls are under way at once.
fn quiet_world(posts: Vec<Post>) -> World {
    let plan = Plan { faults: Faults::At(Vec::new()), ..Plan::default() };
    let mut world = World::new(&plan, posts, Vec::new());
    world.longest_step = STEP;
    world
}
