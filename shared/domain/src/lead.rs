use std::fmt;

use crate::{FormerLeadId, OfferChange, OfferId, OfferVersion, Sequence, Stage, State};

/// What a sales lead is called, unique within its buyer: `low/<sequence>`, `high/<offer>/<version>`, or as a former system
/// called it that opened it.
///
/// A lead once closed never reopens: the next one has another name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeadId {
    /// The one low lead of the buyer.
    Low {
        /// The sequence number at which it opened.
        opened_at: Sequence,
    },
    /// The high lead of an accepted offer.
    High {
        /// The accepted offer.
        offer: OfferId,
        /// The version of the acceptance.
        accepted_at: OfferVersion,
    },
    /// A lead that a former system opened, and that was open when the buyer was handed over. Only ever closed by us.
    Former {
        /// Its name there.
        id: FormerLeadId,
        /// How urgent it is, which the name does not say.
        priority: Priority,
    },
}

impl LeadId {
    /// How urgent a lead of this name is.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        match self {
            Self::Low { .. } => Priority::Low,
            Self::High { .. } => Priority::High,
            Self::Former { priority, .. } => *priority,
        }
    }

    /// Reads what `Display` writes of our own leads; `None` for a former system's, whose name has no `/`.
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

/// How urgent a lead is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A quote is offered by mail.
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

    /// Reads what [`Priority::name`] writes.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Low, Self::High].into_iter().find(|priority| priority.name() == name)
    }
}

/// The open low lead of a buyer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LowLead {
    /// The sequence number at which it opened, or at which the buyer was handed over with it.
    pub opened_at: Sequence,
    /// The offer whose event opened it; its contact is the lead's.
    pub offer: OfferId,
    /// Its name, if a former system opened it.
    pub former: Option<FormerLeadId>,
}

impl LowLead {
    /// Its name.
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
    /// An offer was accepted, so the low lead gave way.
    OfferAccepted,
    /// The acceptance behind the lead was taken back.
    AcceptanceWithdrawn,
    /// The seller rejected the offer.
    OfferRejected,
    /// The buyer withdrew the offer.
    OfferWithdrawn,
    /// The buyer is to be forgotten.
    Erased,
    /// A former system opened the lead, and its offer was over when the buyer was handed over.
    HandedOver,
    /// The buyer was handed over anew by a former system. No longer written.
    Reset,
}

impl CloseReason {
    /// The reason that a change gives. A `made` closes nothing; it is told as a withdrawal so that the function is total.
    pub(crate) const fn of(change: &OfferChange) -> Self {
        match change {
            OfferChange::Accepted => Self::OfferAccepted,
            OfferChange::AcceptanceWithdrawn => Self::AcceptanceWithdrawn,
            OfferChange::Rejected { .. } => Self::OfferRejected,
            OfferChange::Made { .. } | OfferChange::Withdrawn => Self::OfferWithdrawn,
        }
    }

    /// Why a lead that a former system opened is over when its buyer is handed over: the high one of this offer, or the low one.
    ///
    /// Whether the seller rejected an offer or the buyer took it back is not known of one that closed.
    pub(crate) fn at_handover(state: &State, offer: Option<&OfferId>) -> Self {
        if state.is_erased {
            return Self::Erased;
        }
        match offer.map(|id| state.offers.get(id).map(|offer| offer.stage)) {
            None if state.has_high_lead() => Self::OfferAccepted,
            Some(Some(Stage::Pending | Stage::Accepted { .. })) => Self::AcceptanceWithdrawn,
            None | Some(Some(Stage::Closed) | None) => Self::HandedOver,
        }
    }

    /// The word for it in messages.
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

    /// Reads what [`CloseReason::name`] writes.
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
