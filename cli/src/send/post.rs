use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::window::{Message, Window};
use crate::Failure;

/// The maximum number of concurrent batches.
const CONCURRENT_BATCHES: usize = 8;

/// The number of messages read ahead: enough to fill all batches if buyers alternate.
const READ_AHEAD: usize = 512;

/// The maximum number of attempts for a message that the queue refuses while it accepts the batch.
const ATTEMPTS: u32 = 6;

/// The pause before the second attempt; it doubles for each further one.
const PAUSE: Duration = Duration::from_millis(50);

/// The result of posting.
#[derive(Debug)]
pub struct Posted {
    /// The number of messages that the queue accepted.
    pub posted: u64,
    /// All messages through this line were posted, and perhaps some after it.
    pub through_line: u64,
    /// Why posting ended early, if it did.
    pub failure: Option<Failure>,
}

/// The result of one batch.
struct BatchResult {
    posted: Vec<u64>,
    not_posted: Vec<Message>,
    failure: Option<Failure>,
}

/// Posts messages. The order within each buyer is kept whatever fails. After the first failure no new batch is started.
pub async fn post(
    sqs: &Client,
    queue_url: &str,
    mut messages: impl Iterator<Item = Result<Message, Failure>>,
    mut on_progress: impl FnMut(u64),
) -> Posted {
    let mut window = Window::default();
    let mut in_progress = FuturesUnordered::new();
    let mut ended = Posted { posted: 0, through_line: 0, failure: None };
    loop {
        while ended.failure.is_none() && window.len() < READ_AHEAD {
            match messages.next() {
                Some(Ok(message)) => {
                    ended.through_line = message.line;
                    window.push(message);
                }
                Some(Err(failure)) => ended.failure = Some(failure),
                None => break,
            }
        }
        while ended.failure.is_none() && in_progress.len() < CONCURRENT_BATCHES {
            let batch = window.next_batch();
            if batch.is_empty() {
                break;
            }
            in_progress.push(post_batch(sqs, queue_url, batch));
        }
        let Some(BatchResult { posted, not_posted, failure }) = in_progress.next().await else {
            break;
        };
        ended.posted += posted.len() as u64;
        ended.failure = ended.failure.take().or(failure);
        window.settle(&posted, not_posted);
        on_progress(ended.posted);
    }
    if let Some(line) = window.first_line() {
        ended.through_line = line - 1;
    }
    ended
}

/// Posts one batch. If messages of it must be retried, returns after a pause.
async fn post_batch(sqs: &Client, queue_url: &str, batch: Vec<Message>) -> BatchResult {
    let mut request = sqs.send_message_batch().queue_url(queue_url);
    for (place, message) in batch.iter().enumerate() {
        let entry = SendMessageBatchRequestEntry::builder()
            .id(place.to_string())
            .message_group_id(message.buyer.as_str())
            .message_deduplication_id(&message.deduplication_id)
            .message_body(&message.body)
            .build();
        match entry {
            Ok(entry) => request = request.entries(entry),
            Err(error) => return nothing_posted(batch, Failure::Post(Box::new(error))),
        }
    }
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => return nothing_posted(batch, Failure::Post(Box::new(error))),
    };
    let mut ended = BatchResult { posted: Vec::new(), not_posted: Vec::new(), failure: None };
    let mut attempts = 0;
    for (place, mut message) in batch.into_iter().enumerate() {
        let id = place.to_string();
        // A message missing from the answer counts as not posted. If it was posted, SQS drops the repeat.
        if answer.successful().iter().any(|entry| entry.id() == id) {
            ended.posted.push(message.line);
            continue;
        }
        let failed = answer.failed().iter().find(|entry| entry.id() == id);
        message.attempts += 1;
        attempts = attempts.max(message.attempts);
        if message.attempts >= ATTEMPTS
            || failed.is_some_and(aws_sdk_sqs::types::BatchResultErrorEntry::sender_fault)
        {
            let code = failed.map_or("no answer", |entry| entry.code()).to_owned();
            ended.failure.get_or_insert(Failure::Refused { line: message.line, code });
        }
        ended.not_posted.push(message);
    }
    if attempts > 0 && ended.failure.is_none() {
        tokio::time::sleep(PAUSE * 2_u32.pow(attempts - 1)).await;
    }
    ended
}

const fn nothing_posted(not_posted: Vec<Message>, failure: Failure) -> BatchResult {
    BatchResult { posted: Vec::new(), not_posted, failure: Some(failure) }
}
