use std::collections::BTreeMap;

use crate::{FormerLeadId, Offer, OfferId, OfferVersion, Sequence, State};

/// What the former system knows about a buyer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The buyer's offers. An accepted offer names its high lead if that lead is open in the former system.
    pub offers: BTreeMap<OfferId, Offer>,
    /// The name of the low lead, if it is open in the former system.
    pub low_lead: Option<FormerLeadId>,
    /// Whether the former system has invited the buyer to ask for a quote.
    pub was_invited: bool,
}

impl Known {
    /// The answer without contacts, as it may be recorded for an erased buyer.
    #[must_use]
    pub fn without_personal_data(&self) -> Self {
        let mut known = self.clone();
        for offer in known.offers.values_mut() {
            offer.contact = None;
        }
        known
    }
}

/// The former system's answer about a buyer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// What the former system knows about the buyer; empty for a buyer unknown to it.
    pub known: Known,
    /// Whether the former system has handed the buyer over, and therefore announces nothing more about it.
    pub is_handed_over: bool,
}

/// The reason why a buyer is not reset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReset {
    /// The buyer has no stream.
    #[error("nothing is recorded about this buyer")]
    UnknownBuyer,
    /// The buyer is live.
    #[error("this buyer is live, and only buyers in shadow can be reset")]
    Live,
    /// The buyer is erased, and a reset would let personal data be recorded again.
    #[error("this buyer is erased")]
    Erased,
    /// The former system has handed the buyer over and announces nothing more about it, although it is in shadow here.
    #[error("the former system has handed this buyer over: take it live with `leads go-live`")]
    HandedOver,
    /// The former system does not know every recorded event, so a reset would lose some.
    #[error(
        "the former system knows offer {offer} up to version {theirs}, Leadstream up to {ours} including held events"
    )]
    FormerBehind {
        /// The offer of which the former system knows less.
        offer: OfferId,
        /// The last version known here, including held events.
        ours: OfferVersion,
        /// The last version known to the former system, or 0 if it does not know the offer.
        theirs: u32,
    },
}

impl State {
    /// Checks whether the buyer may be reset: it must be in shadow, and the former system must know every event that is
    /// recorded here.
    ///
    /// # Errors
    /// [`NotReset`].
    pub fn check_reset(&self, is_live: bool, former: &Answer) -> Result<(), NotReset> {
        if self.sequence == Sequence::START {
            return Err(NotReset::UnknownBuyer);
        }
        if is_live {
            return Err(NotReset::Live);
        }
        if self.is_erased {
            return Err(NotReset::Erased);
        }
        if former.is_handed_over {
            return Err(NotReset::HandedOver);
        }
        let applied = self.offers.iter().map(|(id, offer)| (id, offer.version));
        let held = self.held.keys().filter_map(|id| Some((id, self.last_held(id)?)));
        for (offer, ours) in applied.chain(held) {
            let theirs = former.known.offers.get(offer).map(|offer| offer.version);
            if theirs < Some(ours) {
                let theirs = theirs.map_or(0, OfferVersion::get);
                return Err(NotReset::FormerBehind { offer: offer.clone(), ours, theirs });
            }
        }
        Ok(())
    }
}
