use crate::{Event, State};

/// How many early events one buyer may have. Beyond that a sender is broken, and the event is a dead letter.
pub const HELD_LIMIT: usize = 50;

/// What an incoming event is to a buyer's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The offer's next version: record and apply it.
    Next,
    /// A later version: record and hold it.
    Early,
    /// Already applied or held, with the same content, or so long ago that its content is not remembered: nothing to do.
    Duplicate,
    /// Already applied or held with other content: the sender contradicts itself.
    Contradiction,
    /// It was declared void: somebody decided that it would never come.
    Voided,
    /// A later version while [`HELD_LIMIT`] events wait.
    TooManyHeld,
}

impl State {
    /// Tells what an event is to this state, without changing it.
    #[must_use]
    pub fn arrival_of(&self, event: &Event) -> Arrival {
        let next = self.next_version_of(&event.offer);
        // By the version that was reached, not by the next one: at the last number there is, those are the same.
        let remembered = if self.version_of(&event.offer) >= Some(event.version) {
            let offer = self.offers.get(&event.offer);
            if offer.is_some_and(|offer| offer.is_void(event.version)) {
                return Arrival::Voided;
            }
            match offer.and_then(|offer| offer.digests.get(&event.version)) {
                Some(digest) => *digest,
                None => return Arrival::Duplicate,
            }
        } else if let Some(held) = self.held.get(&event.offer).and_then(|held| held.get(&event.version)) {
            held.change.digest()
        } else if event.version == next {
            return Arrival::Next;
        } else if self.held_count() >= HELD_LIMIT {
            return Arrival::TooManyHeld;
        } else {
            return Arrival::Early;
        };
        if remembered == event.change.digest() { Arrival::Duplicate } else { Arrival::Contradiction }
    }
}
