//! What the sales team was told of leads, and how effects were settled.

use domain::{CarId, CloseReason, Contact, OfferId};
use jiff::Timestamp;

/// What the sales team was told of one lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeadTold {
    /// That it opened.
    pub opened: Option<Opening>,
    /// That it closed.
    pub closed: Option<Closing>,
}

impl LeadTold {
    /// Adds what was told later.
    pub fn merge(&mut self, later: Self) {
        self.opened = later.opened.or(self.opened.take());
        self.closed = later.closed.or(self.closed.take());
    }
}

/// A lead that the sales team can work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The offer whose contact is the lead's.
    pub offer: OfferId,
    /// The car of that offer.
    pub car: Option<CarId>,
    /// Whom to phone.
    pub contact: Contact,
    /// When the opening was recorded.
    pub at: Timestamp,
}

/// The end of a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// Why.
    pub reason: CloseReason,
    /// When the closing was recorded.
    pub at: Timestamp,
}

/// How an effect ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It went out.
    Sent,
    /// Its one mail went out, or was tried, when an earlier effect of the same key called for it.
    AlreadySent,
    /// It may have gone out: there was no answer that can be trusted.
    Unknown,
    /// It can never go out: refused by us or by SES.
    Rejected,
    /// A later fact had overtaken it.
    Superseded,
    /// It was recorded in shadow, and an older version of the software settled it. No longer written.
    Suppressed,
    /// An e-mail that was not sent yet: its ledger entry is `retry`, and the sweeper's.
    Retry,
    /// An e-mail that was given up.
    Abandoned,
    /// An e-mail for which an entry of the ledger was responsible already: how that ends is written there.
    Passed,
}

impl Outcome {
    /// The word for it in the table, in metrics and in logs.
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

    /// Whether it is written beside the cursor. What is not written there went out, or is an e-mail whose ledger entry says
    /// how it ended.
    #[must_use]
    pub const fn is_written(self) -> bool {
        match self {
            Self::AlreadySent | Self::Rejected | Self::Superseded | Self::Suppressed => true,
            Self::Sent | Self::Unknown | Self::Retry | Self::Abandoned | Self::Passed => false,
        }
    }

    /// Reads what [`Outcome::name`] writes, as far as outcomes were ever written.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Sent, Self::AlreadySent, Self::Unknown, Self::Rejected, Self::Superseded, Self::Suppressed]
            .into_iter()
            .find(|outcome| outcome.name() == name)
    }
}
