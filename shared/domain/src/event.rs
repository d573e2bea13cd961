use std::fmt;

use crate::ids::Hash;
use crate::{CarId, Digest, EventId, OfferId, OfferVersion};

/// An event of the offer system: something that happened to one offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The offer that changed.
    pub offer: OfferId,
    /// The offer's version after the change. It determines the event's place in the order, whenever the event arrives.
    pub version: OfferVersion,
    /// What happened.
    pub change: OfferChange,
    /// The sender's id of the event. No rule reads it.
    pub id: EventId,
    /// When it happened by the sender's clock, in RFC 3339. No rule reads it: order never comes from clocks.
    pub time: Option<String>,
}

impl Event {
    /// The event without contact and free text, as it may be recorded for an erased buyer.
    #[must_use]
    pub fn without_personal_data(&self) -> Self {
        let change = match &self.change {
            OfferChange::Made { car, .. } => OfferChange::Made { car: car.clone(), contact: None },
            OfferChange::Rejected { .. } => OfferChange::Rejected { reason: None },
            unchanged @ (OfferChange::Accepted
            | OfferChange::AcceptanceWithdrawn
            | OfferChange::Withdrawn) => unchanged.clone(),
        };
        Self { change, ..self.clone() }
    }
}

/// What can happen to an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfferChange {
    /// A buyer made an offer for a car.
    Made {
        /// The car.
        car: CarId,
        /// The buyer's contact details for this offer. Events of an erased buyer are recorded without them.
        contact: Option<Contact>,
    },
    /// The seller accepted the offer.
    Accepted,
    /// The seller withdrew the acceptance.
    AcceptanceWithdrawn,
    /// The seller rejected the offer.
    Rejected {
        /// The seller's own words, if any.
        reason: Option<String>,
    },
    /// The buyer withdrew the offer.
    Withdrawn,
}

impl OfferChange {
    /// The name of this kind of change, as it is stored and hashed into the digest.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Made { .. } => "made",
            Self::Accepted => "accepted",
            Self::AcceptanceWithdrawn => "acceptance-withdrawn",
            Self::Rejected { .. } => "rejected",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// A fingerprint of the type and its data. Two events of the same offer version contradict each other if their
    /// digests differ.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let hash = Hash::EMPTY.and(self.name());
        let hash = match self {
            Self::Made { car, contact: Some(contact) } => hash
                .and(car.as_str())
                .and(&contact.name)
                .and(&contact.email)
                .and_option(contact.phone.as_deref()),
            Self::Made { car, contact: None } => hash.and(car.as_str()),
            Self::Rejected { reason } => hash.and_option(reason.as_deref()),
            Self::Accepted | Self::AcceptanceWithdrawn | Self::Withdrawn => hash,
        };
        hash.digest()
    }
}

/// A buyer's contact details, as given with an offer. Apart from the reasons of rejections, they are the only personal
/// data in the domain.
///
/// `Debug` prints none of it, so that log lines and error texts cannot leak it.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// The name as the buyer typed it: any text.
    pub name: String,
    /// The e-mail address as the buyer typed it. It is validated only before an e-mail is sent.
    pub email: String,
    /// The phone number as the buyer typed it.
    pub phone: Option<String>,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contact(…)")
    }
}
