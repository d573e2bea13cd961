//! Runs the product's own handlers in a simulated AWS: one process, one thread, one seed.
//!
//! A run plays a history of offer events through recorders and reactors on a [`platform`] that does everything AWS may
//! do, and injects [`Fault`]s into calls. Then the faults stop and all work must be completed. Finally the [`checker`],
//! which knows the rules but shares no code with the product, examines what happened. The same seed gives the same run,
//! to the byte.

mod adapters;
mod call;
mod chance;
mod checker;
mod compare;
mod drain;
mod fault;
mod history;
mod logs;
mod many;
mod operator;
mod plan;
mod platform;
mod rules;
pub mod scenarios;
mod sight;
mod steps;
mod unguarded;
mod worker;
mod world;

pub use chance::Chance;
pub use compare::{Comparison, Way, rewritten, thousands};
pub use drain::{AfterThrottle, Drain, DrainResult, Drained, Outage, Throttled};
pub use fault::{Fault, Faults, Site};
pub use history::{Post, Sent};
pub use many::{Coverage, Summary, many, runs_of_pairs, systematic};
pub use plan::{Plan, Safeguard, Strategy, Takeover};
pub use sight::{Sight, Sights};
use world::World;

/// The outcome of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Every violation that was found.
    pub violations: Vec<String>,
    /// The trace, step by step; empty unless the plan asked for it.
    pub trace: String,
    /// The calls to AWS, in order; recorded only if the faults are planned.
    pub sites: Vec<Site>,
    /// The highest receive count of any message.
    pub most_receives: u32,
    /// The sights that the run met.
    pub sights: Sights,
    /// The number of log lines and metrics.
    pub lines: usize,
}

impl Plan {
    /// Makes the run and checks its outcome.
    #[must_use]
    pub fn run(&self) -> Report {
        let mut chance = chance::Chance::of(self.seed.rotate_left(32));
        let is_about_mail = self.is_about_mail();
        let (posts, unsent) = match &self.posts {
            Some(posts) => (posts.clone(), Vec::new()),
            None => history::history(&mut chance, is_about_mail),
        };
        let mut world = World::new(self, posts, unsent);
        let (ended, captured) = logs::capture(|| world.run());
        let sites = world.sites();
        let mut platform = world.platform.borrow_mut();
        let most_receives = platform.queue.receives.iter().copied().max().unwrap_or(0);
        let trace = platform.trace.take().unwrap_or_default();
        platform.leaks.extend(captured.leaks);
        let (violations, sights) = match ended {
            Ok(()) => checker::check(&platform, &world.posts),
            Err(violation) => (vec![violation], platform.sights),
        };
        Report { violations, trace, sites, most_receives, sights, lines: captured.lines }
    }
}
