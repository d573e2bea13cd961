//! One run: everything that is left to chance comes from its seed.

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

/// How many invocations a run takes at most; one that needs more does not come to an end.
const MOST_INVOCATIONS: usize = 300;

/// What to run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan {
    /// Where chance begins.
    pub seed: u64,
    /// Whether answers may be left out, which costs seconds.
    pub may_be_silent: bool,
}

/// A fault that has happened.
#[derive(Debug, Clone)]
pub(crate) struct Struck {
    pub(crate) function: Function,
    pub(crate) operation: String,
    pub(crate) fault: Fault,
}

#[derive(Debug, Default)]
struct Strikes {
    /// Whose request, after how many others of it, is struck next, and how.
    next: Option<(Function, usize, Fault)>,
    struck: Vec<Struck>,
}

pub(crate) struct World {
    pub(crate) aws: Arc<Aws>,
    pub(crate) posts: Vec<Post>,
    chance: Chance,
    may_be_silent: bool,
    queue: Queue,
    feed: ChangeFeed,
    processes: BTreeMap<Function, Process>,
    strikes: Arc<Mutex<Strikes>>,
    budget: usize,
    invocations: usize,
    pub(crate) deaths: usize,
}

/// Runs a seed and checks what came of it.
///
/// # Errors
/// This machine has no port or no process to give.
pub async fn run(plan: Plan) -> io::Result<Report> {
    let mut chance = Chance::of(plan.seed);
    let posts = history(&mut chance);
    let budget = chance.between(4, 12);
    let strikes = Arc::new(Mutex::new(Strikes::default()));
    let mut world = World {
        aws: Aws::start().await?,
        queue: Queue::of(posts.clone()),
        posts,
        chance,
        may_be_silent: plan.may_be_silent,
        feed: ChangeFeed::default(),
        processes: BTreeMap::new(),
        strikes,
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

    pub(crate) fn struck(&self) -> Vec<Struck> {
        locked(&self.strikes).struck.clone()
    }

    /// Until nothing is left to be done. `false`: that does not happen.
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
                tables::let_time_pass(&self.aws.database);
                // A ledger entry left behind is the sweeper's alone.
                if self.chance.per_mille(700) {
                    self.invoke(Function::Sweeper, json!({})).await?;
                } else {
                    self.invoke(Function::Reactor, records(&unsettled)).await?;
                }
            }
        }
        Ok(false)
    }

    /// Buyers of whom something is open, with their last commit.
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
            let (aws, script) = (Arc::clone(&self.aws), script(function, Arc::clone(&self.strikes)));
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

    /// Mostly, while there is something left to go wrong, one of the next requests is chosen to be struck.
    fn arm(&mut self, function: Function) {
        let mut strikes = locked(&self.strikes);
        let is_armed = strikes.next.is_some_and(|(armed, ..)| armed == function);
        if !is_armed && strikes.struck.len() < self.budget && self.chance.per_mille(850) {
            let reach = match function {
                Function::Recorder => 7,
                Function::Reactor => 25,
                Function::Sweeper => 40,
            };
            let after = self.chance.below(reach);
            strikes.next = Some((function, after, Fault::any(&mut self.chance, self.may_be_silent)));
        }
    }
}

fn script(function: Function, strikes: Arc<Mutex<Strikes>>) -> Arc<Script> {
    Arc::new(move |operation| {
        let mut strikes = locked(&strikes);
        let (armed, after, fault) = strikes.next?;
        if armed != function {
            return None;
        }
        strikes.next = after.checked_sub(1).map(|after| (armed, after, fault));
        if strikes.next.is_some() {
            return None;
        }
        strikes.struck.push(Struck { function, operation: operation.name().to_owned(), fault });
        Some(fault)
    })
}

fn locked(strikes: &Mutex<Strikes>) -> MutexGuard<'_, Strikes> {
    strikes.lock().unwrap_or_else(PoisonError::into_inner)
}
