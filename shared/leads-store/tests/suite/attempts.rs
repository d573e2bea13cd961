//! Claims and verdicts as tests make them, and the entries that they leave.

use domain::Sequence;
use jiff::{SignedDuration, Timestamp};
use leads_store::{AddressDigest, Claim, Heard, LedgerEntry, Status, Taking, Verdict};

/// A time of the one day on which all tests happen.
pub(crate) fn at(time: &str) -> Timestamp {
    format!("2026-11-23T{time}Z").parse().unwrap()
}

/// Who gets mail unless a test says otherwise.
pub(crate) const ADA: &str = "ada.canary@example.com";

/// A claim of this name on a mail of `buyer-7`, made then for one attempt of half a minute; the head is at 0.
pub(crate) fn claim(key: &str, nonce: &str, now: &str) -> Claim {
    let now = at(now);
    Claim {
        buyer: testkit::buyer("buyer-7"),
        key: key.to_owned(),
        sequence: Sequence::new(1),
        nonce: nonce.to_owned(),
        address: AddressDigest::of(ADA),
        head: Sequence::START,
        now,
        taking: Taking::Attempt(now + SignedDuration::from_secs(30)),
        found: None,
        first_tried_at: Some(now),
    }
}

/// The claimant's verdict on an attempt, which looks at no head.
pub(crate) fn verdict(nonce: &str, status: Status, now: &str) -> Verdict {
    let is_certain = matches!(status, Status::Sent | Status::Rejected);
    Verdict {
        nonce: nonce.to_owned(),
        from: if is_certain { Verdict::BY_CLAIMANT_FINALLY } else { Verdict::BY_CLAIMANT },
        status,
        message_id: (status == Status::Sent).then(|| "ses-1".to_owned()),
        reason: (status != Status::Sent).then(|| "a reason".to_owned()),
        due: status.is_open().then(|| at(now) + SignedDuration::from_mins(60)),
        head: None,
        now: at(now),
    }
}

/// The entry that a claim makes where there was none, or one that it does not follow.
pub(crate) fn claimed(claim: &Claim) -> LedgerEntry {
    LedgerEntry {
        status: claim.taking.status(),
        nonce: claim.nonce.clone(),
        sequence: claim.sequence,
        address: claim.address.clone(),
        due: claim.taking.due(),
        first_tried_at: claim.first_tried_at,
        is_unsent: true,
        since: claim.now,
        message_id: None,
        reason: claim.taking.reason().map(str::to_owned),
        heard: Heard::default(),
    }
}

/// The entry after a verdict on it.
pub(crate) fn settled(entry: LedgerEntry, verdict: &Verdict) -> LedgerEntry {
    let is_sent_perhaps = matches!(verdict.status, Status::Sent | Status::Unknown);
    let reason = if verdict.status == Status::Sent { None } else { entry.reason };
    LedgerEntry {
        status: verdict.status,
        due: verdict.due,
        since: verdict.now,
        is_unsent: entry.is_unsent && !is_sent_perhaps,
        message_id: verdict.message_id.clone().or(entry.message_id),
        reason: verdict.reason.clone().or(reason),
        ..entry
    }
}
