//! Which messages may be on their way at the same time. Pure.

use std::collections::{BTreeMap, HashSet};

use domain::BuyerId;

/// The most messages that SQS takes at once.
pub(super) const LARGEST_BATCH: usize = 10;

/// The most bytes of bodies in one batch: what SQS has always taken.
const LARGEST_BATCH_BYTES: usize = 256 * 1024;

/// An event to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it stands in the file.
    pub line: u64,
    /// The message group.
    pub buyer: BuyerId,
    /// The deduplication id.
    pub deduplication_id: String,
    /// The line, unchanged.
    pub body: String,
    /// How often the queue took its batch, but not this message.
    pub attempts: u32,
}

/// The messages that are read and not known to be posted.
///
/// A batch never holds two of one buyer, and none of a buyer who has one on its way: SQS may take some messages of a batch
/// and not others, so a later one of the same buyer could get ahead of one that must be sent again.
#[derive(Debug, Default)]
pub(super) struct Window {
    waiting: BTreeMap<u64, Message>,
    under_way: BTreeMap<u64, BuyerId>,
}

impl Window {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes a message from the file.
    pub(super) fn push(&mut self, message: Message) {
        self.waiting.insert(message.line, message);
    }

    /// The next messages that may go together, oldest first; empty while every buyer has one on its way.
    pub(super) fn next_batch(&mut self) -> Vec<Message> {
        let mut closed: HashSet<BuyerId> = self.under_way.values().cloned().collect();
        let mut bytes = 0;
        let mut lines = Vec::new();
        for message in self.waiting.values() {
            if lines.len() == LARGEST_BATCH {
                break;
            }
            // The first of a buyer settles it for all later ones, whether it fits or not.
            if !closed.insert(message.buyer.clone()) {
                continue;
            }
            if bytes + message.body.len() <= LARGEST_BATCH_BYTES {
                bytes += message.body.len();
                lines.push(message.line);
            }
        }
        let batch: Vec<Message> = lines.iter().filter_map(|line| self.waiting.remove(line)).collect();
        self.under_way.extend(batch.iter().map(|message| (message.line, message.buyer.clone())));
        batch
    }

    /// A batch is back: these lines are posted, these messages are not.
    pub(super) fn settle(&mut self, posted: &[u64], back: Vec<Message>) {
        for line in posted {
            self.under_way.remove(line);
        }
        for message in back {
            self.under_way.remove(&message.line);
            self.push(message);
        }
    }

    /// The first line that is not known to be posted.
    pub(super) fn first_line(&self) -> Option<u64> {
        let first = |line: Option<&u64>| line.copied();
        match (first(self.waiting.keys().next()), first(self.under_way.keys().next())) {
            (Some(waiting), Some(under_way)) => Some(waiting.min(under_way)),
            (waiting, under_way) => waiting.or(under_way),
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
    fn a_batch_never_holds_two_of_one_buyer_nor_one_who_has_one_under_way() {
        let mut window = window(&[(1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "c")]);
        assert_eq!(lines(&window.next_batch()), [1, 3, 5]);
        assert_eq!(window.next_batch(), vec![]);
        window.settle(&[3], vec![]);
        assert_eq!(lines(&window.next_batch()), [4]);
        assert_eq!(window.first_line(), Some(1));
    }

    #[test]
    fn what_comes_back_goes_again_before_what_is_later() {
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
    fn what_does_not_fit_waits_and_nothing_of_its_buyer_overtakes_it() {
        let mut window = Window::default();
        window.push(message(1, "a", LARGEST_BATCH_BYTES - 10));
        window.push(message(2, "b", 11));
        window.push(message(3, "b", 1));
        window.push(message(4, "c", 10));
        assert_eq!(lines(&window.next_batch()), [1, 4]);
        assert_eq!(lines(&window.next_batch()), [2]);
    }

    #[test]
    fn a_batch_holds_ten() {
        let buyers: Vec<String> = (1..=12).map(|number| format!("buyer-{number}")).collect();
        let messages: Vec<(u64, &str)> = (1..).zip(buyers.iter().map(String::as_str)).collect();
        let mut window = window(&messages);
        assert_eq!((window.next_batch().len(), window.next_batch().len()), (10, 2));
    }
}
