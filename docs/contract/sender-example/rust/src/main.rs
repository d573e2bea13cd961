//! An example sender of offer events.
//!
//! The outbox rule: write each event to an outbox table in the transaction that changes the offer, and delete the row
//! only after SQS accepted the event. A crash in between posts an event twice, which is harmless; any other order loses
//! events.
//!
//! ```sh
//! sender-example < outbox.jsonl      # one event per line, oldest first; prints the ids of posted events
//! ```
//!
//! The queue is named by `OFFER_EVENTS_QUEUE_URL`. The exit code is 1 if events remain in the outbox.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde_json::Value;

/// The limit of `SendMessageBatch`. Ten events of the largest size, 64 KiB, stay below its limit of 1 MiB.
const BATCH: usize = 10;
/// Attempts without progress.
const ATTEMPTS: u32 = 5;
/// The longest wait before the first further attempt, doubled before each later one.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// An event in the outbox.
struct Event {
    id: String,
    buyer: String,
    body: String,
}

impl Event {
    fn parse(line: &str) -> Result<Self, Box<dyn Error>> {
        let event: Value = serde_json::from_str(line)?;
        let text =
            |value: &Value, name| value.as_str().map(str::to_owned).ok_or(format!("an event has no {name}"));
        let (id, buyer) = (text(&event["id"], "id")?, text(&event["data"]["buyerId"], "data.buyerId")?);
        Ok(Self { id, buyer, body: line.to_owned() })
    }
}

/// What became of the events of one round: ids of posted ones, and ids of refused ones with the reason.
#[derive(Default)]
struct Round {
    posted: BTreeSet<String>,
    refused: BTreeMap<String, String>,
}

/// Posts the events of an outbox once, in order.
///
/// After a failure, later batches leave out that buyer's events, so that they are not posted before it.
async fn post(sqs: &Client, queue_url: &str, outbox: &[Event]) -> Result<Round, Box<dyn Error>> {
    let mut round = Round::default();
    let mut blocked = BTreeSet::new();
    let mut rest: VecDeque<&Event> = outbox.iter().collect();
    loop {
        rest.retain(|event| !blocked.contains(&event.buyer));
        let batch: Vec<&Event> = rest.drain(..rest.len().min(BATCH)).collect();
        if batch.is_empty() {
            return Ok(round);
        }
        let mut call = sqs.send_message_batch().queue_url(queue_url);
        for (index, event) in batch.iter().enumerate() {
            call = call.entries(
                SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(&event.body)
                    .message_group_id(&event.buyer)
                    .message_deduplication_id(&event.id)
                    .build()?,
            );
        }
        let answer = call.send().await?;
        let named = |id: &str| {
            id.parse().ok().and_then(|index: usize| batch.get(index)).ok_or("SQS named no entry of ours")
        };
        for entry in answer.successful() {
            round.posted.insert(named(entry.id())?.id.clone());
        }
        // The call as a whole succeeds even if SQS accepted none of the events.
        for failure in answer.failed() {
            let event = named(failure.id())?;
            blocked.insert(event.buyer.clone());
            // Repeating an event that SQS finds invalid cannot help: an engineer must look at it.
            if failure.sender_fault() {
                round.refused.insert(event.id.clone(), failure.code().to_owned());
            }
        }
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    // The SDK repeats requests that failed as a whole; failures inside a batch are ours to repeat.
    let sqs = Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await);
    let queue_url =
        std::env::var("OFFER_EVENTS_QUEUE_URL").map_err(|_| "OFFER_EVENTS_QUEUE_URL is not set")?;
    let lines = std::io::read_to_string(std::io::stdin())?;
    let mut outbox = lines
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(Event::parse)
        .collect::<Result<Vec<_>, _>>()?;
    let mut refused = BTreeMap::new();
    let mut attempt = 0;
    while !outbox.is_empty() && attempt < ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep((FIRST_WAIT * 2_u32.pow(attempt)).mul_f64(fastrand::f64())).await;
        }
        let round = post(&sqs, &queue_url, &outbox).await?;
        for event in outbox.iter().filter(|event| round.posted.contains(&event.id)) {
            writeln!(std::io::stdout(), "{}", event.id)?; // here the outbox deletes the row
        }
        outbox.retain(|event| !round.posted.contains(&event.id));
        refused = round.refused;
        if outbox.iter().all(|event| refused.contains_key(&event.id)) {
            break;
        }
        attempt = if round.posted.is_empty() { attempt + 1 } else { 0 };
    }
    for (event, code) in &refused {
        writeln!(std::io::stderr(), "{event} was refused: {code}")?;
    }
    Ok(if outbox.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
