use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use contract::dead_letter::Reason;
use contract::incoming::{self, Refusal};
use domain::{Event, Fact, OfferChange, REMEMBERED_DIGESTS};
use event_store::{MemoryStreams, history};
use futures::executor::block_on;
use recorder::Recorder;
use recorder::dead_letters::MemoryDeadLetters;
use testkit::hooks::{Call, Fate, Hook};
use testkit::{Hooked, TestClock};

use crate::corpus::{buyer, event, parts};

/// The target `incoming`: the body of a message.
///
/// Properties: an event stays the same event when it is written and read again. Any other body is always refused in the
/// same way, with an error that repeats nothing of its content.
pub(crate) fn incoming(bytes: &[u8]) {
    let body = String::from_utf8_lossy(bytes);
    let decoded = incoming::decode(&body);
    assert_eq!(incoming::decode(&body), decoded);
    match decoded {
        Ok(mut read) => {
            read.dropped.clear();
            // The builder of bodies writes no trace.
            read.trace = None;
            let again = testkit::body(&read.buyer, &read.event);
            assert_eq!(incoming::decode(&again), Ok(read));
        }
        Err(refusal) => {
            let words = refusal.to_string();
            assert!(words.len() < 2048 && !words.contains("Canary") && !words.contains("canary"), "{words}");
            if let Refusal::NotAnOfferEvent(findings) = refusal {
                assert!(!findings.is_empty());
            }
        }
    }
}

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
pub(crate) fn batch(bytes: &[u8]) {
    let (faults, messages) = bytes.split_first().map_or((0, bytes), |(first, rest)| (*first, rest));
    let messages: Vec<Sent> =
        parts(messages).take(10).enumerate().map(|(at, part)| sent(at, &part)).collect();
    let (memory, letters, clock) =
        (MemoryStreams::default(), MemoryDeadLetters::default(), TestClock::default());
    let bits = Bits { left: Cell::new(faults), failed: Cell::new(0) };
    let streams = Hooked { inner: &memory, hook: &bits };
    // The highest two bits say whether the first and the second letter are refused.
    letters.refuse([faults >> 6 & 1 == 1, faults >> 7 == 1]);
    let deadline = clock.deadline_in(60);
    let recorder = Recorder::new(streams, &letters, clock.clone());
    let Ok(answer) = block_on(recorder.handle(batch_of(&messages), deadline)) else {
        assert!(messages.iter().any(|message| message.group.is_empty()), "{messages:?}");
        return;
    };
    let back: BTreeSet<String> =
        answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    let failed = bits.failed.get() + letters.refused();
    assert!(back.is_empty() || failed > 0, "{back:?} of {messages:?} were returned although no call failed");
    assert_is_the_end_of_its_groups(&messages, &back);
    assert_settled(&messages, &back, &memory, &letters);

    bits.left.set(0);
    letters.refuse([]);
    let again: Vec<Sent> = messages.iter().filter(|message| back.contains(&message.id)).cloned().collect();
    for _ in 0..2 {
        let answer = block_on(recorder.handle(batch_of(&again), deadline)).unwrap();
        assert_eq!(answer.batch_item_failures.len(), 0);
    }
    assert_settled(&messages, &BTreeSet::new(), &memory, &letters);

    let commits = memory.commits();
    let cold = Recorder::new(streams, &letters, clock);
    let answer = block_on(cold.handle(batch_of(&messages), deadline)).unwrap();
    assert_eq!(answer.batch_item_failures.len(), 0);
    assert_eq!(memory.commits(), commits);
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

fn batch_of(messages: &[Sent]) -> SqsEvent {
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
fn assert_settled(
    messages: &[Sent],
    back: &BTreeSet<String>,
    streams: &MemoryStreams,
    letters: &MemoryDeadLetters,
) {
    let letters = letters.letters();
    let mut streams_of = BTreeMap::new();
    for message in messages.iter().filter(|message| !back.contains(&message.id)) {
        let reason =
            letters.iter().find(|letter| letter.message_id == message.id).map(|letter| letter.reason);
        match incoming::decode(&message.body) {
            Ok(read) if read.buyer.as_str() == message.group => {
                let recorded = streams_of
                    .entry(message.group.as_str())
                    .or_insert_with(|| block_on(history(streams, &read.buyer)).unwrap());
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
                    is_known || reason == Some(Reason::Contradiction),
                    "{message:?} is neither recorded nor dead-lettered"
                );
            }
            Ok(_) => assert_eq!(reason, Some(Reason::WrongGroup)),
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

/// Faults of calls to the streams. Each call uses two bits, beginning with the lowest: the first one says whether the
/// call fails, the second one whether it takes effect nevertheless.
#[derive(Debug)]
struct Bits {
    left: Cell<u8>,
    failed: Cell<usize>,
}

impl Hook for Bits {
    async fn before(&self, _: &Call<'_>) -> Fate {
        let bits = self.left.get();
        self.left.set(bits >> 2);
        if bits & 1 == 0 {
            return Fate::Passes;
        }
        self.failed.set(self.failed.get() + 1);
        if bits & 2 == 2 { Fate::LosesAnswer } else { Fate::Fails }
    }
}
