//! A Lambda that records offer events with a known event store. The bench drives it: each line of standard input is a
//! JSON command, and is answered by one line of JSON on standard output.

mod adapter;
mod buyer;
mod cqrs;
mod idempotency;
mod lambda;
mod tables;

use std::error::Error;
use std::io;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, stdin, stdout};

use crate::lambda::{Lambda, Peer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("stores: {}", chain(&failure));
            ExitCode::FAILURE
        }
    }
}

/// Answers every command until the input ends. The input is read without blocking, so that idle connections are served.
async fn run() -> Result<(), Failure> {
    let mut lambda = Lambda::new(argument("--peer")?.parse::<Peer>()?, argument("--endpoint")?);
    let mut commands = BufReader::new(stdin()).lines();
    while let Some(line) = commands.next_line().await.map_err(Failure::Talk)? {
        let command = serde_json::from_str(&line).map_err(Failure::Command)?;
        let mut answer =
            serde_json::to_vec(&answer(&mut lambda, command).await?).map_err(Failure::Command)?;
        answer.push(b'\n');
        stdout().write_all(&answer).await.map_err(Failure::Talk)?;
        stdout().flush().await.map_err(Failure::Talk)?;
    }
    Ok(())
}

/// The value after `name` on the command line.
fn argument(name: &'static str) -> Result<String, Failure> {
    std::env::args().skip_while(|given| given != name).nth(1).ok_or(Failure::Usage(name))
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub(crate) enum Command {
    /// Create the tables, as the peer's documentation describes.
    Create,
    /// Store a whole stream, as if each event had been a commit of its own. The buyer must have no events yet.
    Lay { buyer: String, bodies: Vec<String> },
    /// Handle one batch of an SQS FIFO queue.
    Deliver { messages: Vec<Message> },
    /// Discard everything that does not survive a cold start.
    Restart,
}

/// One message. Its group, the buyer, is also in its body.
#[derive(Deserialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Created {
        tables: Vec<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        idempotency: Option<&'static str>,
    },
    Delivered {
        recorded: usize,
        repeats: usize,
    },
    /// The peer cannot execute the command, for this reason.
    Refused {
        error: String,
    },
    Done {},
}

/// Executes a command. A refusal of the peer is an answer; every other failure ends the process.
pub(crate) async fn answer(lambda: &mut Lambda, command: Command) -> Result<Answer, Failure> {
    let answered = match command {
        Command::Create => return lambda.create().await,
        Command::Lay { buyer, bodies } => lambda.lay(&buyer, &bodies).await.map(|()| Answer::Done {}),
        Command::Deliver { messages } => {
            let delivered = messages.len();
            let counted = |recorded| Answer::Delivered { recorded, repeats: delivered - recorded };
            lambda.deliver(messages).await.map(counted)
        }
        Command::Restart => {
            lambda.restart();
            Ok(Answer::Done {})
        }
    };
    Ok(answered.unwrap_or_else(|failure| Answer::Refused { error: chain(&failure) }))
}

pub(crate) type Source = Box<dyn Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("usage: stores --peer NAME --endpoint URL; {0} is missing")]
    Usage(&'static str),
    #[error("no peer is named {0}")]
    Peer(String),
    #[error("a command could not be read, or its answer not be written as JSON")]
    Command(#[source] serde_json::Error),
    #[error("standard input or output failed")]
    Talk(#[source] io::Error),
    #[error("table {table} could not be created")]
    Create { table: &'static str, source: Source },
    #[error("message {id} could not be decoded")]
    Undecodable { id: String, source: Source },
    #[error("the store could not be opened")]
    Open { source: Source },
    /// The buyer already has another event at the next sequence number.
    #[error("conflict: {buyer} has an event where the next one should go")]
    Conflict { buyer: String },
    #[error("events of {buyer} could not be recorded")]
    Record { buyer: String, source: Source },
    #[error("the idempotency record of {id} could not be {done}")]
    Idempotency { id: String, done: &'static str, source: Source },
    #[error("message {id} is being handled elsewhere")]
    InProgress { id: String },
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        if !text.ends_with(&next_text) {
            text = format!("{text}: {next_text}");
        }
        cause = next.source();
    }
    text
}
