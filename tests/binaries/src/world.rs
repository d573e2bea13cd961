//! One run. All its random choices come from the seed.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::stored::Commit;
use domain::BuyerId;
use serde_json::{Value, json};
use simulator::Chance;

use crate::aws::Aws;
use crate::check::check;
use crate::fault::Fault;
use crate::feed::{ChangeFeed, records};
use crate::front::{self, Script};
use crate::history::{Post, history};
use crate::process::{Ended, Function, Process};
use crate::queue::Queue;
use crate::report::Report;
use crate::tables;

/// The limit of invocations in a run. A run that needs more counts as endless.
const MOST_INVOCATIONS: usize = 300;

/// The parameters of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan {
    /// The seed of all random choices.
    pub seed: u64,
    /// Whether answers may be withheld, which takes seconds each.
    pub may_be_silent: bool,
}

/// A fault that was injected.
#[derive(Debug, Clone)]
pub(crate) struct Injection {
    pub(crate) function: Function,
    pub(crate) operation: String,
    pub(crate) fault: Fault,
}

#[derive(Debug, Default)]
struct Injections {
    /// The next fault: the function, the number of its requests that pass before, and the fault.
    next: Option<(Function, usize, Fault)>,
    injected: Vec<Injection>,
}

/// The state of a run: AWS, the queue, the change feed and the processes.
pub(crate) struct World {
    pub(crate) aws: Arc<Aws>,
    pub(crate) posts: Vec<Post>,
    chance: Chance,
    may_be_silent: bool,
    queue: Queue,
    feed: ChangeFeed,
    processes: BTreeMap<Function, Process>,
    injections: Arc<Mutex<Injections>>,
    budget: usize,
    invocations: usize,
    pub(crate) deaths: usize,
}

/// Makes the run with this seed and checks its outcome.
///
/// # Errors
/// No port or no process is available.
pub async fn run(plan: Plan) -> io::Result<Report> {
    let mut chance = Chance::of(plan.seed);
    let posts = history(&mut chance);
    let budget = chance.between(4, 12);
    let injections = Arc::new(Mutex::new(Injections::default()));
    let mut world = World {
        aws: Aws::start().await?,
        queue: Queue::of(posts.clone()),
        posts,
        chance,
        may_be_silent: plan.may_be_silent,
        feed: ChangeFeed::default(),
        processes: BTreeMap::new(),
        injections,
        budget,
        invocations: 0,
        deaths: 0,
    };
    let has_ended = world.play().await?;
    let mut report = check(&world, has_ended);
    report.count("invocations", world.invocations);
    Ok(report)
}

impl World {
    pub(crate) fn commits(&self) -> Vec<Commit> {
        tables::commits(&self.aws.database)
    }

    pub(crate) fn injected(&self) -> Vec<Injection> {
        locked(&self.injections).injected.clone()
    }

    /// Invokes functions until no work is left. Returns `false` if that takes more than `MOST_INVOCATIONS`.
    async fn play(&mut self) -> io::Result<bool> {
        while self.invocations < MOST_INVOCATIONS {
            let most = self.chance.between(1, 10);
            let (doorbells, keys) = self.feed.receive(&self.commits(), most);
            if !self.queue.is_empty() && (keys.is_empty() || self.chance.per_mille(600)) {
                let (batch, ids) = self.queue.receive(most);
                if let Some(answer) = self.invoke(Function::Recorder, batch).await? {
                    self.queue.settle(ids, &answer);
                }
            } else if !keys.is_empty() {
                if self.invoke(Function::Reactor, doorbells).await?.is_some() {
                    self.feed.settle(keys);
                }
            } else {
                let unsettled = self.unsettled();
                if unsettled.is_empty() {
                    return Ok(true);
                }
                tables::make_everything_due(&self.aws.database);
                // Only the sweeper takes over ledger entries of ended workers, so it is invoked more often.
                if self.chance.per_mille(700) {
                    self.invoke(Function::Sweeper, json!({})).await?;
                } else {
                    self.invoke(Function::Reactor, records(&unsettled)).await?;
                }
            }
        }
        Ok(false)
    }

    /// The buyers with unfinished work, with the sequence of their last commit.
    fn unsettled(&self) -> Vec<(BuyerId, u64)> {
        let items = tables::leads_items(&self.aws.database);
        let mut last: BTreeMap<BuyerId, Commit> = BTreeMap::new();
        for commit in self.commits() {
            last.insert(commit.buyer.clone(), commit);
        }
        let is_open = |commit: &Commit| {
            let mut of_buyer =
                items.iter().filter(|item| tables::text(item, "buyer") == commit.buyer.as_str());
            let is_there = of_buyer.clone().any(|item| {
                tables::text(item, "kind") == "cursor"
                    && tables::number(item, "through") >= commit.last().get()
                    && item.get("mark").is_none()
            });
            !is_there || of_buyer.any(|item| matches!(tables::text(item, "status"), "sending" | "retry"))
        };
        last.into_iter()
            .filter(|(_, commit)| is_open(commit))
            .map(|(buyer, commit)| (buyer, commit.first.get()))
            .collect()
    }

    /// The result of an invocation; `None` if it failed or its process was killed.
    async fn invoke(&mut self, function: Function, event: Value) -> io::Result<Option<Value>> {
        self.invocations += 1;
        self.arm(function);
        if !self.processes.contains_key(&function) {
            let (aws, script) = (Arc::clone(&self.aws), script(function, Arc::clone(&self.injections)));
            let process = Process::start(function, |life| front::start(aws, life, script)).await?;
            self.processes.insert(function, process);
        }
        let ended = match self.processes.get(&function) {
            Some(process) => process.invoke(event).await,
            None => Ended::Died,
        };
        if ended == Ended::Died {
            self.processes.remove(&function);
            self.deaths += 1;
        }
        Ok(match ended {
            Ended::Response(answer) => Some(answer),
            Ended::Error(_) | Ended::Died => None,
        })
    }

    /// With a probability of 85 %, and while the run's budget of faults lasts, chooses a fault for one of the
    /// function's next requests.
    fn arm(&mut self, function: Function) {
        let mut injections = locked(&self.injections);
        let is_armed = injections.next.is_some_and(|(armed, ..)| armed == function);
        if !is_armed && injections.injected.len() < self.budget && self.chance.per_mille(850) {
            let reach = match function {
                Function::Recorder => 7,
                Function::Reactor => 25,
                Function::Sweeper => 40,
            };
            let after = self.chance.below(reach);
            injections.next = Some((function, after, Fault::any(&mut self.chance, self.may_be_silent)));
        }
    }
}

/// The script that injects the chosen faults into a function's requests.
fn script(function: Function, injections: Arc<Mutex<Injections>>) -> Arc<Script> {
    Arc::new(move |operation| {
        let mut injections = locked(&injections);
        let (armed, after, fault) = injections.next?;
        if armed != function {
            return None;
        }
        injections.next = after.checked_sub(1).map(|after| (armed, after, fault));
        if injections.next.is_some() {
            return None;
        }
        injections.injected.push(Injection { function, operation: operation.name().to_owned(), fault });
        Some(fault)
    })
}

fn locked(injections: &Mutex<Injections>) -> MutexGuard<'_, Injections> {
    injections.lock().unwrap_or_else(PoisonError::into_inner)
}
