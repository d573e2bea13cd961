use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::batch::Message;

/// The number of panics over a message, the last of them over it alone, after which it becomes a dead letter.
pub(crate) const GIVE_UP_AT: u32 = 10;

/// The receive from which on one panic is enough. After 100 receives, the queue's `maxReceiveCount`, SQS would
/// dead-letter the message without a reason, together with its batch neighbours. This limit applies when execution
/// environments are replaced before they have seen [`GIVE_UP_AT`] panics.
pub(crate) const LAST_RECEIVES: u32 = 90;

/// The number of messages whose panics are remembered; beyond that the oldest is forgotten. If so many messages cause
/// panics, the fault is in the recorder, and it is better that they return than that all become dead letters.
const REMEMBERED: usize = 1000;

/// The number of panics in this execution environment by message. The number of receives is no substitute, because
/// after an outage it is high for harmless messages too.
#[derive(Debug, Default)]
pub(crate) struct Panics {
    seen: Mutex<VecDeque<(String, u32)>>,
}

impl Panics {
    /// Counts a panic over these messages.
    pub(crate) fn count(&self, messages: &[Message]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for message in messages {
            if let Some((_, panics)) = seen.iter_mut().find(|(id, _)| *id == message.id) {
                *panics += 1;
                continue;
            }
            if seen.len() >= REMEMBERED {
                seen.pop_front();
            }
            seen.push_back((message.id.clone(), 1));
        }
    }

    /// Whether a message must become a dead letter, after a panic over it alone.
    pub(crate) fn must_give_up(&self, message: &Message) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let panics = seen.iter().find(|(id, _)| *id == message.id).map_or(0, |(_, panics)| *panics);
        panics >= GIVE_UP_AT || message.receives >= LAST_RECEIVES
    }

    /// Forgets settled messages.
    pub(crate) fn forget(&self, messages: &[Message]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.is_empty() {
            seen.retain(|(id, _)| messages.iter().all(|message| message.id != *id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{GIVE_UP_AT, LAST_RECEIVES, Message, Panics, REMEMBERED};

    fn message(id: &str, receives: u32) -> Message {
        let id = id.to_owned();
        Message { id, body: String::new(), deduplication_id: None, sent_at: None, receives }
    }

    #[test]
    fn panics_are_counted_per_message_until_it_is_settled() {
        let (panics, one, other) = (Panics::default(), message("1", 50), message("2", 50));
        for _ in 1..GIVE_UP_AT {
            panics.count(&[one.clone(), other.clone()]);
        }
        assert!(!panics.must_give_up(&one));
        panics.forget(std::slice::from_ref(&other));
        panics.count(&[one.clone(), other.clone()]);
        assert!(panics.must_give_up(&one) && !panics.must_give_up(&other));
        assert!(panics.must_give_up(&message("3", LAST_RECEIVES)), "SQS would soon dead-letter it");
        assert!(!panics.must_give_up(&message("3", LAST_RECEIVES - 1)));
    }

    #[test]
    fn beyond_the_limit_the_oldest_message_is_forgotten() {
        let panics = Panics::default();
        let name = |index: usize| message(&index.to_string(), 1);
        for index in 0..=REMEMBERED {
            for _ in 0..GIVE_UP_AT {
                panics.count(&[name(index)]);
            }
        }
        assert!(!panics.must_give_up(&name(0)) && panics.must_give_up(&name(1)));
        assert!(panics.must_give_up(&name(REMEMBERED)));
    }
}
