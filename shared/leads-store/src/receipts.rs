//! What SES tells of e-mails, taken into the ledger. Statuses only move forward, so that receipts may come late, twice and in
//! any order.

use contract::receipt::{Kind, Receipt};
use jiff::Timestamp;

use super::{LeadsUnavailable, LedgerEntry, Status};

/// What was heard of a mail after it was sent, each the first time it happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// It bounced for good: no mail goes to its address any more.
    pub bounced_at: Option<Timestamp>,
    /// It bounced, but another one may not.
    pub passing_bounce_at: Option<Timestamp>,
    /// Somebody called it spam: no mail goes to its address any more.
    pub complained_at: Option<Timestamp>,
}

/// What a receipt did to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// The entry changed.
    Settled,
    /// It said nothing that was not known.
    Known,
    /// The entry is of another attempt by now, which this receipt does not concern.
    OtherAttempt,
    /// There is no such entry.
    NoSuchEmail,
}

impl Learned {
    /// The word for it in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Known => "known",
            Self::OtherAttempt => "other-attempt",
            Self::NoSuchEmail => "no-such-email",
        }
    }
}

/// The ledger, as far as receipts concern it.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Receipts {
    /// Takes a receipt into the entry of its attempt. A mail that bounced for good or was complained about first stops all
    /// mail to its address, for this buyer.
    ///
    /// # Errors
    /// [`LeadsUnavailable`]: the same receipt may come again.
    async fn learn(&self, receipt: &Receipt, now: Timestamp) -> Result<Learned, LeadsUnavailable>;
}

/// The entry after a receipt about its attempt; `None` if that says nothing new.
///
/// The same for every order of the same receipts: statuses have a rank, not settled < `sent` < `rejected`, of which the
/// highest stays, and of times the earliest. SES rejects only what it has taken, so `rejected` is the later knowledge.
pub(super) fn after(entry: &LedgerEntry, receipt: &Receipt, now: Timestamp) -> Option<LedgerEntry> {
    let mut after = entry.clone();
    let heard = &mut after.heard;
    let status = match receipt.kind {
        Kind::Delayed => return None,
        Kind::Rejected | Kind::NotRendered => Status::Rejected,
        // Who takes a mail out of the spam folder has it. It is no complaint, and must not show as one.
        Kind::Sent | Kind::Delivered | Kind::NotSpam => Status::Sent,
        Kind::Bounced { at, is_permanent: true } => first(&mut heard.bounced_at, at),
        Kind::Bounced { at, is_permanent: false } => first(&mut heard.passing_bounce_at, at),
        Kind::Complained { at } => first(&mut heard.complained_at, at),
    };
    if rank(status) > rank(entry.status) {
        after.status = status;
        after.since = now;
        after.due = None;
        after.reason = (status == Status::Rejected).then(|| receipt.kind.name().to_owned());
    }
    after.message_id.get_or_insert_with(|| receipt.message_id.clone());
    // Of what SES had, nothing says any more that it was never sent.
    (after != *entry).then_some(LedgerEntry { is_unsent: false, ..after })
}

/// Keeps the earliest. A mail of which that is heard was sent.
fn first(known: &mut Option<Timestamp>, at: Timestamp) -> Status {
    *known = Some(known.map_or(at, |known| known.min(at)));
    Status::Sent
}

const fn rank(status: Status) -> u8 {
    match status {
        // `retry` and `superseded` too: if SES has a mail that we hold for not sent, SES knows better.
        Status::Sending
        | Status::Unknown
        | Status::Abandoned
        | Status::Retry
        | Status::Superseded
        | Status::Suppressed => 0,
        Status::Sent => 1,
        Status::Rejected => 2,
    }
}

/// Whether no mail may go to this address any more. Of one that was heard of before, the stop was written before.
pub(super) const fn stops(kind: Kind) -> bool {
    matches!(kind, Kind::Bounced { is_permanent: true, .. } | Kind::Complained { .. })
}
