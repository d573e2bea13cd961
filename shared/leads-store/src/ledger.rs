//! The e-mail ledger: at most one attempt at a time, and at most one e-mail per effect id. Once claimed, an entry is
//! responsible for its e-mail, and nothing else waits for it.
//!
//! The reasons are in `docs/adr/0019-an-email-holds-up-nothing.md`.

use contract::sha256_hex;
use contract::stored::{Act, written};
use domain::{BuyerId, Sequence};
use jiff::Timestamp;

/// The ledger entry of an e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The status of the e-mail.
    pub status: Status,
    /// The nonce of the last claim. Only its claimant settles the entry.
    pub nonce: String,
    /// The sequence at which the head called for the e-mail when it was last claimed.
    pub sequence: Sequence,
    /// The digest of the address for which it was claimed.
    pub address: AddressDigest,
    /// In status `sending`, the claim is presumed live until then. In status `retry`, no attempt begins before then. In
    /// status `unknown`, a receipt is awaited until then.
    pub due: Option<Timestamp>,
    /// When the first attempt was claimed; `None` if there was no attempt yet.
    pub first_tried_at: Option<Timestamp>,
    /// Whether no attempt so far can have been sent.
    pub is_unsent: bool,
    /// When the status last changed.
    pub since: Timestamp,
    /// SES's message id, once sent.
    pub message_id: Option<String>,
    /// Why the e-mail was rejected, is in doubt or must be retried: an error code, never personal data.
    pub reason: Option<String>,
    /// Bounces and complaints that SES reported after the e-mail was sent.
    pub receipts: ReceiptRecord,
    /// Who last had it sent again, and why.
    pub act: Option<Act>,
}

/// The bounces and complaints that SES reported for an e-mail, each with its first occurrence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiptRecord {
    /// When the e-mail bounced permanently. Its address gets no more e-mail.
    pub bounced_at: Option<Timestamp>,
    /// When the e-mail bounced temporarily. Later e-mails to the address may be delivered.
    pub passing_bounce_at: Option<Timestamp>,
    /// When the recipient complained, for example marked it as spam. Its address gets no more e-mail.
    pub complained_at: Option<Timestamp>,
}

/// The status of an e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Claimed, and presumed to be in progress until the deadline.
    Sending,
    /// SES accepted the e-mail.
    Sent,
    /// The e-mail can never be sent to this address.
    Rejected,
    /// Certainly not sent; the sweeper retries it.
    Retry,
    /// Attempted, without a reliable answer.
    Unknown,
    /// Given up. A metric counts these.
    Abandoned,
    /// Overtaken before it was sent. A later effect of the same key may claim it again.
    Superseded,
    /// Recorded in shadow by an older version of the software, and never sent by Leadstream. No longer written.
    Suppressed,
}

impl Status {
    /// The name of the status in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Rejected => "rejected",
            Self::Retry => "retry",
            Self::Unknown => "unknown",
            Self::Abandoned => "abandoned",
            Self::Superseded => "superseded",
            Self::Suppressed => "suppressed",
        }
    }

    /// Whether an operator may have the e-mail sent again: nothing else will retry it, and it is not known to be sent.
    #[must_use]
    pub const fn is_resendable(self) -> bool {
        matches!(self, Self::Unknown | Self::Abandoned | Self::Rejected)
    }

    /// Whether the sweeper still has work to do: such entries are in the index `open-work`.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Sending | Self::Unknown | Self::Retry)
    }

    /// Parses the output of [`Status::name`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::Sending,
            Self::Sent,
            Self::Rejected,
            Self::Retry,
            Self::Unknown,
            Self::Abandoned,
            Self::Superseded,
            Self::Suppressed,
        ]
        .into_iter()
        .find(|status| status.name() == name)
    }
}

/// The first 16 bytes of the SHA-256 of an e-mail address, in hexadecimal. It shows whether two addresses are equal
/// without storing them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressDigest(pub String);

impl AddressDigest {
    /// The digest of this address.
    #[must_use]
    pub fn of(address: &str) -> Self {
        let mut digest = sha256_hex(address);
        digest.truncate(32);
        Self(digest)
    }
}

/// A claim on an e-mail, with the address and the sequence for which the head calls for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The buyer to whom the e-mail is addressed.
    pub buyer: BuyerId,
    /// The effect key of the e-mail.
    pub key: String,
    /// The sequence at which the head calls for the e-mail.
    pub sequence: Sequence,
    /// The nonce of this claim.
    pub nonce: String,
    /// The digest of the address in the head.
    pub address: AddressDigest,
    /// The last sequence that was read. The claim fails if anything is recorded after it.
    pub head: Sequence,
    /// The current time.
    pub now: Timestamp,
    /// The purpose of the claim.
    pub taking: Taking,
    /// The nonce of the `retry` entry that the sweeper found due. Without it, a `retry` entry cannot be claimed.
    pub found: Option<String>,
    /// The time of the first attempt to send the e-mail, which the claim stores: now if this is the first one; `None` if
    /// no attempt was or is made.
    pub first_tried_at: Option<Timestamp>,
}

