//! Another's recorder: a program of its own, told what to do over its standard input, a line of JSON for each thing.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::corpus::Message;

/// A peer's program, running. Ends when it is dropped.
#[derive(Debug)]
pub struct Peer {
    _child: Child,
    told: ChildStdin,
    says: Lines<BufReader<ChildStdout>>,
    /// Its tables for events and what belongs to them.
    pub tables: Vec<String>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// Events that are recorded now and were not before.
    pub recorded: u64,
    /// Messages that were known as repeats.
    pub repeats: u64,
}

/// Why a peer could not do as it was told, in its own words.
pub type Cannot = String;

impl Peer {
    /// Starts it with its tables, at this URL. `command` is the program and its first arguments.
    pub async fn start(command: &[String], name: &str, url: &str) -> Self {
        let (program, arguments) = command.split_first().unwrap();
        let mut child = Command::new(program)
            .args(arguments)
            .args(["--peer", name, "--endpoint", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} is not to be had ({error}): `make bench` builds it"));
        let told = child.stdin.take().unwrap();
        let says = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut peer = Self { _child: child, told, says, tables: Vec::new() };
        let answer = peer.tell(&json!({ "do": "create" })).await.unwrap();
        peer.tables = serde_json::from_value(answer["tables"].clone()).unwrap();
        peer
    }

    async fn tell(&mut self, what: &Value) -> Result<Value, Cannot> {
        self.told.write_all(format!("{what}\n").as_bytes()).await.unwrap();
        let line = self
            .says
            .next_line()
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("the peer ended: its errors stand above"));
        let answer: Value = serde_json::from_str(&line).unwrap();
        answer["error"].as_str().map_or(Ok(answer.clone()), |error| Err(error.to_owned()))
    }

    /// Lays a stream into its table, one event after the other.
    ///
    /// # Errors
    /// It cannot.
    pub async fn lay(&mut self, buyer: &str, bodies: &[&str]) -> Result<(), Cannot> {
        self.tell(&json!({ "do": "lay", "buyer": buyer, "bodies": bodies })).await.map(drop)
    }

    /// Records one batch.
    ///
    /// # Errors
    /// It cannot.
    pub async fn deliver(&mut self, batch: &[Message]) -> Result<Delivered, Cannot> {
        let messages: Vec<Value> = batch
            .iter()
            .map(|message| json!({ "group": message.group, "id": message.id, "body": message.body }))
            .collect();
        let answer = self.tell(&json!({ "do": "deliver", "messages": messages })).await?;
        Ok(Delivered {
            recorded: answer["recorded"].as_u64().unwrap(),
            repeats: answer["repeats"].as_u64().unwrap(),
        })
    }

    /// Starts again: nothing is remembered.
    ///
    /// # Errors
    /// It cannot.
    pub async fn restart(&mut self) -> Result<(), Cannot> {
        self.tell(&json!({ "do": "restart" })).await.map(drop)
    }
}
