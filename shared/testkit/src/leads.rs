//! Both tables in memory, commits recorded in either kind of streams table, and attempts at an e-mail: claims and
//! verdicts, and the entries that they lead to.

use std::rc::Rc;

use contract::stored::{self, Act, Commit};
use domain::{BuyerId, Event, Sequence};
use event_store::{Appended, Appending, EventStore, MemoryStreams, load};
use jiff::{SignedDuration, Timestamp};
use leads_store::{AddressDigest, Claim, LedgerEntry, MemoryLeads, ReceiptRecord, Status, Taking, Verdict};

use crate::clock::at;

/// An empty leads table beside an empty streams table.
#[must_use]
pub fn tables() -> (Rc<MemoryStreams>, MemoryLeads) {
    let streams = Rc::<MemoryStreams>::default();
    let beside = Rc::clone(&streams);
    let leads = MemoryLeads::beside(move |buyer, sequence| {
        let is_it = |(name, number): (&str, u64)| name == buyer.as_str() && number == sequence.get();
        beside.commits().iter().any(|commit| is_it((&commit.buyer, commit.sequence)))
    });
    (streams, leads)
}

/// Records events of a live buyer in one commit.
pub async fn record(streams: &impl EventStore, buyer: &BuyerId, events: &[Event], at: Timestamp) -> Commit {
    let mut appending = Appending::onto(load(streams, buyer).await.unwrap()).live();
    for event in events {
        appending.take(event.clone().into());
    }
    let (commit, _) = appending.commit(buyer, at).unwrap();
    assert_eq!(streams.append(&commit).await.unwrap(), Appended::Written);
    stored::decode(&commit).unwrap()
}

/// The default recipient.
pub const ADA: &str = "ada.canary@example.com";

/// A claim with this nonce on an e-mail of `buyer-7`, for one attempt of half a minute. The head is at 0.
#[must_use]
pub fn claim(key: &str, nonce: &str, now: &str) -> Claim {
    let now = at(now);
    Claim {
        buyer: crate::buyer("buyer-7"),
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

/// The claimant's verdict on an attempt, without a head.
#[must_use]
pub fn verdict(nonce: &str, status: Status, now: &str) -> Verdict {
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

/// The act of an operator.
#[must_use]
pub fn act() -> Act {
    Act { by: "arn:aws:iam::123456789012:user/kim".to_owned(), because: "the buyer asked for it".to_owned() }
}

/// The entry that a claim writes if there was none, or if it starts afresh.
#[must_use]
pub fn claimed(claim: &Claim) -> LedgerEntry {
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
        receipts: ReceiptRecord::default(),
        act: None,
    }
}

/// The entry after a verdict.
#[must_use]
pub fn settled(entry: LedgerEntry, verdict: &Verdict) -> LedgerEntry {
    let may_be_sent = matches!(verdict.status, Status::Sent | Status::Unknown);
    let reason = if verdict.status == Status::Sent { None } else { entry.reason };
    LedgerEntry {
        status: verdict.status,
        due: verdict.due,
        since: verdict.now,
        is_unsent: entry.is_unsent && !may_be_sent,
        message_id: verdict.message_id.clone().or(entry.message_id),
        reason: verdict.reason.clone().or(reason),
        ..entry
    }
}
