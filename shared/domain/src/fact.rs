use crate::{Event, Known, OfferId, OfferVersion, Stage, State};

/// An entry of a stream; each takes one sequence number.
///
/// Some carry what a former system answered. That is part of history, not a cache: a later fold reads it as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// What the offer system told.
    Event(Event),
    /// What a former system knows of the buyer, who stays with it: recorded in shadow.
    Migrated(Box<Known>),
    /// What a former system answered when it handed the buyer over: its last word. The buyer is ours from here on.
    HandedOver(Box<Known>),
    /// Versions of an offer, up to this one, that will never come.
    Voided {
        /// Which offer.
        offer: OfferId,
        /// The last version that is given up.
        through: OfferVersion,
    },
    /// What was recorded in shadow does not count any more: the former system is asked again. Written by an older version of
    /// the software it carries a state with which the buyer goes on, live.
    Reset(Option<Box<State>>),
    /// The buyer is to be forgotten: no contact and no free text is kept. Written by an older version of the software it carries
    /// all that was known but who it was, for what came before it was emptied.
    Erased(Option<Box<State>>),
}

impl Fact {
    /// The word for this kind of fact, as it is stored and shown.
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

    /// The event, if it is one.
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

    /// Whether the state after it needs nothing of what was recorded before, but the sequence number.
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

    /// The same without contacts and free text, as it stays in the stream of a buyer who is to be forgotten. Followed by
    /// [`Fact::Erased`] it leads to the same state.
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

impl State {
    /// Leaves out who the buyer is. Offers keep stage, version and car; nobody can be reached about them, so no lead is open.
    ///
    /// What depends on contacts becomes the same for all: so it does not matter whether they were taken out before.
    pub(crate) fn forget_who(&mut self) {
        self.is_erased = true;
        self.low_lead = None;
        self.offers.change_each(|offer| {
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
