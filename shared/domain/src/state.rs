use std::collections::BTreeMap;

use crate::{Event, LeadId, LowLead, OfferId, OfferVersion, Offers, Sequence};

/// What a buyer's stream folds to. `State::default()` is a buyer of whom nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The last fact's sequence number.
    pub sequence: Sequence,
    /// Every offer ever known, closed ones too: their versions recognise what is repeated.
    pub offers: Offers,
    /// Early events, waiting for their predecessors.
    pub held: BTreeMap<OfferId, BTreeMap<OfferVersion, Event>>,
    /// The name of the low lead while it is open; whether it is open is asked of the offers.
    pub low_lead: Option<LowLead>,
    /// Whether a former system has invited this buyer to a quote already.
    pub was_invited: bool,
    /// Whether this buyer is to be forgotten: nothing personal is recorded any more.
    pub is_erased: bool,
    /// Whether the answer of a former system about this buyer is recorded.
    pub is_asked: bool,
}

impl State {
    /// The buyer's low lead is open while some offer is pending and none is accepted. One that a former system opened needs no
    /// contact to stay open.
    #[must_use]
    pub fn has_low_lead(&self) -> bool {
        self.calls_for_low_lead(self.low_lead.as_ref().is_some_and(|low| low.former.is_some()))
    }

    pub(crate) fn calls_for_low_lead(&self, is_open_there: bool) -> bool {
        self.offers.has_pending(is_open_there) && !self.has_high_lead()
    }

    /// A high lead is open for each accepted offer.
    #[must_use]
    pub const fn has_high_lead(&self) -> bool {
        self.offers.has_accepted()
    }

    /// All open leads: the low one first, then the high ones by offer.
    pub fn open_leads(&self) -> impl Iterator<Item = LeadId> + '_ {
        let high = self.offers.iter().filter_map(|(id, offer)| offer.high_lead(id));
        self.low_lead.iter().map(LowLead::id).chain(high)
    }

    /// Whether this very lead is open.
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

    /// The last version applied of this offer, if it is known.
    #[must_use]
    pub fn version_of(&self, offer: &OfferId) -> Option<OfferVersion> {
        self.offers.get(offer).map(|offer| offer.version)
    }

    /// The version that this offer's next event must have.
    #[must_use]
    pub fn next_version_of(&self, offer: &OfferId) -> OfferVersion {
        self.version_of(offer).map_or(OfferVersion::FIRST, OfferVersion::next)
    }

    /// Whether nothing is known of the buyer but the sequence number: nothing was recorded, or nothing since a reset.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        *self == Self { sequence: self.sequence, ..Self::default() }
    }

    /// How many early events wait.
    #[must_use]
    pub fn held_count(&self) -> usize {
        self.held.values().map(BTreeMap::len).sum()
    }
}
