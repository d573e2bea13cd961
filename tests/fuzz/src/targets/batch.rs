use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use contract::incoming;
use contract::stored::StoredCommit;
use domain::{BuyerId, Event, Fact, OfferChange, REMEMBERED_DIGESTS, Sequence};
use event_store::{Appended, Commits, EventStore, MemoryStreams, Page, StoreError, history};
use futures::executor::block_on;
use recorder::Recorder;
use recorder::dead_letters::{DeadLetter, DeadLetters, DeadLettersUnavailable, MemoryDeadLetters};

use super::{buyer, event, parts};
use crate::clock::{Still, deadline};

/// One message of a batch.
#[derive(Debug, Clone)]
struct Sent {
    id: String,
    group: String,
    receives: String,
    body: String,
}

/// The target `batch`: one batch for the recorder. The first byte of the input selects which calls fail and how. Each
/// part after it is a message: its first line is the group and the receive count, the rest is the body, or an event in
/// the short form after an `@`.
///
/// Properties: returned messages are the end of their group, and messages return only if a call failed. Every other
/// message is recorded or dead-lettered with its reason. A second delivery settles the returned messages, and a further
/// delivery changes nothing.
pub(crate) fn take(bytes: &[u8]) {
    let (faults, messages) = bytes.split_first().map_or((0, bytes), |(first, rest)| (*first, rest));
    let messages: Vec<Sent> =
        parts(messages).take(10).enumerate().map(|(at, part)| sent(at, &part)).collect();
    let (streams, letters, still) = (Streams::default(), Letters::default(), Still::default());
    streams.faults.set(faults);
    letters.faults.set(faults >> 6);
    let recorder = Recorder::new(&streams, &letters, &still);
    let Ok(answer) = block_on(recorder.handle(batch(&messages), deadline())) else {
        assert!(messages.iter().any(|message| message.group.is_empty()), "{messages:?}");
        return;
    };
    let back: BTreeSet<String> =
        answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    let failed = streams.failed.get() + letters.failed.get();
    assert!(back.is_empty() || failed > 0, "{back:?} of {messages:?} were returned although no call failed");
    assert_is_the_end_of_its_groups(&messages, &back);
    assert_settled(&messages, &back, &streams, &letters);

    streams.faults.set(0);
    letters.faults.set(0);
    let again: Vec<Sent> = messages.iter().filter(|message| back.contains(&message.id)).cloned().collect();
    for _ in 0..2 {
        let answer = block_on(recorder.handle(batch(&again), deadline())).unwrap();
        assert_eq!(answer.batch_item_failures.len(), 0);
    }
    assert_settled(&messages, &BTreeSet::new(), &streams, &letters);

    let commits = streams.memory.commits();
    let cold = Recorder::new(&streams, &letters, &still);
    let answer = block_on(cold.handle(batch(&messages), deadline())).unwrap();
    assert_eq!(answer.batch_item_failures.len(), 0);
    assert_eq!(streams.memory.commits(), commits);
}

fn sent(at: usize, part: &str) -> Sent {
    let (head, body) = part.split_once('\n').unwrap_or((part, ""));
    let (group, receives) = head.split_once('\t').unwrap_or((head, "1"));
    let body = body
        .strip_prefix('@')
        .and_then(|short| Some(testkit::body(&buyer(group)?, &event(short)?)))
        .unwrap_or_else(|| body.to_owned());
    Sent { id: format!("m{at}"), group: group.to_owned(), receives: receives.to_owned(), body }
}

fn batch(messages: &[Sent]) -> SqsEvent {
    let mut event = SqsEvent::default();
    event.records = messages
        .iter()
        .map(|message| {
            let mut record = SqsMessage::default();
            record.message_id = Some(message.id.clone());
            record.body = Some(message.body.clone());
            for (name, value) in
                [("MessageGroupId", &message.group), ("ApproximateReceiveCount", &message.receives)]
            {
                record.attributes.insert(name.to_owned(), value.clone());
            }
            record
        })
        .collect();
    event
}

/// The returned messages are known, and no later message of their groups is acknowledged.
fn assert_is_the_end_of_its_groups(messages: &[Sent], back: &BTreeSet<String>) {
    assert!(back.iter().all(|id| messages.iter().any(|message| message.id == *id)), "{back:?}");
    let mut stopped = BTreeSet::new();
    for message in messages {
        if back.contains(&message.id) {
            stopped.insert(&message.group);
        } else {
            assert!(
                !stopped.contains(&message.group),
                "{} is acknowledged behind a returned message: {back:?}",
                message.id
            );
        }
    }
}

