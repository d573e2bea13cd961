use std::collections::BTreeMap;

use crate::{Event, Fact, OfferId, OfferVersion, State};

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

/// The missing versions of an offer, which its held events wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap<'a> {
    /// The offer.
    pub offer: &'a OfferId,
    /// The first missing version.
    pub waits_for: OfferVersion,
    /// The held versions in order, at least one.
    pub held: Vec<OfferVersion>,
}

/// The reason why a gap is not voided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotVoided {
    /// No event of this offer is held, so no version is known to be missing.
    #[error("no event of this offer is held, so no version is known to be missing")]
    NothingHeld,
    /// The versions are already recorded.
    #[error("version {version} of this offer is already recorded")]
    NoGap {
        /// The offer's version.
        version: OfferVersion,
    },
    /// The gap ends before the requested version.
    #[error("version {held} of this offer is held, and the gap ends before it")]
    BeyondTheGap {
        /// The first held version.
        held: OfferVersion,
    },
}

impl State {
    /// The number of held events.
    #[must_use]
    pub fn held_count(&self) -> usize {
        self.held.values().map(BTreeMap::len).sum()
    }

    /// The first held version of this offer.
    #[must_use]
    pub fn first_held(&self, offer: &OfferId) -> Option<OfferVersion> {
        self.held.get(offer)?.keys().next().copied()
    }

    /// The last held version of this offer.
    #[must_use]
    pub fn last_held(&self, offer: &OfferId) -> Option<OfferVersion> {
        self.held.get(offer)?.keys().next_back().copied()
    }

    /// The gaps, ordered by offer.
    pub fn gaps(&self) -> impl Iterator<Item = Gap<'_>> {
        self.held.iter().filter(|(_, held)| !held.is_empty()).map(|(offer, held)| Gap {
            offer,
            waits_for: self.next_version_of(offer),
            held: held.keys().copied().collect(),
        })
    }

    /// Whether the fact is an event that is held in this state, or carries one.
    #[must_use]
    pub fn holds(&self, fact: &Fact) -> bool {
        let holds =
            |event: &Event| self.held.get(&event.offer).is_some_and(|held| held.contains_key(&event.version));
        match fact {
            Fact::Event(event) => holds(event),
            // Written by older versions; the events held before it are in commits whose facts were removed.
            Fact::Reset(Some(kept)) | Fact::Erased(Some(kept)) => {
                kept.held.values().flatten().any(|(_, event)| holds(event))
            }
            Fact::Migrated(_)
            | Fact::HandedOver(_)
            | Fact::Voided { .. }
            | Fact::Reset(None)
            | Fact::Erased(None) => false,
        }
    }

    /// Checks whether the missing versions of an offer may be voided up to `through`, which must lie in the gap before
    /// the first held version.
    ///
    /// # Errors
    /// [`NotVoided`].
    pub fn check_void(&self, offer: &OfferId, through: OfferVersion) -> Result<(), NotVoided> {
        match (self.version_of(offer), self.first_held(offer)) {
            (Some(version), _) if through <= version => Err(NotVoided::NoGap { version }),
            (_, None) => Err(NotVoided::NothingHeld),
            (_, Some(held)) if through >= held => Err(NotVoided::BeyondTheGap { held }),
            (_, Some(_)) => Ok(()),
        }
    }
}
