//! The e-mail ledger: at most one attempt at a time, at most one mail per effect id.

use domain::{BuyerId, Sequence};
use jiff::Timestamp;

use super::{Heard, LeadsUnavailable};
use crate::sha256_hex;

/// An e-mail's entry in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Where it stands.
    pub status: Status,
    /// Names the attempt: only who claimed settles.
    pub nonce: String,
    /// The sequence number of the effect that was claimed last.
    pub sequence: Sequence,
    /// Fingerprint of the address it was claimed for.
    pub address: AddressDigest,
    /// While `sending`: until then the claimant may still be at it. While `retry`: not before then.
    pub due: Option<Timestamp>,
    /// When it was first claimed.
    pub first_tried_at: Timestamp,
    /// When the status was last changed.
    pub since: Timestamp,
    /// SES's message id, once sent.
    pub message_id: Option<String>,
    /// Why it was rejected, is doubtful or must be tried again: an error code, nothing personal.
    pub reason: Option<String>,
    /// What was heard of it after it was sent.
    pub heard: Heard,
}

/// Where an e-mail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Claimed: somebody is at it until the deadline.
    Sending,
    /// SES took it.
    Sent,
    /// It can never be sent to that address.
    Rejected,
    /// Definitely not sent: tried again later.
    Retry,
    /// Tried once, without an answer that can be trusted.
    Unknown,
    /// Given up; counted.
    Abandoned,
    /// Overtaken before it was sent; a later effect of the key may claim it anew.
    Superseded,
    /// Never to be sent by us: another system sent it.
    Suppressed,
}

impl Status {
    /// The word for it in the table.
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

    /// Whether a person may decide to have it sent again: nothing else will try it, and it is not known to have gone out.
    #[must_use]
    pub const fn is_resendable(self) -> bool {
        matches!(self, Self::Unknown | Self::Abandoned | Self::Rejected)
    }

    /// Whether somebody still has something to do about it: such entries stand in the index of open work.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Sending | Self::Unknown | Self::Retry)
    }

    /// Reads what [`Status::name`] writes.
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

/// The first 16 bytes of the SHA-256 of an e-mail address, in hexadecimal: tells whether two are the same, and no more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressDigest(pub String);

impl AddressDigest {
    /// The fingerprint of this address.
    #[must_use]
    pub fn of(address: &str) -> Self {
        let mut digest = sha256_hex(address);
        digest.truncate(32);
        Self(digest)
    }
}

/// A claim on an e-mail: to be put before its one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose e-mail.
    pub buyer: BuyerId,
    /// The effect's key.
    pub key: String,
    /// The effect's sequence number.
    pub sequence: Sequence,
    /// Names this attempt.
    pub nonce: String,
    /// Where the mail is to go.
    pub address: AddressDigest,
    /// The last sequence number that was read: nothing may be recorded after it.
    pub head: Sequence,
    /// Now.
    pub now: Timestamp,
    /// Until then nobody else may think that nobody is at it.
    pub deadline: Timestamp,
    /// Whether it is taken so that nobody sends it, now or later, for another system does.
    pub is_shadow: bool,
}

impl Claim {
    /// Where the entry stands once it is claimed.
    pub(super) const fn status(&self) -> Status {
        if self.is_shadow { Status::Suppressed } else { Status::Sending }
    }
}

/// How a claim ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Ours: send it, once.
    Ours,
    /// A fact was recorded after the last one read: read again.
    HeadMoved,
    /// It is not to be claimed; this is why.
    Held(Box<LedgerEntry>),
}

impl Verdict {
    /// Whether this says what became of the mail for good. Only that is still taken of an entry that was given up.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self.status, Status::Sent | Status::Rejected)
    }
}

/// How a claimed e-mail is settled by who claimed it. See [`Ledger::settle`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Where it stands now.
    pub status: Status,
    /// SES's message id, if sent.
    pub message_id: Option<String>,
    /// Why it was not sent: an error code, nothing personal.
    pub reason: Option<String>,
    /// When to try again, for `retry`, or to give up waiting, for `unknown`.
    pub due: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// The e-mail ledger: at most one attempt at a time, at most one mail per effect id.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Ledger {
    /// Claims an e-mail in one transaction with the check that nothing was recorded after the head. Taken are: no entry,
    /// `retry` when due, `superseded`, `rejected` for another address. A claim whose answer was lost is ours if the nonce is.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn claim(&self, claim: &Claim) -> Result<Claimed, LeadsUnavailable>;

    /// Settles an attempt: if the nonce is still the entry's and it is `sending` or `unknown`; as `sent` or `rejected` also
    /// if it was `abandoned` meanwhile. `true` also if it was settled just so before; `false` if somebody, or time, was faster.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn settle(
        &self,
        buyer: &BuyerId,
        key: &str,
        nonce: &str,
        verdict: &Verdict,
    ) -> Result<bool, LeadsUnavailable>;
}

/// Whether a claim may take what lies in the ledger. The DynamoDB condition says the same; one suite tests both.
pub(super) fn is_claimable(entry: Option<&LedgerEntry>, claim: &Claim) -> bool {
    let Some(entry) = entry else { return true };
    match entry.status {
        Status::Superseded => true,
        Status::Retry => entry.due.is_none_or(|due| due <= claim.now),
        Status::Rejected => entry.address != claim.address,
        Status::Sending | Status::Sent | Status::Unknown | Status::Abandoned | Status::Suppressed => false,
    }
}
