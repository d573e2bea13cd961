//! Posting many messages to a FIFO queue: in batches, several at once, and each buyer's messages in order.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use domain::BuyerId;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use crate::Failure;

/// The maximum number of concurrent batches.
const CONCURRENT_BATCHES: usize = 8;

/// The number of messages read ahead: enough to fill all batches if buyers alternate.
const READ_AHEAD: usize = 512;

/// The maximum number of attempts for a message that the queue refuses while it accepts the request.
const ATTEMPTS: u32 = 6;

/// The pause before the second attempt; it doubles for each further one.
const PAUSE: Duration = Duration::from_millis(50);

/// The result of posting.
#[derive(Debug, Default)]
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

/// Posts messages. Each buyer's messages stay in order, even after a failure. No new batch is started after the first
/// failure, or once `go_on`, which gets the number posted, returns `false`.
pub async fn post(
    sqs: &Client,
    queue_url: &str,
    mut messages: impl Iterator<Item = Result<Message, Failure>>,
    mut go_on: impl FnMut(u64) -> bool,
) -> Posted {
    let mut window = Window::default();
    let mut in_progress = FuturesUnordered::new();
    let mut ended = Posted::default();
    let mut goes_on = true;
    loop {
        while goes_on && ended.failure.is_none() && window.len() < READ_AHEAD {
            match messages.next() {
                Some(Ok(message)) => {
                    ended.through_line = message.line;
                    window.push(message);
                }
                Some(Err(failure)) => ended.failure = Some(failure),
                None => break,
            }
        }
        while goes_on && ended.failure.is_none() && in_progress.len() < CONCURRENT_BATCHES {
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
        goes_on = goes_on && go_on(ended.posted);
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

/// The maximum number of messages in a batch of SQS.
const LARGEST_BATCH: usize = 10;

/// The maximum size of a batch in bytes of bodies. SQS has always accepted batches of this size.
const LARGEST_BATCH_BYTES: usize = 256 * 1024;

/// An event to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its line in the file, from 1.
    pub line: u64,
    /// The buyer, which is the message group.
    pub buyer: BuyerId,
    /// The deduplication id.
    pub deduplication_id: String,
    /// The line, unchanged.
    pub body: String,
    /// How often the queue accepted the batch but not this message.
    pub attempts: u32,
}

/// The messages that were read and are not known to be posted.
///
/// A batch never contains two messages of one buyer, nor a message of a buyer who has one in flight. SQS may accept
/// some messages of a batch and refuse others, so a later message of a buyer could otherwise overtake one that must be
/// retried.
#[derive(Debug, Default)]
struct Window {
    waiting: BTreeMap<u64, Message>,
    in_flight: BTreeMap<u64, BuyerId>,
}

impl Window {
    fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds a message.
    fn push(&mut self, message: Message) {
        self.waiting.insert(message.line, message);
    }

    /// The next batch, oldest message first; empty while every waiting buyer has a message in flight.
    fn next_batch(&mut self) -> Vec<Message> {
        let mut blocked: HashSet<BuyerId> = self.in_flight.values().cloned().collect();
        let mut bytes = 0;
        let mut lines = Vec::new();
        for message in self.waiting.values() {
            if lines.len() == LARGEST_BATCH {
                break;
            }
            // A buyer's first message blocks its later ones, even if it does not fit.
            if !blocked.insert(message.buyer.clone()) {
                continue;
            }
            if bytes + message.body.len() <= LARGEST_BATCH_BYTES {
                bytes += message.body.len();
                lines.push(message.line);
            }
        }
        let batch: Vec<Message> = lines.iter().filter_map(|line| self.waiting.remove(line)).collect();
        self.in_flight.extend(batch.iter().map(|message| (message.line, message.buyer.clone())));
        batch
    }

    /// Records the result of a batch: the posted lines, and the messages to be retried.
    fn settle(&mut self, posted: &[u64], back: Vec<Message>) {
        for line in posted {
            self.in_flight.remove(line);
        }
        for message in back {
            self.in_flight.remove(&message.line);
            self.push(message);
        }
    }

    /// The first line not known to be posted.
    fn first_line(&self) -> Option<u64> {
        let first = |line: Option<&u64>| line.copied();
        match (first(self.waiting.keys().next()), first(self.in_flight.keys().next())) {
            (Some(waiting), Some(in_flight)) => Some(waiting.min(in_flight)),
            (waiting, in_flight) => waiting.or(in_flight),
        }
    }
}

#[cfg(test)]
mod tests {
    use testkit::buyer;

    use super::{LARGEST_BATCH_BYTES, Message, Window};

    fn message(line: u64, of: &str, bytes: usize) -> Message {
        let body = "x".repeat(bytes);
        Message { line, buyer: buyer(of), deduplication_id: line.to_string(), body, attempts: 0 }
    }

    fn window(messages: &[(u64, &str)]) -> Window {
        let mut window = Window::default();
        for (line, of) in messages {
            window.push(message(*line, of, 1));
        }
        window
    }

    fn lines(batch: &[Message]) -> Vec<u64> {
        batch.iter().map(|message| message.line).collect()
    }

    #[test]
    fn a_buyer_has_at_most_one_message_in_flight() {
        let mut window = window(&[(1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "c")]);
        assert_eq!(lines(&window.next_batch()), [1, 3, 5]);
        assert_eq!(window.next_batch(), vec![]);
        window.settle(&[3], vec![]);
        assert_eq!(lines(&window.next_batch()), [4]);
        assert_eq!(window.first_line(), Some(1));
    }

    #[test]
    fn a_returned_message_is_retried_before_later_ones() {
        let mut window = window(&[(1, "a"), (2, "a"), (3, "b")]);
        let batch = window.next_batch();
        window.settle(&[3], vec![batch[0].clone()]);
        assert_eq!(window.first_line(), Some(1));
        assert_eq!(lines(&window.next_batch()), [1]);
        window.settle(&[1], vec![]);
        assert_eq!(lines(&window.next_batch()), [2]);
        window.settle(&[2], vec![]);
        assert_eq!(window.first_line(), None);
    }

    #[test]
    fn a_message_that_does_not_fit_waits_and_is_not_overtaken() {
        let mut window = Window::default();
        window.push(message(1, "a", LARGEST_BATCH_BYTES - 10));
        window.push(message(2, "b", 11));
        window.push(message(3, "b", 1));
        window.push(message(4, "c", 10));
        assert_eq!(lines(&window.next_batch()), [1, 4]);
        assert_eq!(lines(&window.next_batch()), [2]);
    }

    #[test]
    fn a_batch_has_at_most_ten_messages() {
        let buyers: Vec<String> = (1..=12).map(|number| format!("buyer-{number}")).collect();
        let messages: Vec<(u64, &str)> = (1..).zip(buyers.iter().map(String::as_str)).collect();
        let mut window = window(&messages);
        assert_eq!((window.next_batch().len(), window.next_batch().len()), (10, 2));
    }
}
