//! Messages of a queue, and a recorder with its stores in memory and a fixed clock.

use std::cell::RefCell;
use std::collections::BTreeSet;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use domain::{BuyerId, HELD_LIMIT};
use event_store::{EventStore, MemoryStreams};
use futures::executor::block_on;
use legacy::Legacy;
use recorder::Recorder;
use recorder::dead_letters::{DeadLetters, MemoryDeadLetters};
use serde_json::{Value, json};
use testkit::hooks::{Call, Fate, Faults, Hook, Which};
use testkit::{Hooked, TestClock};

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

/// [`HELD_LIMIT`] as a number of offer versions.
pub(crate) fn held_limit() -> u32 {
    u32::try_from(HELD_LIMIT).unwrap()
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

/// Streams in memory with faults.
pub(crate) type Streams = Hooked<'static, MemoryStreams, Writers>;

/// The faults of the next calls, and other writers.
pub(crate) struct Writers {
    streams: &'static MemoryStreams,
    faults: Faults,
    /// The buyers at whose next append another writer first appends the same commit with other event ids.
    overtaken: RefCell<BTreeSet<BuyerId>>,
}

impl Hook for Writers {
    async fn before(&self, call: &Call<'_>) -> Fate {
        if call.operation == "append"
            && let Some(commit) = call.commit
        {
            assert!(!commit.facts.contains("breaks-it"), "an injected fault");
            let buyer = testkit::buyer(call.buyer);
            if self.overtaken.borrow_mut().remove(&buyer) {
                let mut other = commit.clone();
                other.facts = commit.facts.replace("\"id\":\"", "\"id\":\"other-");
                self.streams.append(&other).await.unwrap();
            }
        }
        self.faults.before(call).await
    }
}

pub(crate) struct World {
    pub(crate) streams: Streams,
    pub(crate) letters: &'static MemoryDeadLetters,
    pub(crate) recorder: Recorder<Streams, &'static MemoryDeadLetters, TestClock>,
}

pub(crate) fn world() -> World {
    // Leaked, so that several recorders can share them; each test runs in its own process.
    let (streams, letters): (&MemoryStreams, _) = (Box::leak(Box::default()), Box::leak(Box::default()));
    let writers = Writers { streams, faults: Faults::default(), overtaken: RefCell::default() };
    let streams = Hooked { inner: streams, hook: Box::leak(Box::new(writers)) };
    let recorder = Recorder::new(streams, &*letters, TestClock::default());
    World { streams, letters, recorder }
}

impl World {
    /// A recorder over the same stores in an execution environment that remembers nothing.
    pub(crate) fn cold(&self) -> Recorder<Streams, &'static MemoryDeadLetters, TestClock> {
        Recorder::new(self.streams, self.letters, TestClock::default())
    }

    pub(crate) fn fault(&self, buyer: &BuyerId, operation: &'static str, fate: Fate) {
        self.streams.hook.faults.set_once(Which::Of(operation, buyer.clone()), fate);
    }

    /// Has another writer append the same events under other ids just before this buyer's next append.
    pub(crate) fn overtake(&self, buyer: &BuyerId) {
        self.streams.hook.overtaken.borrow_mut().insert(buyer.clone());
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
        let commits = block_on(event_store::history(self.streams.inner, buyer)).unwrap();
        let events = commits.iter().flat_map(|commit| &commit.facts).filter_map(domain::Fact::event);
        events.map(|event| (event.offer.to_string(), event.version.get())).collect()
    }

    pub(crate) fn commits(&self) -> usize {
        self.streams.inner.commits().len()
    }

    /// The message id and reason of every dead letter, in order.
    pub(crate) fn dead(&self) -> Vec<(String, &'static str)> {
        let letters = self.letters.letters();
        letters.into_iter().map(|letter| (letter.message_id, letter.reason.name())).collect()
    }

    /// The numbers of appends and pages since the last call.
    pub(crate) fn requests(&self) -> (usize, usize) {
        let calls = self.streams.hook.faults.take();
        let (appends, pages): (Vec<_>, Vec<_>) = calls.iter().partition(|name| *name == "append");
        (appends.len(), pages.len())
    }
}

pub(crate) fn deliver<S: EventStore, D: DeadLetters, L: Legacy>(
    recorder: &Recorder<S, D, TestClock, L>,
    messages: &[Sent],
) -> Vec<String> {
    deliver_times(recorder, messages, 1)
}

/// Delivers a batch of messages that were received this many times, and returns the ids of the returned messages.
pub(crate) fn deliver_times<S: EventStore, D: DeadLetters, L: Legacy>(
    recorder: &Recorder<S, D, TestClock, L>,
    messages: &[Sent],
    times: u32,
) -> Vec<String> {
    let deadline = TestClock::default().deadline_in(30);
    returned(block_on(recorder.handle(received(messages, times), deadline)).unwrap())
}

pub(crate) fn returned(answer: SqsBatchResponse) -> Vec<String> {
    answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}
