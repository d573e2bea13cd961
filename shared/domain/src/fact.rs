use crate::{Event, OfferId, OfferVersion, State};

/// An entry of a stream; each takes one sequence number.
///
/// Some carry a state of their own, for what came before them is not known here, or is emptied. That is part of history,
/// not a cache: a later fold reads it as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// What the offer system told.
    Event(Event),
    /// What a former system knew of the buyer when it handed it over: offers, and whether the buyer was invited.
    Migrated(Box<State>),
    /// Versions of an offer, up to this one, that will never come.
    Voided {
        /// Which offer.
        offer: OfferId,
        /// The last version that is given up.
        through: OfferVersion,
    },
    /// The buyer is given back to the former system, which will hand it over anew. Carries all that was known, so that
    /// open leads keep their names.
    Reset(Box<State>),
    /// The buyer is to be forgotten. Carries all that was known but who it was.
    Erased(Box<State>),
}

impl Fact {
    /// The word for this kind of fact, as it is stored and shown.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Event(event) => event.change.name(),
            Self::Migrated(_) => "migrated",
            Self::Voided { .. } => "voided",
            Self::Reset(_) => "reset",
            Self::Erased(_) => "erased",
        }
    }

    /// The event, if it is one.
    #[must_use]
    pub const fn event(&self) -> Option<&Event> {
        match self {
            Self::Event(event) => Some(event),
            Self::Migrated(_) | Self::Voided { .. } | Self::Reset(_) | Self::Erased(_) => None,
        }
    }

    /// Whether the state after it needs nothing of what was recorded before: that may be emptied.
    #[must_use]
    pub const fn is_fresh_start(&self) -> bool {
        match self {
            Self::Reset(_) | Self::Erased(_) => true,
            Self::Event(_) | Self::Migrated(_) | Self::Voided { .. } => false,
        }
    }
}

impl From<Event> for Fact {
    fn from(event: Event) -> Self {
        Self::Event(event)
    }
}

impl State {
    /// The fact that gives this buyer back to the former system.
    ///
    /// Only digests are left out: the events that they are of are emptied with all that came before.
    #[must_use]
    pub fn reset(&self) -> Fact {
        let mut kept = self.clone();
        kept.forget_digests();
        Fact::Reset(Box::new(kept))
    }

    /// The fact that forgets who this buyer is.
    ///
    /// Offers keep stage, version and car; nobody can be reached about them, so no lead stays open.
    #[must_use]
    pub fn erased(&self) -> Fact {
        let mut kept = self.clone();
        kept.forget_digests();
        kept.is_erased = true;
        kept.low_lead = None;
        for offer in kept.offers.values_mut() {
            offer.contact = None;
        }
        for event in kept.held.values_mut().flat_map(std::collections::BTreeMap::values_mut) {
            *event = event.without_personal_data();
        }
        Fact::Erased(Box::new(kept))
    }

    fn forget_digests(&mut self) {
        for offer in self.offers.values_mut() {
            offer.digests.clear();
        }
    }
}
