//! Our recorder, wired as in the function.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use dynoxide::Database;
use event_store::DynamoStreams;
use jiff::{SignedDuration, Timestamp};
use platform::clock::{Clock, Deadline};
use platform::{Access, Settings};
use recorder::Recorder;
use recorder::dead_letters::MemoryDeadLetters;

use crate::corpus::Message;

/// The streams table's name.
pub const STREAMS: &str = binaries::tables::STREAMS;

/// The leads table's name.
pub const LEADS: &str = binaries::tables::LEADS;

/// Both tables, empty.
#[must_use]
pub fn database() -> Database {
    binaries::tables::create()
}

static NONCES: AtomicU64 = AtomicU64::new(0);

/// A clock that stands still, so that the same work has the same bytes on every day.
#[derive(Debug, Clone, Copy)]
pub struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        // 2026-11-23T10:00:00.123Z
        Timestamp::from_millisecond(1_795_428_000_123).unwrap()
    }

    fn nonce(&self) -> String {
        // A nonce must be unique, because a claim is recognised by it.
        format!("00000000-0000-4000-8000-{:012}", NONCES.fetch_add(1, Ordering::Relaxed))
    }
}

impl Still {
    /// The deadline of an invocation that has just begun.
    #[must_use]
    pub fn deadline() -> Deadline {
        Deadline::at(Self.now() + SignedDuration::from_secs(60))
    }
}

/// The access of a function to an AWS at this URL.
#[must_use]
pub fn access(url: &str) -> Access {
    let lookup = |name: &str| {
        let value = match name {
            "AWS_ACCESS_KEY_ID" => "key",
            "AWS_SECRET_ACCESS_KEY" => "secret",
            "AWS_REGION" => "us-east-1",
            "AWS_ENDPOINT_URL" => url,
            _ => return None,
        };
        Some(value.to_owned())
    };
    Access::from_settings(&Settings::from_lookup(&lookup)).unwrap()
}

/// Our recorder with a DynamoDB at a URL.
#[derive(Debug)]
pub struct Ours {
    url: String,
    recorder: Recorder<DynamoStreams, MemoryDeadLetters, Still>,
}

impl Ours {
    /// A recorder that has just started, without remembered heads.
    #[must_use]
    pub fn at(url: &str) -> Self {
        let streams = DynamoStreams::new(access(url).dynamodb(), STREAMS.to_owned());
        let recorder = Recorder::new(streams, MemoryDeadLetters::default(), Still);
        Self { url: url.to_owned(), recorder }
    }

    /// Restarts the recorder, so that it remembers no heads.
    pub fn restart(&mut self) {
        *self = Self::at(&self.url);
    }

    /// Records one batch.
    pub async fn deliver(&self, batch: &[Message]) {
        let answer = self.recorder.handle(event(batch), Still::deadline()).await.unwrap();
        assert_eq!(answer.batch_item_failures.len(), 0, "{batch:?}");
    }
}

fn event(batch: &[Message]) -> SqsEvent {
    let mut event = SqsEvent::default();
    event.records = batch
        .iter()
        .map(|message| {
            let mut record = SqsMessage::default();
            record.message_id = Some(message.id.clone());
            record.body = Some(message.body.clone());
            record.attributes.insert("MessageGroupId".to_owned(), message.group.clone());
            record.attributes.insert("ApproximateReceiveCount".to_owned(), "1".to_owned());
            record
        })
        .collect();
    event
}
