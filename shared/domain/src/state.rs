use std::collections::BTreeMap;

use crate::{Event, LeadId, LowLead, OfferId, OfferVersion, Offers, Sequence};

/// The state of a buyer: the fold of its stream. `State::default()` is the state of an unknown buyer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The sequence of the last fact.
    pub sequence: Sequence,
    /// Every offer ever known, including closed ones: their versions identify duplicates.
    pub offers: Offers,
    /// Early events that wait for their predecessors.
    pub held: BTreeMap<OfferId, BTreeMap<OfferVersion, Event>>,
    /// The low lead while it is open. The offers determine whether it is open; this field keeps its name.
    pub low_lead: Option<LowLead>,
    /// Whether the former system has already invited this buyer to ask for a quote.
    pub was_invited: bool,
    /// Whether this buyer is erased: no personal data is recorded any more.
    pub is_erased: bool,
    /// Whether the former system's answer about this buyer is recorded.
    pub is_asked: bool,
}

impl State {
    /// Whether the offers call for a low lead: some offer is pending and none is accepted. A low lead that the former
    /// system opened needs no contact to stay open.
    #[must_use]
    pub fn has_low_lead(&self) -> bool {
        self.calls_for_low_lead(self.low_lead.as_ref().is_some_and(|low| low.former.is_some()))
    }

    pub(crate) fn calls_for_low_lead(&self, is_open_there: bool) -> bool {
        self.offers.has_pending(is_open_there) && !self.has_high_lead()
    }

    /// Whether some high lead is open. Each accepted offer has one.
    #[must_use]
    pub const fn has_high_lead(&self) -> bool {
        self.offers.has_accepted()
    }

    /// All open leads: first the low one, then the high ones ordered by offer.
    pub fn open_leads(&self) -> impl Iterator<Item = LeadId> + '_ {
        let high = self.offers.iter().filter_map(|(id, offer)| offer.high_lead(id));
        self.low_lead.iter().map(LowLead::id).chain(high)
    }

    /// Whether the lead with exactly this name is open.
    #[must_use]
    pub fn is_open(&self, lead: &LeadId) -> bool {
        match lead {
            LeadId::Low { .. } => self.low_lead.as_ref().is_some_and(|low| low.id() == *lead),
            LeadId::High { offer, .. } => {
                self.offers.get(offer).and_then(|known| known.high_lead(offer)).as_ref() == Some(lead)
            }
            LeadId::Former { .. } => self.open_leads().any(|open| open == *lead),
        }
    }

    /// The last applied version of this offer, if the offer is known.
    #[must_use]
    pub fn version_of(&self, offer: &OfferId) -> Option<OfferVersion> {
        self.offers.get(offer).map(|offer| offer.version)
    }

    /// The version that this offer's next event must have.
    #[must_use]
    pub fn next_version_of(&self, offer: &OfferId) -> OfferVersion {
        self.version_of(offer).map_or(OfferVersion::FIRST, OfferVersion::next)
    }

    /// Whether the state holds nothing but the sequence: no fact was recorded, or none since a reset.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        *self == Self { sequence: self.sequence, ..Self::default() }
    }
}
