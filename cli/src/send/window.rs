//! Chooses which messages may be in flight at the same time. Pure.

use std::collections::{BTreeMap, HashSet};

use domain::BuyerId;

/// The maximum number of messages in a batch of SQS.
pub(super) const LARGEST_BATCH: usize = 10;

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
pub(super) struct Window {
    waiting: BTreeMap<u64, Message>,
    in_flight: BTreeMap<u64, BuyerId>,
}

impl Window {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds a message.
    pub(super) fn push(&mut self, message: Message) {
        self.waiting.insert(message.line, message);
    }

    /// The next batch, oldest message first; empty while every waiting buyer has a message in flight.
    pub(super) fn next_batch(&mut self) -> Vec<Message> {
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
    pub(super) fn settle(&mut self, posted: &[u64], back: Vec<Message>) {
        for line in posted {
            self.in_flight.remove(line);
        }
        for message in back {
            self.in_flight.remove(&message.line);
            self.push(message);
        }
    }

    /// The first line not known to be posted.
    pub(super) fn first_line(&self) -> Option<u64> {
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
