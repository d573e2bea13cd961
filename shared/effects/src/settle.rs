//! Records how an attempt to send an e-mail ended, under the nonce of its claim.

use domain::BuyerId;
use jiff::{SignedDuration, Timestamp};
use leads_store::{Claim, LeadsStore, LeadsUnavailable, LedgerEntry, Settled, Status, Verdict};
use platform::clock::{CALL_TIME, Clock, Deadline};
use platform::telemetry::chain;

use crate::look::{Look, Stop, later};
use crate::outside::Delivery;

/// The shortest wait before the next attempt for an e-mail that was definitely not sent; the longest is twice as long.
const RETRY_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// How long a doubtful e-mail waits for a receipt.
const UNKNOWN_LASTS: SignedDuration = SignedDuration::from_mins(60);

/// How an e-mail ended that was claimed here.
pub(crate) struct Ended {
    /// The entry's status.
    pub(crate) status: Status,
    /// Whether we wrote it. Otherwise another writer did, and counts it.
    pub(crate) is_ours: bool,
    /// Why SES accepts no other e-mail now either.
    pub(crate) paused: Option<String>,
}

/// Records the result of an attempt. A failure to record it stops nothing: the claim expires, and the e-mail
/// becomes doubtful.
pub(crate) async fn settle(
    leads: &impl LeadsStore,
    clock: &impl Clock,
    look: &Look<'_>,
    claim: &Claim,
    delivery: Option<Delivery>,
    tried_for: Option<SignedDuration>,
) -> Ended {
    let now = clock.now();
    // The time of the attempt counts, not that of its answer.
    let is_over = |(long, first)| later(first, long) < claim.now;
    let is_last = tried_for.zip(claim.first_tried_at).is_some_and(is_over);
    let verdict = Verdict {
        nonce: claim.nonce.clone(),
        from: Verdict::BY_CLAIMANT,
        status: Status::Retry,
        message_id: None,
        reason: None,
        due: None,
        head: None,
        now,
    };
    let (verdict, paused) = match delivery {
        Some(Delivery::Accepted { message_id }) => {
            let (status, message_id) = (Status::Sent, Some(message_id));
            (Verdict { status, message_id, from: Verdict::BY_CLAIMANT_FINALLY, ..verdict }, None)
        }
        Some(Delivery::Refused { reason }) => {
            let (status, reason, head) = (Status::Rejected, Some(reason), Some(claim.head));
            (Verdict { status, reason, head, from: Verdict::BY_CLAIMANT_FINALLY, ..verdict }, None)
        }
        Some(Delivery::Unknown { reason }) => {
            let (status, reason, due) = (Status::Unknown, Some(reason), Some(later(now, UNKNOWN_LASTS)));
            (Verdict { status, reason, due, ..verdict }, None)
        }
        Some(Delivery::NotSent { reason }) => (not_sent(claim, is_last, reason, verdict), None),
        // Neither counts as the last attempt: a pause says nothing about this e-mail, and without time left none
        // was made.
        Some(Delivery::Paused { reason }) => (not_sent(claim, false, reason.clone(), verdict), Some(reason)),
        None => (not_sent(claim, false, "no-time-left".to_owned(), verdict), None),
    };
    let (status, is_ours) = write(leads, clock, look, claim, verdict).await;
    Ended { status, is_ours, paused }
}

/// Writes the claimant's verdict. Returns the status of the entry afterwards, and whether this call wrote it.
async fn write(
    leads: &impl LeadsStore,
    clock: &impl Clock,
    look: &Look<'_>,
    claim: &Claim,
    verdict: Verdict,
) -> (Status, bool) {
    let settle = async |verdict: &Verdict| {
        settle_until_answered(leads, clock, (&claim.buyer, &claim.key), verdict, look.deadline).await
    };
    let mut settled = settle(&verdict).await;
    let mut status = verdict.status;
    if matches!(settled, Ok(Settled::HeadMoved)) {
        // The e-mail ended unsent at a head that is no longer the newest, so it must be judged again at the newer
        // one.
        let (head, due) = (None, Some(verdict.now));
        status = Status::Retry;
        let from = Verdict::BY_CLAIMANT;
        settled = settle(&Verdict { from, status, due, head, ..verdict }).await;
    }
    match settled {
        Ok(settled @ (Settled::Done | Settled::Already { .. })) => (status, settled.is_ours()),
        // Another writer judged the entry in the meantime and knows more; the attempt was made all the same.
        Ok(Settled::Changed | Settled::HeadMoved) => (Status::Unknown, false),
        Err(error) => {
            let (buyer, effect, error) = (&claim.buyer, &claim.key, chain(&error));
            tracing::warn!(%buyer, effect, error, "cannot settle the e-mail: its claim will expire");
            (Status::Unknown, false)
        }
    }
}

/// Writes a verdict, and repeats the write once if it was not answered and time allows. The second answer reports
/// whether the first write took effect. An outcome is counted by its writer, and not at all if the writer never
/// learns that it was written.
pub(crate) async fn settle_until_answered(
    leads: &impl LeadsStore,
    clock: &impl Clock,
    (buyer, key): (&BuyerId, &str),
    verdict: &Verdict,
    deadline: Deadline,
) -> Result<Settled, LeadsUnavailable> {
    let settled = leads.settle(buyer, key, verdict).await;
    let Err(error) = settled else { return settled };
    if deadline.leaves(CALL_TIME, clock).is_err() {
        return Err(error);
    }
    tracing::warn!(%buyer, effect = key, error = chain(&error), "settling unanswered: repeating it");
    leads.settle(buyer, key, verdict).await
}

/// Declares the e-mail of an expired claim doubtful, because it may have been sent.
pub(crate) async fn declare_unknown(
    leads: &impl LeadsStore,
    now: Timestamp,
    buyer: &BuyerId,
    key: &str,
    entry: &LedgerEntry,
) -> Result<Settled, Stop> {
    let verdict = Verdict {
        nonce: entry.nonce.clone(),
        from: &[Status::Sending],
        status: Status::Unknown,
        message_id: None,
        reason: Some("claim ran out".to_owned()),
        due: Some(later(now, UNKNOWN_LASTS)),
        head: None,
        now,
    };
    Ok(leads.settle(buyer, key, &verdict).await?)
}

/// The verdict on an attempt that definitely sent nothing: a retry, or abandoned after the last attempt.
fn not_sent(claim: &Claim, is_last: bool, reason: String, verdict: Verdict) -> Verdict {
    let reason = Some(reason);
    if is_last {
        let (status, head) = (Status::Abandoned, Some(claim.head));
        return Verdict { status, reason, head, ..verdict };
    }
    let due = Some(later(verdict.now, jittered(RETRY_AFTER, &claim.nonce)));
    Verdict { status: Status::Retry, reason, due, ..verdict }
}

/// A duration between `time` and twice that, derived from `name`, so that e-mails that failed together are not retried
/// together.
fn jittered(time: SignedDuration, name: &str) -> SignedDuration {
    let byte = name.bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    time + time * i32::from(byte) / 256
}