/// The purpose of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taking {
    /// Make one attempt, to end by this deadline. Until then the claim counts as in use.
    Attempt(Timestamp),
    /// Make no attempt now. The sweeper makes one, not before this moment.
    Park(Timestamp),
    /// Never send to this address, for this reason.
    Reject(&'static str),
}

impl Taking {
    /// The status of the entry once it is claimed.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Attempt(_) => Status::Sending,
            Self::Park(_) => Status::Retry,
            Self::Reject(_) => Status::Rejected,
        }
    }

    /// When the sweeper must examine the entry.
    #[must_use]
    pub const fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Attempt(due) | Self::Park(due) => Some(*due),
            Self::Reject(_) => None,
        }
    }

    /// The reason of a rejection.
    #[must_use]
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Reject(reason) => Some(reason),
            Self::Attempt(_) | Self::Park(_) => None,
        }
    }
}

/// The outcome of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The claim succeeded.
    Ours,
    /// A fact was recorded after the last one that was read: read the stream again.
    HeadMoved,
    /// The claim was refused: another entry, enclosed here, already covers the e-mail.
    Taken(Box<LedgerEntry>),
    /// The claim was refused: an entry that this version of the software cannot read is responsible for the e-mail.
    Unreadable,
}

/// A change of an entry's status, by its claimant or by the sweeper. See [`LeadsStore::settle`](crate::LeadsStore::settle).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The nonce of the claim that is judged. The entry must still have it.
    pub nonce: String,
    /// The statuses that the entry may have before the change.
    pub from: &'static [Status],
    /// The new status.
    pub status: Status,
    /// SES's message id, if sent.
    pub message_id: Option<String>,
    /// Why the e-mail was not sent: an error code, never personal data. `None` keeps the stored reason, unless the
    /// e-mail was sent.
    pub reason: Option<String>,
    /// When the sweeper must examine the entry again; `None` if the entry is closed.
    pub due: Option<Timestamp>,
    /// The head that was judged, for an ending without an e-mail. The change fails if anything is recorded after it.
    pub head: Option<Sequence>,
    /// The current time.
    pub now: Timestamp,
}

impl Verdict {
    /// The statuses that the claimant of an attempt may settle. They include `unknown`, because the sweeper may have
    /// declared the attempt doubtful in the meantime.
    pub const BY_CLAIMANT: &'static [Status] = &[Status::Sending, Status::Unknown];

    /// The statuses that the claimant may replace by `sent` or `rejected`. They include `abandoned`, because a certain
    /// outcome is worth recording even after the e-mail was given up.
    pub const BY_CLAIMANT_FINALLY: &'static [Status] = &[Status::Sending, Status::Unknown, Status::Abandoned];

    /// Whether [`LedgerEntry::is_unsent`] stays true: it does unless the attempt was or may have been sent.
    pub(super) const fn keeps_unsent(&self) -> bool {
        match self.status {
            Status::Retry
            | Status::Rejected
            | Status::Abandoned
            | Status::Superseded
            | Status::Sending
            | Status::Suppressed => true,
            Status::Sent | Status::Unknown => false,
        }
    }

    /// The outcome if the condition of the write failed and `entry` was found.
    pub(super) fn refused(&self, entry: Option<&LedgerEntry>) -> Settled {
        match entry {
            Some(entry) if entry.nonce == self.nonce && entry.status == self.status => {
                // The table stores milliseconds.
                Settled::Already { by_us: written(entry.since) == written(self.now) }
            }
            Some(_) | None => Settled::Changed,
        }
    }
}

/// The outcome of settling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The change was written.
    Done,
    /// The entry already had the new status, as when the SDK sent the write twice.
    Already {
        /// Whether this same write was the earlier one.
        by_us: bool,
    },
    /// The entry was claimed again or settled otherwise in the meantime. Nothing was written.
    Changed,
    /// A fact was recorded after the state on which the decision was based. Nothing was written.
    HeadMoved,
}

impl Settled {
    /// Whether the ledger contains this write.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Done | Self::Already { by_us: true })
    }
}

/// Whether a claim may take this entry, or the place of a missing one. The condition in DynamoDB is equivalent; one
/// suite tests both.
pub(super) fn is_claimable(entry: Option<&LedgerEntry>, claim: &Claim) -> bool {
    let Some(entry) = entry else { return claim.found.is_none() };
    if let Some(found) = &claim.found {
        return entry.status == Status::Retry && entry.nonce == *found;
    }
    match entry.status {
        Status::Superseded => true,
        Status::Rejected => entry.address != claim.address,
        Status::Abandoned => entry.is_unsent && entry.sequence < claim.sequence,
        Status::Sending | Status::Sent | Status::Unknown | Status::Retry | Status::Suppressed => false,
    }
}
