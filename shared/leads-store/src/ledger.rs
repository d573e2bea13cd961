//! The e-mail ledger: at most one attempt at a time, at most one mail per effect id. From its claim on, an entry is
//! responsible for its mail, and nothing else waits for it.
//!
//! Why it is so: `docs/adr/0019-an-email-holds-up-nothing.md`.

use contract::stored::written;
use domain::{BuyerId, Sequence};
use jiff::Timestamp;

use super::{Heard, LeadsUnavailable};
use contract::sha256_hex;

/// An e-mail's entry in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Where it stands.
    pub status: Status,
    /// Names the last claim: only its claimant settles it.
    pub nonce: String,
    /// The sequence number at which the effect was called for, as the head said when it was claimed last.
    pub sequence: Sequence,
    /// Fingerprint of the address it was claimed for.
    pub address: AddressDigest,
    /// While `sending`: until then the claim is presumed live. While `retry`: not before then. While `unknown`: a receipt
    /// is awaited until then.
    pub due: Option<Timestamp>,
    /// When the first attempt was claimed; `None` if there was none yet.
    pub first_tried_at: Option<Timestamp>,
    /// Whether it is certain that no attempt so far was sent.
    pub is_unsent: bool,
    /// When the status was last changed.
    pub since: Timestamp,
    /// SES's message id, once sent.
    pub message_id: Option<String>,
    /// Why it was rejected, is doubtful or must be tried again: an error code, nothing personal.
    pub reason: Option<String>,
    /// What SES reported after it was sent.
    pub heard: Heard,
}

/// Where an e-mail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Claimed: presumed to be under way until the deadline.
    Sending,
    /// SES took it.
    Sent,
    /// It can never be sent to that address.
    Rejected,
    /// Definitely not sent: the sweeper tries it again.
    Retry,
    /// Tried once, without an answer that can be trusted.
    Unknown,
    /// Given up; counted.
    Abandoned,
    /// Overtaken before it was sent; a later effect of the key may claim it anew.
    Superseded,
    /// Recorded in shadow by an older version of the software: never sent by us. No longer written.
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

    /// Whether the sweeper still has work with it: such entries are in the index of open work.
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

/// The first 16 bytes of the SHA-256 of an e-mail address, in hexadecimal: shows whether two are the same, and no more.
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

/// A claim on an e-mail, with what the head says of it: its address and the sequence number it is called for at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose e-mail.
    pub buyer: BuyerId,
    /// The effect's key.
    pub key: String,
    /// The sequence number at which the head calls for it.
    pub sequence: Sequence,
    /// Names this claim.
    pub nonce: String,
    /// The address that the head names.
    pub address: AddressDigest,
    /// The last sequence number that was read: nothing may be recorded after it.
    pub head: Sequence,
    /// Now.
    pub now: Timestamp,
    /// What is claimed.
    pub taking: Taking,
    /// The nonce of the `retry` that the sweeper found due. Without it, `retry` is not claimable.
    pub found: Option<String>,
    /// When the first attempt was claimed, to be written down; `None` before there is one.
    pub first_tried_at: Option<Timestamp>,
}

/// What a claim takes an e-mail for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taking {
    /// One attempt, over by this deadline: until then the claim is presumed live.
    Attempt(Timestamp),
    /// No attempt now: the sweeper makes one, not before this moment.
    Park(Timestamp),
    /// None to this address, ever, for this reason.
    Reject(&'static str),
}

impl Taking {
    /// Where the entry stands once it is claimed.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Attempt(_) => Status::Sending,
            Self::Park(_) => Status::Retry,
            Self::Reject(_) => Status::Rejected,
        }
    }

    /// When the sweeper must look at it.
    #[must_use]
    pub const fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Attempt(due) | Self::Park(due) => Some(*due),
            Self::Reject(_) => None,
        }
    }

    /// Why it was rejected.
    #[must_use]
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Reject(reason) => Some(reason),
            Self::Attempt(_) | Self::Park(_) => None,
        }
    }
}

/// How a claim ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Ours.
    Ours,
    /// A fact was recorded after the last one read: read again.
    HeadMoved,
    /// It is not to be claimed; this entry is responsible for the mail.
    Held(Box<LedgerEntry>),
    /// It is not to be claimed: an entry lies there that this version cannot read. It is responsible for the mail.
    Unreadable,
}

/// A change of an entry's status, by its claimant or by the sweeper. See [`Ledger::settle`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The claim that is judged: the entry must still have its nonce.
    pub nonce: String,
    /// The entry must be in one of these.
    pub from: &'static [Status],
    /// Where it stands now.
    pub status: Status,
    /// SES's message id, if sent.
    pub message_id: Option<String>,
    /// Why it was not sent: an error code, nothing personal. `None` keeps the reason that is there, unless it was sent.
    pub reason: Option<String>,
    /// When the sweeper must look at it again; `None` if it is closed.
    pub due: Option<Timestamp>,
    /// The head that was judged, for an ending without a mail: nothing may be recorded after it.
    pub head: Option<Sequence>,
    /// Now.
    pub now: Timestamp,
}

impl Verdict {
    /// What the claimant of an attempt may settle: also an attempt that was declared doubtful meanwhile.
    pub const BY_CLAIMANT: &'static [Status] = &[Status::Sending, Status::Unknown];

    /// The same for what certainly became of the mail, which is news even of one that was given up.
    pub const BY_CLAIMANT_FINALLY: &'static [Status] = &[Status::Sending, Status::Unknown, Status::Abandoned];

    /// What becomes of [`LedgerEntry::is_unsent`]: only an attempt that was certainly not sent leaves it.
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

    /// What the condition's failure means, where the entry is as it was found.
    pub(super) fn refused(&self, entry: Option<&LedgerEntry>) -> Settled {
        match entry {
            Some(entry) if entry.nonce == self.nonce && entry.status == self.status => {
                // The table keeps milliseconds.
                Settled::Already { by_us: written(entry.since) == written(self.now) }
            }
            Some(_) | None => Settled::Changed,
        }
    }
}

/// How settling ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It was written.
    Done,
    /// It had been settled just so before: by us, if the SDK sent the write twice.
    Already {
        /// Whether it was this very write.
        by_us: bool,
    },
    /// The entry had been claimed anew or settled in another way meanwhile; nothing was written.
    Changed,
    /// A fact was recorded after the head that was judged; nothing was written.
    HeadMoved,
}

impl Settled {
    /// Whether this very write stands in the ledger.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Done | Self::Already { by_us: true })
    }
}

/// The e-mail ledger: at most one attempt at a time, at most one mail per effect id.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Ledger {
    /// Claims an e-mail in one transaction with the check that nothing was recorded after the head. Claimable are: no entry;
    /// `superseded`; `rejected` for another address; `abandoned` if certainly never sent and called for at an earlier sequence
    /// number; and the `retry` that was found. A claim whose answer was lost is ours if the nonce is.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn claim(&self, claim: &Claim) -> Result<Claimed, LeadsUnavailable>;

    /// Changes an entry's status, if nonce and status are as the verdict says; where it judges a head, in one transaction
    /// with the check that nothing was recorded after that.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn settle(
        &self,
        buyer: &BuyerId,
        key: &str,
        verdict: &Verdict,
    ) -> Result<Settled, LeadsUnavailable>;
}

/// Whether a claim may take what lies in the ledger. The DynamoDB condition says the same; one suite tests both.
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
