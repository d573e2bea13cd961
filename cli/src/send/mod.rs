//! `leads send`: posts a file of events to the queue, as the offer system would.

mod post;

use std::io::{BufRead, Write};
use std::path::Path;

use aws_types::SdkConfig;
use serde_json::json;
use uuid::Uuid;

pub use self::post::{Message, Posted, post};

use crate::check::{self, Content, Lines, Tally};
use crate::output::{CtrlC, Output, Progress, count};
use crate::{Exit, Failure};

/// The maximum length of a deduplication id in SQS, in characters.
const LONGEST_DEDUPLICATION_ID: usize = 128;

/// The messages of a file that was checked before. `name` names the file in errors. A line that is no longer valid
/// yields [`Failure::Changed`]. With `is_repeat`, each message gets a new deduplication id.
pub fn messages(
    reader: impl BufRead,
    name: &str,
    is_repeat: bool,
) -> impl Iterator<Item = Result<Message, Failure>> {
    let mut lines = Lines::of(reader);
    std::iter::from_fn(move || {
        loop {
            let line = match lines.next() {
                Ok(line) => line?,
                Err(source) => return Some(Err(Failure::Read { file: name.to_owned(), source })),
            };
            return Some(match line.content() {
                Content::Blank => continue,
                Content::Event { body, incoming } => Ok(Message {
                    line: line.number,
                    deduplication_id: if is_repeat {
                        fresh(incoming.event.id.as_str())
                    } else {
                        incoming.event.id.to_string()
                    },
                    buyer: incoming.buyer,
                    body: body.to_owned(),
                    attempts: 0,
                }),
                Content::NotUtf8 | Content::ByteOrderMark | Content::Refused(_) => {
                    Err(Failure::Changed { file: name.to_owned(), line: line.number })
                }
            });
        }
    })
}

/// A new deduplication id that begins with this id.
pub(crate) fn fresh(id: &str) -> String {
    let nonce = Uuid::new_v4().to_string();
    let room = LONGEST_DEDUPLICATION_ID - nonce.len() - 1;
    format!("{}-{nonce}", id.get(..room).unwrap_or(id))
}

pub(crate) async fn command<O: Write, E: Write>(
    file: &Path,
    is_repeat: bool,
    queue_url: &str,
    connect: impl AsyncFnOnce() -> Result<SdkConfig, Failure>,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let name = file.display().to_string();
    let kind = file.metadata().map_err(|source| Failure::Read { file: name.clone(), source })?;
    if !kind.is_file() {
        return Err(Failure::NotAFile { file: name });
    }
    let (tally, mut document) = check::report(check::open(file)?, &name, output)?;
    let (posted, is_interrupted) = if tally.findings == 0 {
        let sqs = aws_sdk_sqs::Client::new(&connect().await?);
        let progress = Progress::towards(tally.events, "posted");
        let messages = messages(check::open(file)?, &name, is_repeat);
        let mut ctrl_c = CtrlC::listening();
        let posted = post(&sqs, queue_url, messages, |position| {
            progress.at(position);
            !ctrl_c.is_pressed()
        })
        .await;
        progress.end();
        let is_interrupted = posted.posted < tally.events && ctrl_c.is_pressed();
        (posted, is_interrupted)
    } else {
        (Posted::default(), false)
    };
    if output.is_json {
        document["posted"] = json!(posted.posted);
        document["throughLine"] = json!(posted.through_line);
        document["isComplete"] = json!(posted.posted == tally.events);
        document["error"] = json!(posted.failure.as_ref().map(|failure| platform::telemetry::chain(failure)));
        output.json(&document)?;
    } else {
        output.line(&check::summary(&name, &tally))?;
        output.line(&result_text(&tally, &posted, is_interrupted))?;
    }
    match posted.failure {
        Some(failure) => Err(failure),
        None if is_interrupted => Ok(Exit::Interrupted),
        None if tally.findings > 0 => Ok(Exit::Findings),
        None => Ok(Exit::Good),
    }
}

fn result_text(tally: &Tally, posted: &Posted, is_interrupted: bool) -> String {
    let Posted { posted: number, through_line, failure } = posted;
    let events = tally.events;
    if tally.findings > 0 {
        "Nothing was posted.".to_owned()
    } else if failure.is_some() || is_interrupted {
        let through = match through_line {
            0 => String::new(),
            line => format!(", including all events through line {line}"),
        };
        format!(
            "Posted {number} of {events} events{through}. \
             Sending the file again is safe: repeats are recognised."
        )
    } else {
        format!("Posted {}.", count(*number, "event"))
    }
}
