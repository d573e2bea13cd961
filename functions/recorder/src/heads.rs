use std::collections::BTreeMap;
use std::mem::size_of;
use std::sync::{Mutex, PoisonError};

use domain::{BuyerId, Event, Offer, State};
use event_store::Head;

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
