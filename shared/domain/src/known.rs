use std::collections::BTreeMap;

use crate::{FormerLeadId, Offer, OfferId, Stage, State};

/// The former system's answer about a buyer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The buyer's offers. An accepted offer names its high lead if that lead is open in the former system.
    pub offers: BTreeMap<OfferId, Offer>,
    /// The name of the low lead, if it is open in the former system.
    pub low_lead: Option<FormerLeadId>,
    /// Whether the former system has invited the buyer to ask for a quote.
    pub was_invited: bool,
}

/// Which side wins when both know an offer at the same version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnSameVersion {
    Theirs,
    Ours,
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

impl State {
    /// Merges the former system's offers: the newer version of each offer wins, and held events that follow it are
    /// applied. A known contact or car is never lost. Leads are not named here.
    pub(crate) fn merge(&mut self, known: &Known, on_same_version: OnSameVersion) {
        for (id, theirs) in &known.offers {
            let begin = || Offer { former_lead: None, is_quoted: true, ..theirs.clone() };
            let version = self.offers.begin_and_change(id, begin, |ours| {
                let is_theirs_right = match on_same_version {
                    OnSameVersion::Theirs => theirs.version >= ours.version,
                    OnSameVersion::Ours => theirs.version > ours.version,
                };
                ours.is_quoted = true;
                ours.contact = ours.contact.take().or_else(|| theirs.contact.clone());
                ours.car = ours.car.take().or_else(|| theirs.car.clone());
                if is_theirs_right {
                    ours.stage = theirs.stage;
                    ours.version = theirs.version;
                    ours.contact = theirs.contact.clone().or_else(|| ours.contact.take());
                    ours.car = theirs.car.clone().or_else(|| ours.car.take());
                }
                ours.version
            });
            if let Some(held) = self.held.get_mut(id) {
                held.retain(|waiting, _| *waiting > version);
            }
            self.apply_chain(id);
        }
    }

    /// Whether the high lead that the former system opened for this offer stays open. A newer acceptance replaces it.
    pub(crate) fn keeps_former_lead(&self, id: &OfferId, theirs: &Offer) -> bool {
        let stage = self.offers.get(id).map(|offer| offer.stage);
        !self.is_erased && matches!(stage, Some(Stage::Accepted { since, .. }) if since <= theirs.version)
    }
}
