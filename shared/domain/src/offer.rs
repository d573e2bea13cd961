use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Deref;

use crate::{
    CarId, Contact, Digest, Event, FormerLeadId, LeadId, OfferChange, OfferId, OfferVersion, Priority,
};

/// How many of an offer's latest versions keep their digest in the state: as many as a batch has events, so that a
/// redelivered batch is compared without a read. A closed offer keeps only its last digest. Older versions count as
/// duplicates regardless of content: the first recorded version stays in either case.
pub const REMEMBERED_DIGESTS: usize = 10;

/// The stage of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Made, and neither accepted nor closed; also after its acceptance was withdrawn.
    Pending,
    /// Accepted by the seller.
    Accepted {
        /// The version in the name of the offer's high lead, `high/<offer>/<version>`, and in the key of its e-mail.
        at: OfferVersion,
        /// The version of the current acceptance. It is later than `at` if an acceptance was withdrawn and repeated
        /// within one chain: the lead was open before and after the chain, and keeps its name.
        since: OfferVersion,
    },
    /// Rejected or withdrawn.
    Closed,
}

/// The state of one offer after its events up to `version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The offer's stage.
    pub stage: Stage,
    /// The last version applied.
    pub version: OfferVersion,
    /// The car, unless the event that named it was declared void.
    pub car: Option<CarId>,
    /// The buyer's contact for this offer. An offer without a contact opens no lead and has no effects.
    pub contact: Option<Contact>,
    /// The name of its high lead, if the former system opened it.
    pub former_lead: Option<FormerLeadId>,
    /// Whether a quote was requested: by us when the offer was first open, or by the former system if it knew the
    /// offer.
    pub is_quoted: bool,
    /// Digests of the latest [`REMEMBERED_DIGESTS`] versions; only of the last one, once the offer is closed.
    pub digests: BTreeMap<OfferVersion, Digest>,
    /// Versions that were declared void: the first and last version of each gap.
    pub voided: BTreeMap<OfferVersion, OfferVersion>,
}

impl Offer {
    /// An offer at this version with nothing else known, as when its first versions are void.
    #[must_use]
    pub const fn unknown(version: OfferVersion) -> Self {
        Self {
            stage: Stage::Closed,
            version,
            car: None,
            contact: None,
            former_lead: None,
            is_quoted: false,
            digests: BTreeMap::new(),
            voided: BTreeMap::new(),
        }
    }

    /// Whether this version was declared void.
    #[must_use]
    pub fn is_void(&self, version: OfferVersion) -> bool {
        self.voided.range(..=version).next_back().is_some_and(|(_, last)| version <= *last)
    }

    /// Applies one more event to the offer.
    ///
    /// The function is total on purpose: the sender is the authority on offers, and the offer version has settled the
    /// order before this call.
    pub(crate) fn apply(&mut self, event: &Event) {
        self.stage = match (&event.change, self.stage) {
            (OfferChange::Made { .. } | OfferChange::AcceptanceWithdrawn, _) => Stage::Pending,
            (OfferChange::Accepted, accepted @ Stage::Accepted { .. }) => accepted,
            (OfferChange::Accepted, Stage::Pending | Stage::Closed) => {
                Stage::Accepted { at: event.version, since: event.version }
            }
            (OfferChange::Rejected { .. } | OfferChange::Withdrawn, _) => Stage::Closed,
        };
        if let OfferChange::Made { car, contact } = &event.change {
            self.car = Some(car.clone());
            self.contact.clone_from(contact);
        }
        if !matches!(self.stage, Stage::Accepted { .. }) {
            self.former_lead = None;
        }
        self.version = event.version;
        self.digests.insert(event.version, event.change.digest());
        let remembered = if self.stage == Stage::Closed { 1 } else { REMEMBERED_DIGESTS };
        while self.digests.len() > remembered {
            self.digests.pop_first();
        }
    }

    /// Whether the offer is pending and has a contact, and so calls for the buyer's low lead.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.stage == Stage::Pending && self.contact.is_some()
    }

    /// The version that names the offer's high lead and its e-mail, while that lead is open: while the offer is
    /// accepted and either has a contact or the former system opened its lead.
    #[must_use]
    pub const fn accepted_at(&self) -> Option<OfferVersion> {
        match self.stage {
            Stage::Accepted { at, .. } if self.contact.is_some() || self.former_lead.is_some() => Some(at),
            Stage::Accepted { .. } | Stage::Pending | Stage::Closed => None,
        }
    }

    /// The offer's high lead, while it is open. `id` is the id of this offer.
    #[must_use]
    pub fn high_lead(&self, id: &OfferId) -> Option<LeadId> {
        let accepted_at = self.accepted_at()?;
        Some(match &self.former_lead {
            Some(id) => LeadId::Former { id: id.clone(), priority: Priority::High },
            None => LeadId::High { offer: id.clone(), accepted_at },
        })
    }

    /// Whether a quote may be requested: the offer is pending or accepted, and has a contact.
    #[must_use]
    pub(crate) const fn wants_quote(&self) -> bool {
        self.contact.is_some() && matches!(self.stage, Stage::Pending | Stage::Accepted { .. })
    }
}

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
    pub fn change_each(&mut self, mut change: impl FnMut(&OfferId, &mut Offer)) {
        self.calling = Calling::default();
        for (id, offer) in &mut self.by_id {
            change(id, offer);
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
