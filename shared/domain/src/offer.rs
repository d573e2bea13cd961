use std::collections::BTreeMap;

use crate::{CarId, Contact, Digest, Event, OfferChange, OfferVersion};

/// How many of an offer's latest versions keep their digest in the state: as many as a batch has events, so that a batch that
/// comes again is recognised without a read. An older repeat is compared by one read of the history.
pub const REMEMBERED_DIGESTS: usize = 10;

/// Where an offer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Made, and neither accepted nor closed.
    Pending,
    /// Accepted by the seller.
    Accepted {
        /// The version that accepted it: names its high lead and its e-mail.
        at: OfferVersion,
    },
    /// Rejected or withdrawn.
    Closed,
}

/// One offer as its events up to `version` leave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Where it stands.
    pub stage: Stage,
    /// The last version applied.
    pub version: OfferVersion,
    /// The car, unless the event that named it was declared void.
    pub car: Option<CarId>,
    /// Whom to reach. An offer without a contact opens no lead and has no effects.
    pub contact: Option<Contact>,
    /// Digests of the latest [`REMEMBERED_DIGESTS`] versions.
    pub digests: BTreeMap<OfferVersion, Digest>,
    /// Versions that were declared void: first and last of each gap.
    pub voided: BTreeMap<OfferVersion, OfferVersion>,
}

impl Offer {
    /// The offer that a first version begins.
    pub(crate) fn begun_by(event: &Event) -> Self {
        let mut offer = Self::unknown(event.version);
        offer.apply(event);
        offer
    }

    /// An offer of which this is the last version so far, and no more is known: as when its first versions are void.
    #[must_use]
    pub const fn unknown(version: OfferVersion) -> Self {
        Self {
            stage: Stage::Closed,
            version,
            car: None,
            contact: None,
            digests: BTreeMap::new(),
            voided: BTreeMap::new(),
        }
    }

    /// Whether this version was declared void.
    #[must_use]
    pub fn is_void(&self, version: OfferVersion) -> bool {
        self.voided.range(..=version).next_back().is_some_and(|(_, last)| version <= *last)
    }

    /// The offer after one more of its events.
    ///
    /// Total on purpose: the sender is the authority on offers, and order was settled by the offer
    /// version before this is called.
    pub(crate) fn apply(&mut self, event: &Event) {
        self.stage = match (&event.change, self.stage) {
            (OfferChange::Made { .. } | OfferChange::AcceptanceWithdrawn, _) => Stage::Pending,
            (OfferChange::Accepted, accepted @ Stage::Accepted { .. }) => accepted,
            (OfferChange::Accepted, Stage::Pending | Stage::Closed) => Stage::Accepted { at: event.version },
            (OfferChange::Rejected { .. } | OfferChange::Withdrawn, _) => Stage::Closed,
        };
        if let OfferChange::Made { car, contact } = &event.change {
            self.car = Some(car.clone());
            self.contact.clone_from(contact);
        }
        self.version = event.version;
        self.digests.insert(event.version, event.change.digest());
        while self.digests.len() > REMEMBERED_DIGESTS {
            self.digests.pop_first();
        }
    }

    /// Whether this offer, being pending, calls for the buyer's low lead.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.stage == Stage::Pending && self.contact.is_some()
    }

    /// The version that accepted it, while it is accepted and somebody can be phoned: its high lead is open.
    #[must_use]
    pub fn accepted_at(&self) -> Option<OfferVersion> {
        match self.stage {
            Stage::Accepted { at } if self.contact.is_some() => Some(at),
            Stage::Accepted { .. } | Stage::Pending | Stage::Closed => None,
        }
    }
}
