use std::collections::BTreeMap;

use crate::{FormerLeadId, Offer, OfferId, Stage, State};

/// What a former system says of a buyer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Its offers. An accepted one has the name of its high lead if that is open there.
    pub offers: BTreeMap<OfferId, Offer>,
    /// The name of the low lead that is open there.
    pub low_lead: Option<FormerLeadId>,
    /// Whether it has invited the buyer to a quote.
    pub was_invited: bool,
}

/// Which side is right about an offer that both know at the same version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnSameVersion {
    Theirs,
    Ours,
}

impl Known {
    /// The same as it may be recorded of a buyer who is to be forgotten: without contacts.
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
    /// Takes over what a former system knows better: of each offer the newer version. What is held goes on top, and a known
    /// contact or car stays known. Leads get no names here.
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

    /// Whether the high lead that a former system opened for this offer stays open: no newer acceptance took its place.
    pub(crate) fn keeps_former_lead(&self, id: &OfferId, theirs: &Offer) -> bool {
        let stage = self.offers.get(id).map(|offer| offer.stage);
        !self.is_erased && matches!(stage, Some(Stage::Accepted { since, .. }) if since <= theirs.version)
    }
}
