use std::fmt;

use crate::{FormerLeadId, OfferChange, OfferId, OfferVersion, Sequence};

/// The name of a sales lead, unique within its buyer: `low/<sequence>`, `high/<offer>/<version>`, or the name that the
/// former system gave to a lead it opened.
///
/// A closed lead never reopens: the next lead has another name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeadId {
    /// The buyer's low lead, of which at most one is open.
    Low {
        /// The sequence at which it opened.
        opened_at: Sequence,
    },
    /// The high lead of an accepted offer.
    High {
        /// The accepted offer.
        offer: OfferId,
        /// The version of the acceptance.
        accepted_at: OfferVersion,
    },
    /// A lead that the former system opened and that was open when the buyer was handed over. Leadstream only closes
    /// it.
    Former {
        /// Its name in the former system.
        id: FormerLeadId,
        /// Its urgency, which the name does not contain.
        priority: Priority,
    },
}

impl LeadId {
    /// The urgency of the lead.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        match self {
            Self::Low { .. } => Priority::Low,
            Self::High { .. } => Priority::High,
            Self::Former { priority, .. } => *priority,
        }
    }

    /// Parses the name that `Display` writes for our own leads. Returns `None` for a former lead, whose name has no
    /// `/`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('/')? {
            ("low", sequence) => Some(Self::Low { opened_at: Sequence::new(sequence.parse().ok()?) }),
            ("high", rest) => {
                let (offer, version) = rest.split_once('/')?;
                Some(Self::High {
                    offer: OfferId::parse(offer).ok()?,
                    accepted_at: OfferVersion::new(version.parse().ok()?)?,
                })
            }
            _ => None,
        }
    }
}

impl fmt::Display for LeadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Low { opened_at } => write!(f, "low/{opened_at}"),
            Self::High { offer, accepted_at } => write!(f, "high/{offer}/{accepted_at}"),
            Self::Former { id, .. } => id.fmt(f),
        }
    }
}

/// The urgency of a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// The buyer is invited by e-mail to ask for a quote.
    Low,
    /// The sales team phones the buyer.
    High,
}

impl Priority {
    /// `low` or `high`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::High => "high",
        }
    }

    /// Parses the output of [`Priority::name`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Low, Self::High].into_iter().find(|priority| priority.name() == name)
    }
}

/// The open low lead of a buyer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LowLead {
    /// The sequence at which it opened, or at which the buyer was handed over with it.
    pub opened_at: Sequence,
    /// The offer whose event opened it. The lead's contact is that offer's contact.
    pub offer: OfferId,
    /// Its name in the former system, if that system opened it.
    pub former: Option<FormerLeadId>,
}

impl LowLead {
    /// The name of the lead.
    #[must_use]
    pub fn id(&self) -> LeadId {
        match &self.former {
            Some(id) => LeadId::Former { id: id.clone(), priority: Priority::Low },
            None => LeadId::Low { opened_at: self.opened_at },
        }
    }
}

/// Why a lead closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// An offer was accepted, which replaces the low lead by a high one.
    OfferAccepted,
    /// The acceptance that opened the lead was withdrawn.
    AcceptanceWithdrawn,
    /// The seller rejected the offer.
    OfferRejected,
    /// The buyer withdrew the offer.
    OfferWithdrawn,
    /// The buyer was erased.
    Erased,
    /// The former system opened the lead, and its offer was already closed when the buyer was handed over.
    HandedOver,
    /// The former system handed the buyer over again. No longer written.
    Reset,
}

impl CloseReason {
    /// The reason that a change gives. A `made` closes no lead; mapping it to a withdrawal keeps the function total.
    pub(crate) const fn of(change: &OfferChange) -> Self {
        match change {
            OfferChange::Accepted => Self::OfferAccepted,
            OfferChange::AcceptanceWithdrawn => Self::AcceptanceWithdrawn,
            OfferChange::Rejected { .. } => Self::OfferRejected,
            OfferChange::Made { .. } | OfferChange::Withdrawn => Self::OfferWithdrawn,
        }
    }

    /// The name of the reason in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OfferAccepted => "offer-accepted",
            Self::AcceptanceWithdrawn => "acceptance-withdrawn",
            Self::OfferRejected => "offer-rejected",
            Self::OfferWithdrawn => "offer-withdrawn",
            Self::Erased => "erased",
            Self::HandedOver => "handed-over",
            Self::Reset => "reset",
        }
    }

    /// Parses the output of [`CloseReason::name`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::OfferAccepted,
            Self::AcceptanceWithdrawn,
            Self::OfferRejected,
            Self::OfferWithdrawn,
            Self::Erased,
            Self::HandedOver,
            Self::Reset,
        ]
        .into_iter()
        .find(|reason| reason.name() == name)
    }
}
