use crate::{CarId, Contact, EventId, OfferId, OfferVersion};

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

/// 48 bits of FNV-1a over length-prefixed fields. Digests are stored, so the algorithm must never change; the standard
/// library's hasher gives no such guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 6]);

#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    /// Folds all 64 bits into 48.
    const fn digest(self) -> Digest {
        let [_, _, bytes @ ..] = (self.0 ^ (self.0 >> 48)).to_be_bytes();
        Digest(bytes)
    }

    const EMPTY: Self = Self(FNV_1A_START);

    fn bytes(self, bytes: &[u8]) -> Self {
        Self(fnv_1a(self.0, bytes))
    }

    fn and(self, field: &str) -> Self {
        self.bytes(&(field.len() as u64).to_le_bytes()).bytes(field.as_bytes())
    }

    fn and_option(self, field: Option<&str>) -> Self {
        match field {
            Some(text) => self.bytes(&[1]).and(text),
            None => self.bytes(&[0]),
        }
    }
}

/// The offset basis of FNV-1a for 64 bits.
pub(crate) const FNV_1A_START: u64 = 0xcbf2_9ce4_8422_2325;

/// Continues an FNV-1a hash over more bytes. Its results are stored or select buyers, so it must never change.
pub(crate) fn fnv_1a(hash: u64, bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}
