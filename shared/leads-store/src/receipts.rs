//! Application of SES receipts to the ledger. Statuses only move forward, so receipts may arrive late, repeatedly and
//! in any order.

use contract::receipt::{Kind, Receipt};
use jiff::Timestamp;

use crate::ledger::{LedgerEntry, Status};
use crate::store::LeadsUnavailable;

/// The effect of a receipt on the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// The entry changed.
    Settled,
    /// The entry already contained the information.
    Known,
    /// The entry now belongs to another attempt, which this receipt does not concern.
    OtherAttempt,
    /// The ledger has no entry for the e-mail.
    NoSuchEmail,
}

impl ReceiptOutcome {
    /// The name of the outcome in metrics and logs.
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

/// Application of receipts to the ledger.
///
/// It is kept apart from [`LeadsStore`](crate::LeadsStore) because its adapter `DynamoReceipts` is another type with
/// narrower permissions: it can neither claim an e-mail nor read a stream.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Receipts {
    /// Applies a receipt to the entry of its attempt. A permanent bounce or a complaint first stops all e-mail to the
    /// address for this buyer. Idempotent.
    ///
    /// # Errors
    /// [`LeadsUnavailable`]: the receipt can safely be applied again.
    async fn apply_receipt(
        &self,
        receipt: &Receipt,
        now: Timestamp,
    ) -> Result<ReceiptOutcome, LeadsUnavailable>;
}

/// The entry after a receipt about its attempt, or `None` if the receipt contains nothing new.
///
/// The result does not depend on the order of receipts. Statuses are ranked: not settled, then `sent`, then `rejected`;
/// the highest rank wins, and of two times the earlier. SES rejects only e-mails that it has accepted, so `rejected` is
/// always the later information.
pub(super) fn after(entry: &LedgerEntry, receipt: &Receipt, now: Timestamp) -> Option<LedgerEntry> {
    let mut after = entry.clone();
    let known = &mut after.receipts;
    let status = match receipt.kind {
        Kind::Delayed => return None,
        Kind::Rejected | Kind::NotRendered => Status::Rejected,
        // A recipient who moves an e-mail out of the spam folder has received it. This must not count as a complaint.
        Kind::Sent | Kind::Delivered | Kind::NotSpam => Status::Sent,
        Kind::Bounced { at, is_permanent: true } => first(&mut known.bounced_at, at),
        Kind::Bounced { at, is_permanent: false } => first(&mut known.passing_bounce_at, at),
        Kind::Complained { at } => first(&mut known.complained_at, at),
    };
    if rank(status) > rank(entry.status) {
        after.status = status;
        after.since = now;
        after.due = None;
        after.reason = (status == Status::Rejected).then(|| receipt.kind.name().to_owned());
    }
    after.message_id.get_or_insert_with(|| receipt.message_id.clone());
    // SES accepted the e-mail, so it no longer counts as never sent.
    (after != *entry).then_some(LedgerEntry { is_unsent: false, ..after })
}

/// Keeps the earliest time. An e-mail with a bounce or a complaint was sent.
fn first(known: &mut Option<Timestamp>, at: Timestamp) -> Status {
    *known = Some(known.map_or(at, |known| known.min(at)));
    Status::Sent
}

const fn rank(status: Status) -> u8 {
    match status {
        // This includes `retry` and `superseded`: if SES reports on an e-mail that we consider unsent, SES is right.
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

/// Whether a receipt of this kind stops all e-mail to the address. A repeated receipt needs no second stop, because the
/// stop is written before the entry.
pub(super) const fn stops(kind: Kind) -> bool {
    matches!(kind, Kind::Bounced { is_permanent: true, .. } | Kind::Complained { .. })
}
