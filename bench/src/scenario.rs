//! The scenarios: the recorded events, their batches and the streams before them; and the measurement of their costs.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use dynoxide::Database;

use crate::corpus::{EVENTS_OF_EACH, Message, committed, endless, round_robin};
use crate::count::Count;
use crate::engine::{Engine, Slow};
use crate::recorders::{Ours, Peer, Refusal, STREAMS, database};

/// The number of events per buyer in the corpus that are recorded before counting begins.
const HISTORY: usize = 10;

/// The number of batches in which round trips are measured.
const FEW: usize = 7;

/// A pattern in which events arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// One event in each batch.
    Alone,
    /// Ten events of one buyer in a batch.
    Tens,
    /// Ten events of ten buyers in a batch.
    TenBuyers,
    /// A batch of ten events of one buyer, all of them recorded before.
    Redelivered,
    /// One event in each batch, appended to a stream of this length.
    Length(usize),
    /// One event in each batch, for a buyer with this number of offers, each in turn.
    Offers(usize),
}

impl Scenario {
    /// All scenarios, in the order of the report.
    pub const ALL: [Self; 11] = [
        Self::Alone,
        Self::Tens,
        Self::TenBuyers,
        Self::Redelivered,
        Self::Length(10),
        Self::Length(100),
        Self::Length(1000),
        Self::Length(10_000),
        Self::Offers(1),
        Self::Offers(20),
        Self::Offers(500),
    ];

    /// The scenario's name in the report.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Alone => "alone".to_owned(),
            Self::Tens => "tens".to_owned(),
            Self::TenBuyers => "ten-buyers".to_owned(),
            Self::Redelivered => "redelivered".to_owned(),
            Self::Length(events) => format!("length-{events}"),
            Self::Offers(offers) => format!("offers-{offers}"),
        }
    }

    /// The scenario's title in tables.
    #[must_use]
    pub fn title(self) -> String {
        match self {
            Self::Alone => "one event per batch".to_owned(),
            Self::Tens => "ten of one buyer".to_owned(),
            Self::TenBuyers => "ten buyers".to_owned(),
            Self::Redelivered => "ten redelivered".to_owned(),
            Self::Length(events) => format!("after {events} events"),
            Self::Offers(offers) => format!("{offers} offers"),
        }
    }

    /// The batches recorded before, and the batches that are counted.
    fn batches(self) -> (Vec<Vec<Message>>, Vec<Vec<Message>>) {
        let corpus = committed();
        let history = || corpus.iter().map(|events| events[..HISTORY].to_vec()).collect::<Vec<_>>();
        let later = || corpus.iter().map(|events| events[HISTORY..].to_vec()).collect::<Vec<_>>();
        let singly = |messages: Vec<Message>| messages.into_iter().map(|message| vec![message]).collect();
        match self {
            Self::Alone => (history(), singly(later().concat())),
            Self::Tens => (history(), later()),
            Self::TenBuyers => {
                let rounds = corpus.chunks(10).flat_map(|buyers| {
                    (HISTORY..EVENTS_OF_EACH)
                        .map(|at| buyers.iter().map(|events| events[at].clone()).collect())
                });
                (history(), rounds.collect())
            }
            Self::Redelivered => ([history(), later()].concat(), later()),
            Self::Length(events) => {
                let buyer = testkit::buyer("buyer-1");
                let all = endless("offer-1").map(|event| vec![Message::of(&buyer, &event)]);
                let mut all: Vec<_> = all.take(events + 10).collect();
                let counted = all.split_off(events);
                (all, counted)
            }
            Self::Offers(offers) => {
                let buyer = testkit::buyer("buyer-1");
                let all = round_robin(offers).map(|event| vec![Message::of(&buyer, &event)]);
                let mut all: Vec<_> = all.take(offers.max(80) + 300).collect();
                let counted = all.split_off(offers.max(80));
                (all, counted)
            }
        }
    }
}

/// The cost of an event with a store, in one scenario.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// The cost in a process that has just started.
    pub cold: Count,
    /// The cost in a process that has recorded an event of the buyer before.
    pub warm: Count,
    /// The bytes added to the store's tables, without idempotency records.
    pub stored_bytes: f64,
}

/// The time that recording takes on this machine, in a warm process with a DynamoDB on loopback. It is information
/// only, because machines are noisy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// The median time of a batch.
    pub median: Duration,
    /// The events per second, with one batch after the other.
    pub events_per_second: f64,
}

/// A recorder to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidate {
    /// Our recorder.
    Ours,
    /// A peer: its program, and its name for `--peer`.
    Peer(Vec<String>, String),
}

enum Store {
    Ours(Box<Ours>),
    Peer(Box<Peer>),
}

impl Store {
    async fn deliver(&mut self, batch: &[Message]) -> Result<(), Refusal> {
        let expected = u64::try_from(batch.len()).unwrap_or_default();
        match self {
            Self::Ours(ours) => {
                ours.deliver(batch).await;
                Ok(())
            }
            Self::Peer(peer) => {
                let delivered = peer.deliver(batch).await?;
                if delivered.recorded + delivered.repeats == expected {
                    Ok(())
                } else {
                    Err(format!("of {expected} messages the peer settled {delivered:?}"))
                }
            }
        }
    }

