//! Messages of a queue, and a recorder with its stores in memory and a fixed clock.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use contract::stored::StoredCommit;
use domain::{BuyerId, Sequence};
use event_store::{Appended, Commits, EventStore, MemoryStreams, Page, StoreError};
use futures::executor::block_on;
use jiff::{SignedDuration, Timestamp};
use legacy::Legacy;
use platform::clock::{Clock, Deadline};
use recorder::Recorder;
use recorder::dead_letters::{DeadLetter, DeadLetters, DeadLettersUnavailable, MemoryDeadLetters};
use serde_json::{Value, json};

/// A message on the queue.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) group: String,
    pub(crate) body: String,
}

pub(crate) fn sent(id: &str, group: &BuyerId, body: impl Into<String>) -> Sent {
    Sent { id: id.to_owned(), group: group.to_string(), body: body.into() }
}

pub(crate) fn batch(messages: &[Sent]) -> SqsEvent {
    received(messages, 1)
}

/// A batch whose messages were received this many times.
pub(crate) fn received(messages: &[Sent], times: u32) -> SqsEvent {
    let records: Vec<Value> = messages
        .iter()
        .map(|message| {
            json!({
                "messageId": message.id,
                "body": message.body,
                "attributes": {
                    "MessageGroupId": message.group,
                    "MessageDeduplicationId": format!("dedup-{}", message.id),
                    "SentTimestamp": "1764000000000",
                    "ApproximateReceiveCount": times.to_string(),
                },
            })
        })
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

/// A fault of the next call of a kind for a buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call fails without effect.
    Before,
    /// The call takes effect, but its answer is lost.
    After,
    /// The call panics.
    Panic,
    /// Another writer first appends the same commit with other event ids.
    Overtaken,
}

/// Streams that count calls and inject faults.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    pub(crate) memory: MemoryStreams,
    pub(crate) appends: Cell<usize>,
    pub(crate) pages: Cell<usize>,
    pub(crate) faults: RefCell<BTreeMap<(String, &'static str), Fault>>,
}

impl Streams {
    fn fault(&self, buyer: &str, operation: &'static str) -> Option<Fault> {
        let fault = self.faults.borrow_mut().remove(&(buyer.to_owned(), operation));
        assert!(fault != Some(Fault::Panic), "an injected fault");
        fault
    }

    fn unavailable(buyer: &str, operation: &'static str) -> StoreError {
        StoreError::Unavailable { operation, buyer: buyer.to_owned(), source: "an injected fault".into() }
    }
}

impl Commits for &Streams {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.pages.set(self.pages.get() + 1);
        if self.fault(buyer.as_str(), "page").is_some() {
            return Err(Streams::unavailable(buyer.as_str(), "page"));
        }
        self.memory.page(buyer, before, limit).await
    }
}

impl EventStore for &Streams {
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError> {
        self.appends.set(self.appends.get() + 1);
        assert!(!commit.facts.contains("breaks-it"), "an injected fault");
        match self.fault(&commit.buyer, "append") {
            Some(Fault::Before) => return Err(Streams::unavailable(&commit.buyer, "append")),
            Some(Fault::After) => {
                self.memory.append(commit).await?;
                return Err(Streams::unavailable(&commit.buyer, "append"));
            }
            Some(Fault::Overtaken) => {
                let mut other = commit.clone();
                other.facts = commit.facts.replace("\"id\":\"", "\"id\":\"other-");
                self.memory.append(&other).await?;
            }
            Some(Fault::Panic) | None => {}
        }
        self.memory.append(commit).await
    }
}

/// A dead-letter queue that fails a number of times.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    pub(crate) memory: MemoryDeadLetters,
    pub(crate) failures: Cell<usize>,
}

impl DeadLetters for &Letters {
    async fn put(&self, letter: &DeadLetter) -> Result<(), DeadLettersUnavailable> {
        if self.failures.get() > 0 {
            self.failures.set(self.failures.get() - 1);
            let source = "an injected fault".into();
            return Err(DeadLettersUnavailable { message_id: letter.message_id.clone(), source });
        }
        self.memory.put(letter).await
    }
}

