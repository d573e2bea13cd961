//! The product's own handlers in a simulated AWS: one process, one thread, one seed.
//!
//! A run plays a history of offer events through recorders and reactors on a [`platform`] that does everything that AWS may
//! do, and strikes calls with [`Fault`]s. Then the faults stop, everything must come to its end, and the [`checker`], which
//! knows the rules but none of the product's code, reads what happened. The same seed gives the same run, to the byte.

mod adapters;
mod asking;
mod call;
mod chance;
mod checker;
mod compare;
mod drain;
mod executor;
mod fault;
mod history;
mod logs;
mod many;
mod operator;
mod outage;
mod page;
mod picture;
mod platform;
mod rules;
mod safeguard;
pub mod scenarios;
mod sight;
mod steps;
mod strategy;
mod systematic;
mod takeover;
mod unguarded;
mod worker;
mod world;

pub use chance::Chance;
pub use compare::{Comparison, Way, thousands};
pub use drain::{AfterThrottle, Drain, DrainTook, Throttled};
pub use fault::{Fault, Faults, Site};
pub use history::{Post, Sent};
pub use many::{Summary, many};
pub use outage::{Drained, Outage};
pub use page::rewritten;
pub use safeguard::Safeguard;
pub use sight::{Sight, Sights};
pub use strategy::Strategy;
pub use systematic::{Coverage, runs_of_pairs, systematic};
pub use takeover::Takeover;
use world::World;

/// What to run.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Everything that is left to chance comes from it.
    pub seed: u64,
    /// What goes wrong.
    pub faults: Faults,
    /// What is sent; by chance, if nothing is said.
    pub posts: Option<Vec<Post>>,
    /// A former system and what people decide; by chance, if what is sent is.
    pub takeover: Takeover,
    /// A safeguard that is switched off.
    pub off: Option<Safeguard>,
    /// Another way to do the work, to be compared with ours.
    pub strategy: Option<Strategy>,
    /// Whether to keep a trace.
    pub has_trace: bool,
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Everything that must not be.
    pub violations: Vec<String>,
    /// Step by step what happened, if asked for.
    pub trace: String,
    /// The calls to AWS, in order, where faults are planned.
    pub sites: Vec<Site>,
    /// How often the message was received that was received most often.
    pub most_receives: u32,
    /// What it met.
    pub sights: Sights,
    /// How many log lines and metrics were heard.
    pub lines: usize,
}

impl Plan {
    /// The run of a seed, with everything by chance.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Whether it dwells on what can happen to mails that are not sent at once: low leads that open, close and open again
    /// while SES refuses, throttles and leaves answers out, sweep after sweep.
    fn is_about_mail(&self) -> bool {
        let mut chance = chance::Chance::of(self.seed ^ 0x6d61_696c);
        self.faults == Faults::Random && self.posts.is_none() && chance.per_mille(350)
    }

    /// Runs it and checks it.
    #[must_use]
    pub fn run(&self) -> Report {
        let mut chance = chance::Chance::of(self.seed.rotate_left(32));
        let is_about_mail = self.is_about_mail();
        let (posts, unsent) = match &self.posts {
            Some(posts) => (posts.clone(), Vec::new()),
            None => history::history(&mut chance, is_about_mail),
        };
        let mut world = World::new(self, posts, unsent);
        let (ended, heard) = logs::listen(|| world.run());
        let sites = world.sites();
        let mut platform = world.platform.borrow_mut();
        let most_receives = platform.queue.receives.iter().copied().max().unwrap_or(0);
        let trace = platform.trace.take().unwrap_or_default();
        platform.leaks.extend(heard.leaks);
        let (violations, sights) = match ended {
            Ok(()) => checker::check(&platform, &world.posts),
            Err(violation) => (vec![violation], platform.sights),
        };
        Report { violations, trace, sites, most_receives, sights, lines: heard.lines }
    }
}
