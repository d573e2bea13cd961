//! What an execution environment remembers from one invocation to the next: heads, and panics by message.

use std::collections::{BTreeMap, VecDeque};
use std::mem::size_of;
use std::sync::{Mutex, PoisonError};

use domain::{BuyerId, Event, Offer, State};
use event_store::Head;

use crate::batch::Message;

/// The number of bytes of heads that are remembered. When it is exceeded, all heads are forgotten, which is simpler
/// than tracking their age and costs one read for each buyer that is seen again. A head with a few offers takes about a
/// kilobyte, so the limit is some thousands of heads. The largest heads take two megabytes each, and a function with
/// 256 MB must still have enough memory to work.
const REMEMBERED: usize = 24 * 1024 * 1024;

/// Heads remembered from one invocation to the next. A stale head only causes a failed put.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    remembered: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    /// The heads with their sizes in bytes.
    heads: BTreeMap<BuyerId, (Head, usize)>,
    bytes: usize,
}

impl Heads {
    /// Removes and returns a head. If the work on it then fails or panics, it stays forgotten.
    pub(crate) fn take(&self, buyer: &BuyerId) -> Option<Head> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let (head, bytes) = remembered.heads.remove(buyer)?;
        remembered.bytes -= bytes;
        Some(head)
    }

    pub(crate) fn remember(&self, buyer: &BuyerId, head: Head) {
        let bytes = bytes_of(buyer, &head);
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.bytes + bytes > REMEMBERED {
            *remembered = Remembered::default();
        }
        if bytes <= REMEMBERED {
            remembered.bytes += bytes;
            remembered.heads.insert(buyer.clone(), (head, bytes));
        }
    }
}

/// An estimate of a head's memory in bytes. A B-tree node has room for eleven entries and may be only half full, so
/// entries count twice. Each allocation has some overhead.
fn bytes_of(buyer: &BuyerId, head: &Head) -> usize {
    const ALLOCATION: usize = 16;
    let text = |text: &str| ALLOCATION + text.len();
    let State { offers, held, .. } = &head.state;
    let contact = |contact: &domain::Contact| {
        text(&contact.name) + text(&contact.email) + contact.phone.as_deref().map_or(0, text)
    };
    let offer = |offer: &Offer| {
        2 * (size_of::<Offer>() + size_of::<domain::OfferId>())
            + offer.car.as_ref().map_or(0, |car| text(car.as_str()))
            + offer.contact.as_ref().map_or(0, contact)
            + if offer.digests.is_empty() { 0 } else { 11 * 10 + ALLOCATION }
            + if offer.voided.is_empty() { 0 } else { 11 * 8 + ALLOCATION }
    };
    // An event has at most a few kilobytes of text, and so few events are held that a rough figure suffices.
    let held_events = held.values().flatten().count() * (2 * size_of::<Event>() + 1024);
    let offers: usize = offers.iter().map(|(id, known)| text(id.as_str()) + offer(known)).sum();
    2 * (size_of::<Head>() + size_of::<BuyerId>()) + text(buyer.as_str()) + offers + held_events
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
    use super::{GIVE_UP_AT, LAST_RECEIVES, Message, Panics, REMEMBERED_MESSAGES};

    fn message(id: &str, receives: u32) -> Message {
        let id = id.to_owned();
        Message { id, body: String::new(), deduplication_id: None, sent_at: None, trace: None, receives }
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
