//! Cursors: how far each buyer's effects are settled. Changes of leads that were announced to the sales team, and
//! outcomes of effects, which are written with the cursor.

use std::collections::{BTreeMap, BTreeSet};

use contract::stored::Act;
use domain::{CarId, CloseReason, Contact, Effect, EffectKind, LeadId, OfferId, Sequence, State};
use jiff::Timestamp;

use crate::ledger::AddressDigest;

/// A buyer's cursor: how far its effects are settled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The last sequence whose effects are settled.
    pub through: Sequence,
    /// The mark of a buyer that is behind; `None` if no retry is scheduled.
    pub behind: Option<Behind>,
    /// Addresses that get no more e-mail, because one bounced permanently or the recipient complained.
    pub stopped: BTreeSet<AddressDigest>,
    /// Who last lifted a stop, and why.
    pub allowed: Option<Act>,
    /// Whether the table records that events are held, in an item [`Held`] beside the cursor.
    pub holds: bool,
}

/// The oldest held event of a buyer, which waits for an earlier event that has not arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The sequence at which the oldest held event is recorded.
    pub sequence: Sequence,
    /// When that event was recorded.
    pub since: Timestamp,
    /// When the sweeper should check again whether it still waits.
    pub due: Timestamp,
}

/// What an advance found held at the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldAtHead {
    /// The oldest held event, or `None` if nothing is held.
    pub oldest: Option<Held>,
    /// Whether the cursor already agreed when it was read. In that case nothing is written, provided it still agrees.
    pub is_known: bool,
}

/// The mark of a buyer that is behind: its pending effects must be retried later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The name of this mark. A worker clears only the mark that it read, so a newer mark survives.
    pub mark: String,
    /// Why the buyer is behind, without personal data.
    pub reason: String,
    /// The number of failed attempts.
    pub attempts: u32,
    /// The earliest time of the next attempt.
    pub not_before: Timestamp,
}

/// The progress of an advance. A cursor moves together with all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Where the cursor was when it was read.
    pub from: Sequence,
    /// Where the cursor moves to.
    pub through: Sequence,
    /// The changes of leads that were announced on the way.
    pub leads: BTreeMap<LeadId, LeadChange>,
    /// The outcomes of effects by sequence and effect key, for outcomes that are written ([`Outcome::is_written`]).
    pub settled: BTreeMap<Sequence, BTreeMap<String, Outcome>>,
    /// What is held at the head; `None` if the progress does not come from reading the head.
    pub held: Option<HeldAtHead>,
}

impl Progress {
    /// The number of items that it writes besides the cursor.
    #[must_use]
    pub fn items(&self) -> usize {
        self.leads.len() + self.settled.len() + usize::from(self.reports_held())
    }

    /// Whether it reports a change in what is held.
    #[must_use]
    pub fn reports_held(&self) -> bool {
        self.held.as_ref().is_some_and(|held| !held.is_known)
    }

    /// Appends the progress that followed.
    pub fn extend(&mut self, later: Self) {
        self.through = later.through;
        for (lead, change) in later.leads {
            self.leads.entry(lead).or_default().merge(change);
        }
        self.settled.extend(later.settled);
    }
}

/// The outcome of moving a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// The cursor is where it should be.
    Done,
    /// Another worker had already moved the cursor at least as far. Nothing was written.
    Overtaken,
}

/// "A single operation can retrieve up to 16 MB of data, which can contain as many as 100 items." Source: Amazon
/// DynamoDB API Reference, `BatchGetItem`.
pub const CURSORS_AT_ONCE: usize = 100;

/// The announced changes of one lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeadChange {
    /// The opening, if it was announced.
    pub opened: Option<Opening>,
    /// The closing, if it was announced.
    pub closed: Option<Closing>,
}

impl LeadChange {
    /// The change of the leads table after the sales message of an effect was sent; `None` if the effect concerns no
    /// lead. `head` contains the contact, and `at` is when the effect's commit was recorded.
    #[must_use]
    pub fn of(effect: &Effect, head: &State, at: Timestamp) -> Option<(LeadId, Self)> {
        match &effect.kind {
            EffectKind::LeadOpened { lead, offer } => {
                let known = head.offers.get(offer)?;
                let contact = known.contact.clone()?;
                let opening = Opening { offer: offer.clone(), car: known.car.clone(), contact, at };
                Some((lead.clone(), Self { opened: Some(opening), closed: None }))
            }
            EffectKind::LeadClosed { lead, reason } => {
                let closing = Closing { reason: *reason, at };
                Some((lead.clone(), Self { opened: None, closed: Some(closing) }))
            }
            EffectKind::QuoteRequest { .. }
            | EffectKind::AcceptedEmail { .. }
            | EffectKind::QuoteInvitation { .. } => None,
        }
    }

    /// Adds a later change of the same lead.
    pub fn merge(&mut self, later: Self) {
        self.opened = later.opened.or(self.opened.take());
        self.closed = later.closed.or(self.closed.take());
    }
}

/// The opening of a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The offer from which the lead takes its contact.
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
