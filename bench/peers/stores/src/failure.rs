//! The errors of a peer, and their texts.

use std::error::Error;
use std::io;

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
