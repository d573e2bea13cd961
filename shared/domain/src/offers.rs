use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Deref;

use crate::{Offer, OfferId, Stage};

/// A buyer's offers by id. They can be read like a map, but only the methods here change them: these keep a count of
/// the offers that call for a lead, so that an event of a buyer with thousands of offers examines only one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offers {
    by_id: BTreeMap<OfferId, Offer>,
    calling: Calling,
}

/// How many offers call for a lead, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Calling {
    /// Pending offers with a contact.
    pending: usize,
    /// Pending offers without a contact.
    unreachable: usize,
    /// Accepted offers with a high lead.
    accepted: usize,
}

impl Calling {
    fn of(offer: &Offer) -> Self {
        let is_pending = offer.stage == Stage::Pending;
        Self {
            pending: usize::from(offer.is_pending()),
            unreachable: usize::from(is_pending && !offer.is_pending()),
            accepted: usize::from(offer.accepted_at().is_some()),
        }
    }

    const fn changed(self, before: Self, after: Self) -> Self {
        Self {
            pending: self.pending + after.pending - before.pending,
            unreachable: self.unreachable + after.unreachable - before.unreachable,
            accepted: self.accepted + after.accepted - before.accepted,
        }
    }
}

impl Offers {
    /// Changes one offer. Returns `None` if the offer is unknown.
    pub fn change<T>(&mut self, id: &OfferId, change: impl FnOnce(&mut Offer) -> T) -> Option<T> {
        let offer = self.by_id.get_mut(id)?;
        let before = Calling::of(offer);
        let changed = change(offer);
        self.calling = self.calling.changed(before, Calling::of(offer));
        Some(changed)
    }

    /// Changes one offer, which is created by `begin` first if it is unknown.
    pub fn begin_and_change<T>(
        &mut self,
        id: &OfferId,
        begin: impl FnOnce() -> Offer,
        change: impl FnOnce(&mut Offer) -> T,
    ) -> T {
        let (before, offer) = match self.by_id.entry(id.clone()) {
            Entry::Occupied(known) => (Calling::of(known.get()), known.into_mut()),
            Entry::Vacant(place) => (Calling::default(), place.insert(begin())),
        };
        let changed = change(offer);
        self.calling = self.calling.changed(before, Calling::of(offer));
        changed
    }

    /// Changes every offer.
    pub fn change_each(&mut self, mut change: impl FnMut(&mut Offer)) {
        self.calling = Calling::default();
        for offer in self.by_id.values_mut() {
            change(offer);
            self.calling = self.calling.changed(Calling::default(), Calling::of(offer));
        }
    }

    /// Whether some pending offer calls for the low lead. With `without_contact`, offers without a contact count too.
    pub(crate) const fn has_pending(&self, without_contact: bool) -> bool {
        self.calling.pending > 0 || without_contact && self.calling.unreachable > 0
    }

    /// Whether some accepted offer has a high lead.
    pub(crate) const fn has_accepted(&self) -> bool {
        self.calling.accepted > 0
    }
}

impl Deref for Offers {
    type Target = BTreeMap<OfferId, Offer>;

    fn deref(&self) -> &Self::Target {
        &self.by_id
    }
}

impl From<BTreeMap<OfferId, Offer>> for Offers {
    fn from(by_id: BTreeMap<OfferId, Offer>) -> Self {
        let begun = by_id.values().map(Calling::of);
        let calling = begun.fold(Calling::default(), |all, one| all.changed(Calling::default(), one));
        Self { by_id, calling }
    }
}

impl From<Offers> for BTreeMap<OfferId, Offer> {
    fn from(offers: Offers) -> Self {
        offers.by_id
    }
}
