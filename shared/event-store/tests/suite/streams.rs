//! The event store in memory and in DynamoDB behind one type: a table in this process that serves DynamoDB's protocol,
//! and test streams, which are consecutive commits with the state that they fold to.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use contract::stored::{self, StoredCommit};
use domain::{BuyerId, Event, Sequence, State};
use event_store::{
    Appended, Appending, Clearing, Commits, DynamoStreams, EventStore, Head, MemoryStreams, Page, StoreError,
};
use jiff::Timestamp;
use platform::RetryConflicts;
use platform::https::{Https, Trust};
use serde_json::{Value, json};
use testkit::engine::Engine;
use testkit::{TestClock, acceptance_withdrawn, accepted, buyer, made};

pub(crate) use testkit::engine::STREAMS;

pub(crate) enum Streams {
    Memory(MemoryStreams),
    Dynamo(DynamoStreams, Table),
}

/// Runs a rule against both stores. The last line that the test printed names the store that broke it.
pub(crate) async fn in_both(rule: impl AsyncFn(&Streams)) {
    eprintln!("in memory");
    Box::pin(rule(&Streams::Memory(MemoryStreams::default()))).await;
    eprintln!("in DynamoDB");
    let table = Table::start().await;
    Box::pin(rule(&Streams::Dynamo(streams_at(&table.url), table))).await;
}

impl Streams {
    /// Stores a long stream quickly, without the code under test; [`Story::record`] appends it properly.
    pub(crate) async fn lay(&self, story: Story) -> Story {
        match self {
            Self::Memory(streams) => story.record(streams).await,
            Self::Dynamo(_, table) => {
                table.lay(&story.commits);
                story
            }
        }
    }
}

impl Commits for Streams {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        match self {
            Self::Memory(streams) => streams.page(buyer, before, limit).await,
            Self::Dynamo(streams, _) => streams.page(buyer, before, limit).await,
        }
    }
}

impl EventStore for Streams {
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError> {
        match self {
            Self::Memory(streams) => streams.append(commit).await,
            Self::Dynamo(streams, _) => streams.append(commit).await,
        }
    }
}

impl Clearing for Streams {
    async fn clear(&self, cleared: &StoredCommit) -> Result<(), StoreError> {
        match self {
            Self::Memory(streams) => streams.clear(cleared).await,
            Self::Dynamo(streams, _) => streams.clear(cleared).await,
        }
    }
}

/// A streams table, deleted when it is dropped.
pub(crate) struct Table {
    pub(crate) url: String,
    engine: Engine,
}

impl Table {
    pub(crate) async fn start() -> Self {
        let engine = Engine::start().await;
        Self { url: engine.url.clone(), engine }
    }

    /// Writes commits directly into the table, bypassing the code under test, which is much faster.
    pub(crate) fn lay<'a>(&self, commits: impl IntoIterator<Item = &'a StoredCommit>) {
        for commit in commits {
            self.put(&item(commit));
        }
    }

    /// Writes any item, overwriting an existing one.
    pub(crate) fn put(&self, item: &Value) {
        self.engine.put(STREAMS, item);
    }

    /// All items of the table.
    pub(crate) fn items(&self) -> Vec<Value> {
        self.engine.commits()
    }
}

/// The stored item of a commit. The attribute names never change, because every later version reads them.
pub(crate) fn item(commit: &StoredCommit) -> Value {
    let mut item = json!({
        "buyer": { "S": commit.buyer },
        "sequence": { "N": commit.sequence.to_string() },
        "last": { "N": commit.last.to_string() },
        "format": { "N": commit.format.to_string() },
        "facts": { "S": commit.facts },
        "recordedAt": { "S": commit.recorded_at },
    });
    for (name, value) in
        [("effects", &commit.effects), ("snapshot", &commit.snapshot), ("feed", &commit.feed)]
    {
        if let Some(value) = value {
            item[name] = json!({ "S": value });
        }
    }
    item
}

/// A client like that of the functions, but with three attempts and almost no delay between them.
pub(crate) fn client(url: &str) -> Client {
    client_with_timeout(Duration::from_secs(20), url)
}

/// The same client with this timeout per attempt.
pub(crate) fn client_with_timeout(attempt: Duration, url: &str) -> Client {
    let retries = RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_backoff(Duration::from_millis(5));
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(url)
        .http_client(Https::trusting(Trust::BuiltIn).unwrap())
        .retry_config(retries)
        .retry_classifier(RetryConflicts)
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(attempt).build());
    Client::from_conf(config.build())
}

pub(crate) fn streams_at(url: &str) -> DynamoStreams {
    DynamoStreams::new(client(url), STREAMS.to_owned())
}

pub(crate) fn moment() -> Timestamp {
    "2026-11-23T10:00:00.123Z".parse().unwrap()
}

/// A clock that stands at [`moment`].
pub(crate) fn clock() -> TestClock {
    TestClock::showing(moment())
}

/// A buyer's stream: every commit, and the plain fold of every fact.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) buyer: BuyerId,
    pub(crate) head: Head,
    pub(crate) state: State,
    pub(crate) commits: Vec<StoredCommit>,
}

/// Whether a commit carries a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Snapshot {
    ByPolicy,
    Always,
    Never,
}

impl Story {
    pub(crate) fn of(name: &str) -> Self {
        Self { buyer: buyer(name), head: Head::default(), state: State::default(), commits: Vec::new() }
    }

    /// Adds one commit with these events.
    #[track_caller]
    pub(crate) fn append(&mut self, events: &[Event], snapshot: Snapshot) -> StoredCommit {
        let mut appending = Appending::onto(self.head.clone()).live();
        for event in events {
            appending.take(event.clone().into());
            self.state.fold(&event.into());
        }
        let (mut commit, head) = appending.commit(&self.buyer, moment()).unwrap();
        self.head = head;
        match snapshot {
            Snapshot::ByPolicy => {}
            Snapshot::Always => commit.snapshot = Some(stored::encode_snapshot(&self.state)),
            Snapshot::Never => commit.snapshot = None,
        }
        self.commits.push(commit.clone());
        commit
    }

    /// Adds one commit with this event.
    #[track_caller]
    pub(crate) fn append_one(&mut self, event: Event) -> StoredCommit {
        self.append(&[event], Snapshot::ByPolicy)
    }

    /// Appends all commits of the story to a store.
    pub(crate) async fn record(self, streams: &impl EventStore) -> Self {
        for commit in &self.commits {
            assert_eq!(streams.append(commit).await.unwrap(), Appended::Written);
        }
        self
    }
}

/// Endless events of one offer: made, then alternately accepted and withdrawn from acceptance.
pub(crate) fn endless(offer: &str) -> impl Iterator<Item = Event> + use<> {
    let offer = offer.to_owned();
    (1..).map(move |version| match version {
        1 => made(&offer),
        even if even % 2 == 0 => accepted(&offer).v(even),
        odd => acceptance_withdrawn(&offer).v(odd),
    })
}

/// A story of this many commits, one event each.
pub(crate) fn of_length(name: &str, commits: usize, snapshot: Snapshot) -> Story {
    let mut story = Story::of(name);
    for event in endless("car-1").take(commits) {
        story.append(&[event], snapshot);
    }
    story
}
