//! What an execution environment remembers from one invocation to the next: heads, and panics by message.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use domain::BuyerId;
use event_store::Head;

use crate::batch::Message;

/// How many parts of heads are remembered. A head is one part, and each of its offers and held events another. When this
/// is exceeded, all heads are forgotten, which is simpler than tracking their age and costs one read for each buyer that
/// is seen again. A part takes some hundred bytes, and with the longest texts that the contract allows three kilobytes:
/// at most 30 MB of the function's 256.
const REMEMBERED: usize = 10_000;

/// Heads remembered from one invocation to the next. A stale head only causes a failed put.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    remembered: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    heads: BTreeMap<BuyerId, Head>,
    parts: usize,
}

impl Heads {
    /// Removes and returns a head. If the work on it then fails or panics, it stays forgotten.
    pub(crate) fn take(&self, buyer: &BuyerId) -> Option<Head> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let head = remembered.heads.remove(buyer)?;
        remembered.parts -= parts_of(&head);
        Some(head)
    }

    pub(crate) fn remember(&self, buyer: &BuyerId, head: Head) {
        let parts = parts_of(&head);
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.parts + parts > REMEMBERED {
            *remembered = Remembered::default();
        }
        if parts <= REMEMBERED {
            remembered.parts += parts;
            remembered.heads.insert(buyer.clone(), head);
        }
    }
}

fn parts_of(head: &Head) -> usize {
    1 + head.state.offers.len() + head.state.held.values().flatten().count()
}

/// A message becomes a dead letter when recording it has panicked this often, the last time without other messages.
pub(crate) const GIVE_UP_AT: u32 = 10;

/// The receive from which on one panic is enough. After 100 receives, the queue's `maxReceiveCount`, SQS would
/// dead-letter the message without a reason, together with its batch neighbours. This limit applies when execution
/// environments are replaced before they have seen [`GIVE_UP_AT`] panics.
pub(crate) const LAST_RECEIVES: u32 = 90;

/// The number of messages whose panics are remembered; beyond that the oldest is forgotten. If so many messages cause
/// panics, the fault is in the recorder, and it is better that they return than that all become dead letters.
const REMEMBERED_MESSAGES: usize = 1000;

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
            if seen.len() >= REMEMBERED_MESSAGES {
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
    use event_store::Head;
    use testkit::{accepted, buyer, made};

    use super::{GIVE_UP_AT, Heads, LAST_RECEIVES, Message, Panics, REMEMBERED, REMEMBERED_MESSAGES};

    fn message(id: &str, receives: u32) -> Message {
        let id = id.to_owned();
        Message { id, body: String::new(), deduplication_id: None, sent_at: None, receives }
    }

    /// A head with this many offers and held events.
    fn head(offers: usize, gaps: usize) -> Head {
        let mut head = Head::default();
        for index in 0..offers {
            head.state.fold(&made(&format!("car-{index}")).into());
        }
        for index in 0..gaps {
            head.state.fold(&accepted(&format!("gap-{index}")).v(2).into());
        }
        head
    }

    #[test]
    fn heads_are_remembered_until_they_have_too_many_parts_and_then_all_are_forgotten() {
        let heads = Heads::default();
        let buyers: Vec<_> = (0..=REMEMBERED / 4).map(|index| buyer(&format!("buyer-{index}"))).collect();
        let ((last, first), four_parts) = (buyers.split_last().unwrap(), head(2, 1));
        for buyer in first {
            heads.remember(buyer, four_parts.clone());
        }
        for buyer in first {
            heads.remember(buyer, heads.take(buyer).unwrap());
        }
        heads.remember(last, Head::default());
        assert!(first.iter().all(|buyer| heads.take(buyer).is_none()));
        assert_eq!(heads.take(last), Some(Head::default()));
    }

    #[test]
    fn a_head_that_is_too_large_alone_is_not_remembered() {
        let (heads, ada) = (Heads::default(), buyer("ada"));
        let most = REMEMBERED - 1;
        for (offers, is_remembered) in [(most, true), (most + 1, false)] {
            heads.remember(&ada, head(offers, 0));
            assert_eq!(heads.take(&ada).is_some(), is_remembered, "{offers}");
        }
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
        for index in 0..=REMEMBERED_MESSAGES {
            for _ in 0..GIVE_UP_AT {
                panics.count(&[name(index)]);
            }
        }
        assert!(!panics.must_give_up(&name(0)) && panics.must_give_up(&name(1)));
        assert!(panics.must_give_up(&name(REMEMBERED_MESSAGES)));
    }
}
