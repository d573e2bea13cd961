//! Test streams: consecutive commits with the state that they fold to.

use contract::stored::{self, StoredCommit};
use domain::{BuyerId, Event, State};
use event_store::{Appended, Appending, EventStore, Head};
use jiff::Timestamp;
use testkit::{acceptance_withdrawn, accepted, buyer, made};

pub(crate) fn moment() -> Timestamp {
    "2026-11-23T10:00:00.123Z".parse().unwrap()
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
            drop(self.state.fold(event));
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
