//! Changes of leads that were announced to the sales team, and outcomes of effects.

use domain::{CarId, CloseReason, Contact, OfferId};
use jiff::Timestamp;

/// The announced changes of one lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeadChange {
    /// The opening, if it was announced.
    pub opened: Option<Opening>,
    /// The closing, if it was announced.
    pub closed: Option<Closing>,
}

impl LeadChange {
    /// Adds a later change of the same lead.
    pub fn merge(&mut self, later: Self) {
        self.opened = later.opened.or(self.opened.take());
        self.closed = later.closed.or(self.closed.take());
    }
}

/// The opening of a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The offer whose contact is the lead's contact.
    pub offer: OfferId,
    /// The car of that offer.
    pub car: Option<CarId>,
    /// The contact details that the sales team uses.
    pub contact: Contact,
    /// When the opening was recorded.
    pub at: Timestamp,
}

/// The closing of a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// Why the lead closed.
    pub reason: CloseReason,
    /// When the closing was recorded.
    pub at: Timestamp,
}

/// How an effect ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The effect was sent.
    Sent,
    /// The e-mail was sent or attempted for an earlier effect of the same key.
    AlreadySent,
    /// The e-mail may have been sent: no reliable answer arrived.
    Unknown,
    /// Leadstream or SES refused the effect permanently.
    Rejected,
    /// A later fact overtook the effect.
    Superseded,
    /// The effect was recorded in shadow, and an older version of the software settled it. No longer written.
    Suppressed,
    /// The e-mail is not sent yet: its ledger entry has the status `retry`, and the sweeper takes care of it.
    Retry,
    /// The e-mail was given up.
    Abandoned,
    /// A ledger entry was already responsible for the e-mail; the entry records how it ends.
    Passed,
}

impl Outcome {
    /// The name of the outcome in the table, in metrics and in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::AlreadySent => "already-sent",
            Self::Unknown => "unknown",
            Self::Rejected => "rejected",
            Self::Superseded => "superseded",
            Self::Suppressed => "suppressed",
            Self::Retry => "retry",
            Self::Abandoned => "abandoned",
            Self::Passed => "passed",
        }
    }

    /// Whether the outcome is written to a `settled` item. Without such an item, the effect was sent, or it is an
    /// e-mail whose ledger entry records the outcome.
    #[must_use]
    pub const fn is_written(self) -> bool {
        match self {
            Self::AlreadySent | Self::Rejected | Self::Superseded | Self::Suppressed => true,
            Self::Sent | Self::Unknown | Self::Retry | Self::Abandoned | Self::Passed => false,
        }
    }

    /// Parses the output of [`Outcome::name`]. Only outcomes that some version stored are recognized.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Sent, Self::AlreadySent, Self::Unknown, Self::Rejected, Self::Superseded, Self::Suppressed]
            .into_iter()
            .find(|outcome| outcome.name() == name)
    }
}
