//! The recorders that are compared. Ours is wired as in the function. A peer's is a program of its own that reads
//! commands from its standard input, one line of JSON each.

use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use dynoxide::Database;
use event_store::DynamoStreams;
use jiff::{SignedDuration, Timestamp};
use platform::clock::{Clock, Deadline};
use platform::{Access, Settings};
use recorder::Recorder;
use recorder::dead_letters::MemoryDeadLetters;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

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

/// A running program of a peer. Dropping it ends the program.
#[derive(Debug)]
pub struct Peer {
    _child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// The peer's tables for events and snapshots.
    pub tables: Vec<String>,
}

/// The outcome of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// The number of events that were newly recorded.
    pub recorded: u64,
    /// The number of messages that were recognised as repeats.
    pub repeats: u64,
}

/// The reason why a peer could not execute a command, as it reports it.
pub type Refusal = String;

impl Peer {
    /// Starts a peer with a DynamoDB at this URL and lets it create its tables. `command` is the program and its first
    /// arguments.
    pub async fn start(command: &[String], name: &str, url: &str) -> Self {
        let (program, arguments) = command.split_first().unwrap();
        let mut child = Command::new(program)
            .args(arguments)
            .args(["--peer", name, "--endpoint", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{program} could not be started ({error}): `make bench` builds it")
            });
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut peer = Self { _child: child, commands, answers, tables: Vec::new() };
        let answer = peer.request(&json!({ "do": "create" })).await.unwrap();
        peer.tables = serde_json::from_value(answer["tables"].clone()).unwrap();
        peer
    }

    async fn request(&mut self, what: &Value) -> Result<Value, Refusal> {
        self.commands.write_all(format!("{what}\n").as_bytes()).await.unwrap();
        let line = self
            .answers
            .next_line()
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("the peer ended; its errors are printed above"));
        let answer: Value = serde_json::from_str(&line).unwrap();
        answer["error"].as_str().map_or(Ok(answer.clone()), |error| Err(error.to_owned()))
    }

    /// Stores a whole stream in the peer's tables, as if recorded event by event.
    ///
    /// # Errors
    /// The peer refuses.
    pub async fn lay(&mut self, buyer: &str, bodies: &[&str]) -> Result<(), Refusal> {
        self.request(&json!({ "do": "lay", "buyer": buyer, "bodies": bodies })).await.map(drop)
    }

    /// Records one batch.
    ///
    /// # Errors
    /// The peer refuses.
    pub async fn deliver(&mut self, batch: &[Message]) -> Result<Delivered, Refusal> {
        let messages: Vec<Value> = batch
            .iter()
            .map(|message| json!({ "group": message.group, "id": message.id, "body": message.body }))
            .collect();
        let answer = self.request(&json!({ "do": "deliver", "messages": messages })).await?;
        Ok(Delivered {
            recorded: answer["recorded"].as_u64().unwrap(),
            repeats: answer["repeats"].as_u64().unwrap(),
        })
    }

    /// Restarts the peer, so that it remembers nothing.
    ///
    /// # Errors
    /// The peer refuses.
    pub async fn restart(&mut self) -> Result<(), Refusal> {
        self.request(&json!({ "do": "restart" })).await.map(drop)
    }
}
