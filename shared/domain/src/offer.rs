use std::collections::BTreeMap;

use crate::{
    CarId, Contact, Digest, Event, FormerLeadId, LeadId, OfferChange, OfferId, OfferVersion, Priority,
};

/// How many of an offer's latest versions keep their digest in the state: as many as a batch has events, so that a batch that
/// comes again is compared without a read. Of a closed offer only the last one does. What is older counts as a repeat whatever
/// it says: what was recorded first stays in either case.
pub const REMEMBERED_DIGESTS: usize = 10;

/// Where an offer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Made, and neither accepted nor closed.
    Pending,
    /// Accepted by the seller.
    Accepted {
        /// The version that names its high lead and its e-mail.
        at: OfferVersion,
        /// The acceptance that holds. It is later than `at` where an acceptance was taken back and given again within one
        /// chain: the lead was open before and after it, and keeps its name.
        since: OfferVersion,
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
    /// The name of its high lead, if a former system opened it.
    pub former_lead: Option<FormerLeadId>,
    /// Whether a quote was requested for it: by us when it was first open, or by a former system that knew it.
    pub is_quoted: bool,
    /// Digests of the latest [`REMEMBERED_DIGESTS`] versions; of the last one only, once it is closed.
    pub digests: BTreeMap<OfferVersion, Digest>,
    /// Versions that were declared void: first and last of each gap.
    pub voided: BTreeMap<OfferVersion, OfferVersion>,
}

impl Offer {
    /// An offer of which this is the last version so far, and no more is known: as when its first versions are void.
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

    /// The offer after one more of its events.
    ///
    /// Total on purpose: the sender is the authority on offers, and order was settled by the offer
    /// version before this is called.
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

    /// Whether this offer, being pending, calls for the buyer's low lead.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.stage == Stage::Pending && self.contact.is_some()
    }

    /// The version that names its high lead and its e-mail, while that lead is open: while it is accepted and can be phoned
    /// about, or a former system opened the lead.
    #[must_use]
    pub const fn accepted_at(&self) -> Option<OfferVersion> {
        match self.stage {
            Stage::Accepted { at, .. } if self.contact.is_some() || self.former_lead.is_some() => Some(at),
            Stage::Accepted { .. } | Stage::Pending | Stage::Closed => None,
        }
    }

    /// Its high lead, while that is open. `id` is the offer's own.
    #[must_use]
    pub fn high_lead(&self, id: &OfferId) -> Option<LeadId> {
        let accepted_at = self.accepted_at()?;
        Some(match &self.former_lead {
            Some(id) => LeadId::Former { id: id.clone(), priority: Priority::High },
            None => LeadId::High { offer: id.clone(), accepted_at },
        })
    }

    /// Whether a quote may be requested: it is open, and it is known who asks.
    #[must_use]
    pub(crate) const fn wants_quote(&self) -> bool {
        self.contact.is_some() && matches!(self.stage, Stage::Pending | Stage::Accepted { .. })
    }
}
