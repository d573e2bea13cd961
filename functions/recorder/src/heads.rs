use std::collections::BTreeMap;
use std::mem::size_of;
use std::sync::{Mutex, PoisonError};

use domain::{BuyerId, Event, Offer, State};
use event_store::Head;

/// How many bytes of heads are remembered. Beyond that all are forgotten: simpler than keeping their age, and it costs one read for
/// each buyer that comes again. A head of a few offers takes about a kilobyte, so these are thousands; the largest take two
/// megabytes, beside which a function of 256 MB must still have room to work.
const REMEMBERED: usize = 24 * 1024 * 1024;

/// Heads remembered from one invocation to the next. A stale one only makes a put fail.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    remembered: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    /// Each with its bytes.
    heads: BTreeMap<BuyerId, (Head, usize)>,
    bytes: usize,
}

impl Heads {
    /// Takes a head out: should the work on it fail or panic, it is forgotten.
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

/// About how much memory a head takes. A node of a B-tree has room for eleven entries and is half full at worst, so an entry
/// counts twice; an allocation costs some bytes beside what it holds.
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
    // An event has at most some kilobytes of text; so few are held that a round figure does.
    let waiting = held.values().flatten().count() * (2 * size_of::<Event>() + 1024);
    let offers: usize = offers.iter().map(|(id, known)| text(id.as_str()) + offer(known)).sum();
    2 * (size_of::<Head>() + size_of::<BuyerId>()) + text(buyer.as_str()) + offers + waiting
}
