use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::batch::Message;

/// After this many panics over a message, of which the last was over it alone, it is set aside.
pub(crate) const GIVE_UP_AT: u32 = 10;

/// From this receive on one panic is enough. At its 100th, by the queue's `maxReceiveCount`, SQS would set the message aside
/// without a reason, and what came with it each time along with it. Execution environments that are replaced before they
/// saw [`GIVE_UP_AT`] panics do not get further than this.
pub(crate) const LAST_RECEIVES: u32 = 90;

/// How many messages are remembered; beyond that the oldest is forgotten. So many at once are the fault of the recorder and
/// not of the messages: better that they come back than that all are set aside.
const REMEMBERED: usize = 1000;

/// How often this execution environment panicked over which message. Receives do not say: after an outage a message has
/// many and has broken nothing.
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

    /// Whether this message is to be set aside, after a panic over it alone.
    pub(crate) fn is_hopeless(&self, message: &Message) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let panics = seen.iter().find(|(id, _)| *id == message.id).map_or(0, |(_, panics)| *panics);
        panics >= GIVE_UP_AT || message.receives >= LAST_RECEIVES
    }

    /// Forgets messages that are settled.
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
    fn panics_are_counted_by_message_until_it_is_settled() {
        let (panics, one, other) = (Panics::default(), message("1", 50), message("2", 50));
        for _ in 1..GIVE_UP_AT {
            panics.count(&[one.clone(), other.clone()]);
        }
        assert!(!panics.is_hopeless(&one));
        panics.forget(std::slice::from_ref(&other));
        panics.count(&[one.clone(), other.clone()]);
        assert!(panics.is_hopeless(&one) && !panics.is_hopeless(&other));
        assert!(panics.is_hopeless(&message("3", LAST_RECEIVES)), "SQS is about to do so");
        assert!(!panics.is_hopeless(&message("3", LAST_RECEIVES - 1)));
    }

    #[test]
    fn of_too_many_messages_the_oldest_is_forgotten() {
        let panics = Panics::default();
        let name = |index: usize| message(&index.to_string(), 1);
        for index in 0..=REMEMBERED {
            for _ in 0..GIVE_UP_AT {
                panics.count(&[name(index)]);
            }
        }
        assert!(!panics.is_hopeless(&name(0)) && panics.is_hopeless(&name(1)));
        assert!(panics.is_hopeless(&name(REMEMBERED)));
    }
}
