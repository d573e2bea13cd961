//! One run with its events, their queue and the change feed. All its random choices come from the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::stored::Commit;
use domain::{BuyerId, Event};
use serde_json::{Value, json};
use simulator::Chance;
use testkit::{acceptance_withdrawn, accepted, body, buyer, doorbell, made, rejected, withdrawn};

use crate::aws::{Aws, Fault, Script, proxy};
use crate::process::{Ended, Function, Process};
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
    pub(crate) invocations: usize,
    pub(crate) deaths: usize,
}

impl World {
    /// The beginning of a run.
    ///
    /// # Errors
    /// No port is available.
    pub(crate) async fn start(plan: Plan) -> io::Result<Self> {
        let mut chance = Chance::of(plan.seed);
        let posts = history(&mut chance);
        let budget = chance.between(4, 12);
        Ok(Self {
            aws: Aws::start().await?,
            queue: Queue::of(posts.clone()),
            posts,
            chance,
            may_be_silent: plan.may_be_silent,
            feed: ChangeFeed::default(),
            processes: BTreeMap::new(),
            injections: Arc::default(),
            budget,
            invocations: 0,
            deaths: 0,
        })
    }

    pub(crate) fn commits(&self) -> Vec<Commit> {
        tables::commits(&self.aws.database)
    }

    pub(crate) fn injected(&self) -> Vec<Injection> {
        locked(&self.injections).injected.clone()
    }

    /// Invokes functions until no work is left. Returns `false` if that takes more than `MOST_INVOCATIONS`.
    pub(crate) async fn play(&mut self) -> io::Result<bool> {
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
            let process = Process::start(function, |life| proxy(aws, life, script)).await?;
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

/// A message to the queue of offer events.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) buyer: BuyerId,
    pub(crate) body: String,
    /// The event in the body; `None` if the body can never be recorded.
    pub(crate) event: Option<Event>,
}

impl Post {
    pub(crate) fn new(buyer: &BuyerId, event: Event) -> Self {
        Self { buyer: buyer.clone(), body: body(buyer, &event), event: Some(event) }
    }
}

/// The messages of a run, in the order of posting: events about the offers of several buyers, some of them early or
/// repeated, and sometimes an unreadable message. No event is missing at the end.
pub(crate) fn history(chance: &mut Chance) -> Vec<Post> {
    let mut lines: Vec<Vec<Post>> = Vec::new();
    for name in ["b0", "b1", "b2"].iter().take(chance.between(2, 3)) {
        let buyer = buyer(name);
        let tracks = ["o0", "o1", "o2"].iter().take(chance.between(1, 3)).map(|offer| track(chance, offer));
        let tracks = tracks.collect();
        let mut line: Vec<Post> =
            merged(chance, tracks).into_iter().map(|event| Post::new(&buyer, event)).collect();
        for at in 0..line.len() {
            if chance.per_mille(150) {
                let early = line.remove(at);
                line.insert(chance.between(0, at), early);
            }
            if chance.per_mille(100) {
                let again = line[at].clone();
                line.insert(chance.between(at + 1, line.len()), again);
            }
        }
        if chance.per_mille(150) {
            let unreadable = Post { buyer: buyer.clone(), body: "no JSON".to_owned(), event: None };
            line.insert(chance.between(0, line.len()), unreadable);
        }
        lines.push(line);
    }
    merged(chance, lines)
}

/// The events of one offer, in order.
fn track(chance: &mut Chance, offer: &str) -> Vec<Event> {
    let mut events = vec![made(offer)];
    let mut is_accepted = false;
    for version in 2..=u32::try_from(chance.between(1, 5)).unwrap_or(1) {
        let event = match (is_accepted, chance.below(5)) {
            (_, 4) => {
                events
                    .push(if chance.per_mille(500) { rejected(offer) } else { withdrawn(offer) }.v(version));
                break;
            }
            (false, _) => accepted(offer),
            (true, _) => acceptance_withdrawn(offer),
        };
        is_accepted = !is_accepted;
        events.push(event.v(version));
    }
    events
}

/// A random interleaving of the lines, each of which keeps its order.
fn merged<T>(chance: &mut Chance, mut lines: Vec<Vec<T>>) -> Vec<T> {
    let mut all = Vec::new();
    loop {
        lines.retain(|line| !line.is_empty());
        if lines.is_empty() {
            return all;
        }
        let at = chance.below(lines.len());
        all.push(lines[at].remove(0));
    }
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// The remaining messages in order: id, message and receive count.
    waiting: Vec<(String, Post, u32)>,
}

impl Queue {
    pub(crate) fn of(posts: Vec<Post>) -> Self {
        let numbered = posts.into_iter().enumerate();
        Self { waiting: numbered.map(|(number, post)| (format!("m{number}"), post, 0)).collect() }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// At most `most` messages from the front, as Lambda's batch, and their ids.
    pub(crate) fn receive(&mut self, most: usize) -> (Value, BTreeSet<String>) {
        let mut ids = BTreeSet::new();
        let mut records = Vec::new();
        for (id, post, receives) in self.waiting.iter_mut().take(most) {
            *receives += 1;
            ids.insert(id.clone());
            records.push(json!({
                "messageId": id,
                "receiptHandle": id,
                "body": post.body,
                "attributes": {
                    "ApproximateReceiveCount": receives.to_string(),
                    "MessageGroupId": post.buyer.as_str(),
                    "MessageDeduplicationId": id,
                    "SentTimestamp": "1763978400000",
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:OfferEvents.fifo",
                "awsRegion": "us-east-1",
            }));
        }
        (json!({ "Records": records }), ids)
    }

    /// Applies the answer to a batch: the messages that it does not return are deleted.
    pub(crate) fn settle(&mut self, mut received: BTreeSet<String>, answer: &Value) {
        for failure in answer["batchItemFailures"].as_array().into_iter().flatten() {
            received.remove(failure["itemIdentifier"].as_str().unwrap_or_default());
        }
        self.waiting.retain(|(id, _, _)| !received.contains(id));
    }
}

type Key = (BuyerId, u64);

#[derive(Debug, Default)]
pub(crate) struct ChangeFeed {
    taken: BTreeSet<Key>,
}

impl ChangeFeed {
    /// At most `most` records that the reactor has not taken, as a batch, and their keys.
    pub(crate) fn receive(&self, commits: &[Commit], most: usize) -> (Value, Vec<Key>) {
        let keys: Vec<Key> = commits
            .iter()
            .map(|commit| (commit.buyer.clone(), commit.first.get()))
            .filter(|key| !self.taken.contains(key))
            .take(most)
            .collect();
        (records(&keys), keys)
    }

    pub(crate) fn settle(&mut self, keys: Vec<Key>) {
        self.taken.extend(keys);
    }
}

/// The batch with which Lambda invokes the reactor for these inserts.
pub(crate) fn records(keys: &[Key]) -> Value {
    let records = keys.iter().map(|(buyer, sequence)| doorbell(buyer.as_str(), &sequence.to_string()));
    json!({ "Records": records.collect::<Vec<_>>() })
}
