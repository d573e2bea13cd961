use crate::{Event, Known, OfferId, OfferVersion, Stage, State};

/// An entry of a stream. Each fact takes one sequence number.
///
/// Some facts carry an answer of the former system. That answer is part of history, not a cache: a later fold reads it
/// as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// An event of the offer system.
    Event(Event),
    /// The former system's answer about a buyer that it keeps. Recorded in shadow.
    Migrated(Box<Known>),
    /// The former system's final answer, with which it handed the buyer over. The buyer is live from here on.
    HandedOver(Box<Known>),
    /// All missing versions of an offer up to `through` will never come.
    Voided {
        /// The offer with the gap.
        offer: OfferId,
        /// The last version that is given up.
        through: OfferVersion,
    },
    /// Everything recorded in shadow stops counting, and the former system is asked again. If an older version of the
    /// software wrote it, it carries the state from which the buyer continues, live.
    Reset(Option<Box<State>>),
    /// The buyer is erased: no contact and no free text is kept. If an older version of the software wrote it, it
    /// carries the state without contact details, because that version emptied the earlier commits.
    Erased(Option<Box<State>>),
}

impl Fact {
    /// The name of this kind of fact, as it is stored and displayed.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Event(event) => event.change.name(),
            Self::Migrated(_) => "migrated",
            Self::HandedOver(_) => "handed-over",
            Self::Voided { .. } => "voided",
            Self::Reset(_) => "reset",
            Self::Erased(_) => "erased",
        }
    }

    /// The event, if the fact is one.
    #[must_use]
    pub const fn event(&self) -> Option<&Event> {
        match self {
            Self::Event(event) => Some(event),
            Self::Migrated(_)
            | Self::HandedOver(_)
            | Self::Voided { .. }
            | Self::Reset(_)
            | Self::Erased(_) => None,
        }
    }

    /// Whether the state after this fact is independent of all earlier facts, apart from the sequence.
    #[must_use]
    pub const fn is_fresh_start(&self) -> bool {
        match self {
            Self::Reset(_) | Self::Erased(Some(_)) => true,
            Self::Event(_)
            | Self::Migrated(_)
            | Self::HandedOver(_)
            | Self::Voided { .. }
            | Self::Erased(None) => false,
        }
    }

    /// The fact without contacts and free text, as it remains in the stream of an erased buyer. Followed by
    /// [`Fact::Erased`], it folds to the same state as the original.
    #[must_use]
    pub fn without_personal_data(&self) -> Self {
        let forgotten = |state: &Option<Box<State>>| {
            state.clone().map(|mut state| {
                state.forget_who();
                state
            })
        };
        match self {
            Self::Event(event) => Self::Event(event.without_personal_data()),
            Self::Migrated(known) => Self::Migrated(Box::new(known.without_personal_data())),
            Self::HandedOver(known) => Self::HandedOver(Box::new(known.without_personal_data())),
            Self::Voided { .. } => self.clone(),
            Self::Reset(state) => Self::Reset(forgotten(state)),
            Self::Erased(state) => Self::Erased(forgotten(state)),
        }
    }
}

impl From<Event> for Fact {
    fn from(event: Event) -> Self {
        Self::Event(event)
    }
}

impl From<&Event> for Fact {
    fn from(event: &Event) -> Self {
        Self::Event(event.clone())
    }
}

impl State {
    /// Removes the buyer's personal data. Offers keep stage, version and car. Without contacts, no lead remains open.
    ///
    /// Every field that may depend on a contact gets a fixed value, so the result is the same whether or not contacts
    /// were removed from the facts beforehand.
    pub(crate) fn forget_who(&mut self) {
        self.is_erased = true;
        self.low_lead = None;
        self.offers.change_each(|_, offer| {
            offer.contact = None;
            offer.former_lead = None;
            offer.is_quoted = true;
            offer.digests.clear();
            if let Stage::Accepted { at, since } = &mut offer.stage {
                *at = *since;
            }
        });
        for event in self.held.values_mut().flat_map(std::collections::BTreeMap::values_mut) {
            *event = event.without_personal_data();
        }
    }
}
