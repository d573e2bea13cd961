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
mod executor;
mod fault;
mod former_system;
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
pub use drain::{AfterThrottle, Drain, DrainResult, Throttled};
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

/// The parameters of a run.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The seed of all random choices.
    pub seed: u64,
    /// The faults to inject.
    pub faults: Faults,
    /// The messages to send; random if `None`.
    pub posts: Option<Vec<Post>>,
    /// The former system and the decisions of operators, for runs whose messages are given. Random runs choose their
    /// own.
    pub takeover: Takeover,
    /// A safeguard to switch off.
    pub off: Option<Safeguard>,
    /// Another way to do the work, for comparison with ours.
    pub strategy: Option<Strategy>,
    /// Whether to record a trace.
    pub has_trace: bool,
}

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
    /// The random run with this seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Whether the run concentrates on mails that are not sent at once: low leads open, close and open again while SES
    /// refuses, throttles and gives no answer, sweep after sweep.
    fn is_about_mail(&self) -> bool {
        let mut chance = chance::Chance::of(self.seed ^ 0x6d61_696c);
        self.faults == Faults::Random && self.posts.is_none() && chance.per_mille(350)
    }

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
