use crate::{CarId, Contact, EventId, OfferId, OfferVersion};

/// A fact of the offer system about one offer, past tense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The offer it is about.
    pub offer: OfferId,
    /// The offer's count of changes: says where this event belongs, whenever it arrives.
    pub version: OfferVersion,
    /// What happened.
    pub change: OfferChange,
    /// The sender's name for it; no rule reads it.
    pub id: EventId,
    /// When it happened by the sender's clock, RFC 3339; no rule reads it, for order never comes from clocks.
    pub time: Option<String>,
}

impl Event {
    /// The same event as it may be recorded of a buyer who is to be forgotten: without contact and free text.
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
        /// How to reach the buyer about this offer. An event of an erased buyer is recorded without it.
        contact: Option<Contact>,
    },
    /// The seller accepted it.
    Accepted,
    /// The seller took the acceptance back.
    AcceptanceWithdrawn,
    /// The seller rejected it.
    Rejected {
        /// The seller's words, if any.
        reason: Option<String>,
    },
    /// The buyer took it back.
    Withdrawn,
}

impl OfferChange {
    /// The word for this kind of change, as it is stored and digested.
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

    /// A fingerprint of the type and its data: two events of one offer version with other digests contradict each other.
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

/// 48 bits of FNV-1a over length-prefixed fields. It is stored, so it must never change; std's hasher may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 6]);

#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    /// All 64 bits, folded.
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

/// Where FNV-1a begins.
pub(crate) const FNV_1A_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, gone on with from a hash before. What comes of it is stored or chosen by, so it must never change.
pub(crate) fn fnv_1a(hash: u64, bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}