/// A clock that stands still.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        "2026-11-23T10:00:00Z".parse().unwrap()
    }

    fn nonce(&self) -> String {
        "nonce".to_owned()
    }
}

pub(crate) struct World {
    pub(crate) streams: &'static Streams,
    pub(crate) letters: &'static Letters,
    pub(crate) recorder: Recorder<&'static Streams, &'static Letters, Still>,
}

pub(crate) fn world() -> World {
    // Leaked, so that several recorders can share them; each test runs in its own process.
    let (streams, letters): (&Streams, &Letters) = (Box::leak(Box::default()), Box::leak(Box::default()));
    let recorder = Recorder::new(streams, letters, Still);
    World { streams, letters, recorder }
}

impl World {
    /// A recorder over the same stores in an execution environment that remembers nothing.
    pub(crate) fn cold(&self) -> Recorder<&'static Streams, &'static Letters, Still> {
        Recorder::new(self.streams, self.letters, Still)
    }

    pub(crate) fn fault(&self, buyer: &BuyerId, operation: &'static str, fault: Fault) {
        self.streams.faults.borrow_mut().insert((buyer.to_string(), operation), fault);
    }

    /// Delivers a batch and returns the ids of the returned messages.
    pub(crate) fn deliver(&self, messages: &[Sent]) -> Vec<String> {
        deliver(&self.recorder, messages)
    }

    /// Like [`deliver`](Self::deliver), with messages that were received this many times.
    pub(crate) fn deliver_again(&self, messages: &[Sent], times: u32) -> Vec<String> {
        deliver_times(&self.recorder, messages, times)
    }

    /// Like [`deliver_again`](Self::deliver_again), to an execution environment that remembers nothing.
    pub(crate) fn deliver_cold(&self, messages: &[Sent], times: u32) -> Vec<String> {
        deliver_times(&self.cold(), messages, times)
    }

    /// The offer and version of every recorded event of a buyer, in order.
    #[track_caller]
    pub(crate) fn recorded(&self, buyer: &BuyerId) -> Vec<(String, u32)> {
        let commits = block_on(event_store::history(&self.streams.memory, buyer)).unwrap();
        let events = commits.iter().flat_map(|commit| &commit.facts).filter_map(domain::Fact::event);
        events.map(|event| (event.offer.to_string(), event.version.get())).collect()
    }

    pub(crate) fn commits(&self) -> usize {
        self.streams.memory.commits().len()
    }

    /// The message id and reason of every dead letter, in order.
    pub(crate) fn dead(&self) -> Vec<(String, &'static str)> {
        let letters = self.letters.memory.letters();
        letters.into_iter().map(|letter| (letter.message_id, letter.reason)).collect()
    }

    /// The numbers of appends and pages since the last call.
    pub(crate) fn requests(&self) -> (usize, usize) {
        (self.streams.appends.take(), self.streams.pages.take())
    }
}

pub(crate) fn deliver<S: EventStore, D: DeadLetters, L: Legacy>(
    recorder: &Recorder<S, D, Still, L>,
    messages: &[Sent],
) -> Vec<String> {
    deliver_times(recorder, messages, 1)
}

/// Delivers a batch of messages that were received this many times, and returns the ids of the returned messages.
pub(crate) fn deliver_times<S: EventStore, D: DeadLetters, L: Legacy>(
    recorder: &Recorder<S, D, Still, L>,
    messages: &[Sent],
    times: u32,
) -> Vec<String> {
    let deadline = Deadline::at(Still.now() + SignedDuration::from_secs(30));
    returned(block_on(recorder.handle(received(messages, times), deadline)).unwrap())
}

pub(crate) fn returned(answer: SqsBatchResponse) -> Vec<String> {
    answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}