    async fn restart(&mut self) -> Result<(), Refusal> {
        match self {
            Self::Ours(ours) => {
                ours.restart();
                Ok(())
            }
            Self::Peer(peer) => peer.restart().await,
        }
    }

    /// Records the batches before counting begins. Long streams are stored without the counting proxy, except their
    /// last event: it goes through the store itself, which then remembers the buyer.
    async fn lay(&mut self, engine: &Engine, history: &[Vec<Message>]) -> Result<(), Refusal> {
        let is_long = history.len() > HISTORY * 8;
        let (bulk, last) = history.split_at(if is_long { history.len() - 1 } else { 0 });
        match self {
            Self::Ours(_) => {
                let direct = Ours::at(engine.direct());
                for batch in bulk {
                    direct.deliver(batch).await;
                }
            }
            Self::Peer(peer) if is_long => {
                let bodies: Vec<&str> = bulk.iter().flatten().map(|message| message.body.as_str()).collect();
                peer.lay(&bulk[0][0].group, &bodies).await?;
            }
            Self::Peer(_) => {}
        }
        for batch in last {
            self.deliver(batch).await?;
        }
        Ok(())
    }

    fn tables(&self) -> Vec<String> {
        match self {
            Self::Ours(..) => vec![STREAMS.to_owned()],
            Self::Peer(peer) => peer.tables.clone(),
        }
    }
}

impl Candidate {
    async fn start(&self, url: &str) -> Store {
        match self {
            Self::Ours => Store::Ours(Box::new(Ours::at(url))),
            Self::Peer(command, name) => Store::Peer(Box::new(Peer::start(command, name, url).await)),
        }
    }

    fn database(&self) -> Database {
        match self {
            Self::Ours => database(),
            Self::Peer(..) => Database::memory().unwrap(),
        }
    }

    /// Runs a scenario twice, each time on a new local DynamoDB: warm, and with a restart before every counted batch.
    ///
    /// # Errors
    /// A peer refuses.
    pub async fn measure(&self, scenario: Scenario) -> Result<Figures, Refusal> {
        let (warm, stored_bytes) = self.run(scenario, false).await?;
        // Peers remember no stream, so cold equals warm; one run is enough for streams that take long to store.
        let is_the_same =
            matches!((self, scenario), (Self::Peer(..), Scenario::Length(_) | Scenario::Offers(_)));
        let cold = if is_the_same { warm } else { self.run(scenario, true).await?.0 };
        Ok(Figures { cold, warm, stored_bytes })
    }

    /// Times a scenario, without the counting proxy.
    ///
    /// # Errors
    /// A peer refuses.
    pub async fn pace(&self, scenario: Scenario) -> Result<Pace, Refusal> {
        let engine = Engine::start(self.database()).await;
        let mut store = self.start(engine.direct()).await;
        let (history, counted) = scenario.batches();
        store.lay(&engine, &history).await?;
        let mut took = Vec::new();
        for batch in &counted {
            let begin = Instant::now();
            store.deliver(batch).await?;
            took.push(begin.elapsed());
        }
        let events = f64::from(u32::try_from(counted.concat().len()).unwrap());
        let events_per_second = events / took.iter().sum::<Duration>().as_secs_f64();
        took.sort();
        Ok(Pace { median: took[took.len() / 2], events_per_second })
    }

    /// The number of responses that a batch waits for in sequence: the median of a few batches over a slow network.
    ///
    /// # Errors
    /// A peer refuses.
    pub async fn round_trips(&self, scenario: Scenario, is_cold: bool) -> Result<u32, Refusal> {
        let engine = Engine::start(self.database()).await;
        let slow = Slow::before(engine.direct()).await;
        let mut store = self.start(slow.url()).await;
        let (history, counted) = scenario.batches();
        store.lay(&engine, &history).await?;
        slow.begin();
        let mut waited = Vec::new();
        for batch in &counted[..FEW] {
            if is_cold {
                store.restart().await?;
            }
            let begin = Instant::now();
            store.deliver(batch).await?;
            waited.push(Slow::round_trips(begin.elapsed()));
        }
        waited.sort_unstable();
        Ok(waited[FEW / 2])
    }

    async fn run(&self, scenario: Scenario, is_cold: bool) -> Result<(Count, f64), Refusal> {
        let engine = Engine::start(self.database()).await;
        let mut store = self.start(engine.counted()).await;
        let (history, counted) = scenario.batches();
        store.lay(&engine, &history).await?;
        let stored_before = engine.stored_bytes(&store.tables());
        let mut count = Count::default();
        let mut events = 0;
        for batch in &counted {
            if is_cold {
                store.restart().await?;
            }
            let (delivered, cost) = engine.count(store.deliver(batch)).await;
            delivered?;
            count += cost;
            events += batch.len();
        }
        let stored = engine.stored_bytes(&store.tables()) - stored_before;
        if let Self::Ours = self {
            let sent: BTreeSet<&str> =
                history.iter().chain(&counted).flatten().map(|message| message.id.as_str()).collect();
            assert_eq!(engine.recorded(STREAMS), sent.len(), "{scenario:?}: events are lost or doubled");
        }
        let events = f64::from(u32::try_from(events).unwrap());
        Ok((count / events, f64::from(u32::try_from(stored).unwrap()) / events))
    }
}
