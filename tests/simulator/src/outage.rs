//! An outage of reactor and sweeper that is longer than the retention of the change feed, and the recovery after it.

use std::collections::BTreeSet;

use crate::history::{Post, Sent};
use crate::rules::effects_of;
use crate::world::{HOUR, World};
use crate::{Faults, Plan, checker};

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
