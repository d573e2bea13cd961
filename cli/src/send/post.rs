use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::window::{Message, Window};
use crate::Failure;

/// How many batches are on their way at once.
const UNDER_WAY: usize = 8;

/// How far ahead the file is read: enough to fill all batches where buyers alternate.
const READ_AHEAD: usize = 512;

/// How often a message is tried that the queue does not take, though it takes its batch.
const ATTEMPTS: u32 = 6;

/// How long the second attempt waits; each further one twice as long.
const PAUSE: Duration = Duration::from_millis(50);

/// How posting went.
#[derive(Debug)]
pub struct Posted {
    /// How many messages the queue took.
    pub posted: u64,
    /// Every message up to this line is posted; perhaps some after it.
    pub through_line: u64,
    /// Why it ended before its end.
    pub failure: Option<Failure>,
}

/// What became of one batch.
struct Back {
    posted: Vec<u64>,
    not_posted: Vec<Message>,
    failure: Option<Failure>,
}

/// Posts messages, in order within each buyer whatever fails. At the first failure nothing new is begun.
pub async fn post(
    sqs: &Client,
    queue_url: &str,
    mut messages: impl Iterator<Item = Result<Message, Failure>>,
    mut on_progress: impl FnMut(u64),
) -> Posted {
    let mut window = Window::default();
    let mut under_way = FuturesUnordered::new();
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
        while ended.failure.is_none() && under_way.len() < UNDER_WAY {
            let batch = window.next_batch();
            if batch.is_empty() {
                break;
            }
            under_way.push(post_batch(sqs, queue_url, batch));
        }
        let Some(Back { posted, not_posted, failure }) = under_way.next().await else {
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

/// Posts one batch; where some of it must go again, returns only after a pause.
async fn post_batch(sqs: &Client, queue_url: &str, batch: Vec<Message>) -> Back {
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
    let mut ended = Back { posted: Vec::new(), not_posted: Vec::new(), failure: None };
    let mut attempts = 0;
    for (place, mut message) in batch.into_iter().enumerate() {
        let id = place.to_string();
        // What the answer is silent about is not taken. If it was, it is swallowed the second time.
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

const fn nothing_posted(not_posted: Vec<Message>, failure: Failure) -> Back {
    Back { posted: Vec::new(), not_posted, failure: Some(failure) }
}
