//! A peer's recorder. It is a program of its own that reads commands from its standard input, one line of JSON each.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::corpus::Message;

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
