use std::collections::BTreeMap;

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
