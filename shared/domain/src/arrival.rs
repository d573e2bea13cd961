use crate::{Event, State};

/// The largest number of events held for one buyer. With more, the sender is broken and the event becomes a dead
/// letter.
pub const HELD_LIMIT: usize = 50;

/// How an incoming event relates to a buyer's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The event has the offer's next version: record and apply it.
    Next,
    /// The event has a later version: record and hold it.
    Early,
    /// The event is already applied or held with the same content, or its digest is no longer remembered: ignore it.
    Duplicate,
    /// The event's version is already applied or held with different content: the sender contradicts itself.
    Contradiction,
    /// An operator declared the event's version void.
    Voided,
    /// The event has a later version, but [`HELD_LIMIT`] events are already held.
    TooManyHeld,
}

impl State {
    /// Classifies an event against this state without changing the state.
    #[must_use]
    pub fn arrival_of(&self, event: &Event) -> Arrival {
        let next = self.next_version_of(&event.offer);
        // Compare with the version reached, not with the next one: at the highest number the two are equal.
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