/// Every message that was not returned is recorded, or it is a dead letter with the right reason.
fn assert_settled(messages: &[Sent], back: &BTreeSet<String>, streams: &Streams, letters: &Letters) {
    let letters = letters.memory.letters();
    let mut streams_of = BTreeMap::new();
    for message in messages.iter().filter(|message| !back.contains(&message.id)) {
        let reason =
            letters.iter().find(|letter| letter.message_id == message.id).map(|letter| letter.reason);
        match incoming::decode(&message.body) {
            Ok(read) if read.buyer.as_str() == message.group => {
                let recorded = streams_of
                    .entry(message.group.as_str())
                    .or_insert_with(|| block_on(history(&streams.memory, &read.buyer)).unwrap());
                let is_recorded =
                    recorded.iter().flat_map(|commit| &commit.facts).filter_map(Fact::event).any(|event| {
                        event.offer == read.event.offer
                            && event.version == read.event.version
                            && event.change == read.event.change
                    });
                let events: Vec<&Event> =
                    recorded.iter().flat_map(|commit| &commit.facts).filter_map(Fact::event).collect();
                let is_known = is_recorded || is_forgotten(&events, &read.event);
                assert!(
                    is_known || reason == Some("contradiction"),
                    "{message:?} is neither recorded nor dead-lettered"
                );
            }
            Ok(_) => assert_eq!(reason, Some("wrong-group")),
            Err(refusal) => assert_eq!(reason, Some(refusal.reason())),
        }
    }
}

/// Whether the event counts as a repeat because the content recorded under its version is no longer remembered.
fn is_forgotten(recorded: &[&Event], event: &Event) -> bool {
    let of_offer = || recorded.iter().filter(|other| other.offer == event.offer);
    let later = || of_offer().filter(|other| other.version > event.version);
    let closes =
        |other: &&&Event| matches!(other.change, OfferChange::Rejected { .. } | OfferChange::Withdrawn);
    let is_recorded = of_offer().any(|other| other.version == event.version);
    is_recorded && (later().any(|other| closes(&other)) || later().count() >= REMEMBERED_DIGESTS)
}

/// Streams whose calls fail as `faults` says. Each call uses two bits, beginning with the lowest: the first one says
/// whether the call fails, the second one whether it takes effect nevertheless.
#[derive(Debug, Default)]
struct Streams {
    memory: MemoryStreams,
    faults: Cell<u8>,
    failed: Cell<usize>,
}

fn unavailable(operation: &'static str, buyer: &str) -> StoreError {
    StoreError::Unavailable { operation, buyer: buyer.to_owned(), source: "injected by the input".into() }
}

impl Streams {
    /// Whether the next call fails, and whether it takes effect.
    fn next(&self) -> (bool, bool) {
        let faults = self.faults.get();
        self.faults.set(faults >> 2);
        let fails = faults & 1 == 1;
        self.failed.set(self.failed.get() + usize::from(fails));
        (fails, !fails || faults & 2 == 2)
    }
}

impl Commits for &Streams {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        if self.next().0 {
            return Err(unavailable("page", buyer.as_str()));
        }
        self.memory.page(buyer, before, limit).await
    }
}

impl EventStore for &Streams {
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError> {
        let (fails, takes_effect) = self.next();
        let appended = if takes_effect { self.memory.append(commit).await? } else { Appended::Written };
        if fails { Err(unavailable("append", &commit.buyer)) } else { Ok(appended) }
    }
}

/// A dead-letter queue that refuses the first or second letter, as the bits of `faults` say.
#[derive(Debug, Default)]
struct Letters {
    memory: MemoryDeadLetters,
    faults: Cell<u8>,
    failed: Cell<usize>,
}

impl DeadLetters for &Letters {
    async fn put(&self, letter: &DeadLetter) -> Result<(), DeadLettersUnavailable> {
        let faults = self.faults.get();
        self.faults.set(faults >> 1);
        if faults & 1 == 1 {
            self.failed.set(self.failed.get() + 1);
            let source = "injected by the input".into();
            return Err(DeadLettersUnavailable { message_id: letter.message_id.clone(), source });
        }
        self.memory.put(letter).await
    }
}
