//! Claims. The reactor's claim takes e-mails for which no entry is responsible, and never one that the sweeper must
//! retry. The sweeper's claim takes exactly the `retry` entry that it found, and keeps the knowledge of earlier
//! attempts.

use domain::Sequence;
use leads_store::{AddressDigest, Claim, Claimed, LeadsStore as _, LedgerEntry, Status, Taking, Verdict};
use testkit::leads::{claim as claim_of, claimed, settled, verdict};
use testkit::{at, made};

use super::{Table, both, buyer};

const KEY: &str = "quote-email";

fn claim(nonce: &str, now: &str) -> Claim {
    claim_of(KEY, nonce, now)
}

/// A claim on the same key at a later opening.
fn later(nonce: &str) -> Claim {
    Claim { sequence: Sequence::new(7), ..claim(nonce, "23:00:00") }
}

fn elsewhere(claim: Claim) -> Claim {
    Claim { address: AddressDigest::of("eve@example.com"), ..claim }
}

impl Table {
    /// Brings the e-mail to this status: claims it at ten o'clock and settles it a second later. Returns the entry.
    pub(super) async fn bring_to(&self, key: &str, status: Status) -> LedgerEntry {
        let first = claim_of(key, "first", "10:00:00");
        self.must_claim(&first).await;
        let mut entry = claimed(&first);
        if status != first.taking.status() {
            let verdict = verdict("first", status, "10:00:01");
            assert!(self.settles(key, &verdict).await.is_ours(), "{self}: {status:?}");
            entry = settled(entry, &verdict);
        }
        assert_eq!(self.entry(key).await.as_ref(), Some(&entry), "{self}: {status:?}");
        entry
    }

    async fn assert_refused(&self, claim: &Claim, entry: &LedgerEntry) {
        assert_eq!(self.claim(claim).await.unwrap(), Claimed::Taken(Box::new(entry.clone())), "{self}");
        assert_eq!(self.entry(KEY).await.as_ref(), Some(entry), "{self}: untouched");
    }

    /// Asserts that the claim succeeds and that the entry starts afresh.
    async fn assert_claims(&self, claim: &Claim) {
        self.must_claim(claim).await;
        assert_eq!(self.entry(KEY).await, Some(claimed(claim)), "{self}");
    }
}

#[tokio::test]
async fn an_unclaimed_e_mail_can_be_claimed_for_every_purpose() {
    let due = at("10:00:30");
    let takings = [
        (Taking::Attempt(due), Some(at("10:00:00")), true),
        (Taking::Park(due), None, true),
        (Taking::Reject("address-unusable"), None, false),
    ];
    for (taking, first_tried_at, is_open) in takings {
        for table in both().await {
            let first = Claim { taking: taking.clone(), first_tried_at, ..claim("first", "10:00:00") };
            table.assert_claims(&first).await;
            let open: &[&str] = if is_open { &["email/quote-email"] } else { &[] };
            assert_eq!(table.contents().await.open_work, open, "{table}: {taking:?}");
        }
    }
}

#[tokio::test]
async fn an_e_mail_with_a_responsible_entry_cannot_be_claimed() {
    for status in [Status::Sending, Status::Retry, Status::Unknown, Status::Sent, Status::Suppressed] {
        for table in both().await {
            let entry = table.bring_to(KEY, status).await;
            // Soon after; at a later opening, past the deadline; and also for another address.
            for other in [claim("second", "10:00:02"), later("third"), elsewhere(later("fourth"))] {
                table.assert_refused(&other, &entry).await;
            }
        }
    }
}

#[tokio::test]
async fn a_retry_cannot_be_claimed_by_a_reactor() {
    for table in both().await {
        let parked = Taking::Park(at("10:00:00"));
        let parked = Claim { taking: parked, first_tried_at: None, ..claim("first", "10:00:00") };
        table.assert_claims(&parked).await;
        table.assert_refused(&elsewhere(later("second")), &claimed(&parked)).await;
    }
}

#[tokio::test]
async fn a_repeated_claim_succeeds_after_a_lost_answer() {
    for table in both().await {
        let first = claim("first", "10:00:00");
        table.assert_claims(&first).await;
        table.assert_claims(&first).await;
        // The repeated claim succeeds even if a fact was recorded in between, because the first one preceded that fact.
        table.record(made("car-1")).await;
        table.assert_claims(&first).await;
    }
}

#[tokio::test]
async fn a_rejected_e_mail_can_be_claimed_only_for_another_address() {
    for table in both().await {
        let entry = table.bring_to(KEY, Status::Rejected).await;
        table.assert_refused(&claim("second", "11:00:00"), &entry).await;
        table.assert_refused(&later("third"), &entry).await;
        table.assert_claims(&elsewhere(claim("fourth", "11:00:01"))).await;
    }
}

#[tokio::test]
async fn an_e_mail_rejected_by_its_claim_can_be_claimed_for_another_address() {
    for table in both().await {
        let reject = Taking::Reject("address-stopped");
        let rejected = Claim { taking: reject, first_tried_at: None, ..claim("first", "10:00:00") };
        table.assert_claims(&rejected).await;
        table.assert_refused(&later("second"), &claimed(&rejected)).await;
        table.assert_claims(&elsewhere(later("third"))).await;
    }
}

#[tokio::test]
async fn a_superseded_e_mail_can_be_claimed_and_starts_afresh() {
    for table in both().await {
        table.bring_to(KEY, Status::Superseded).await;
        table.assert_claims(&later("second")).await;
    }
}

#[tokio::test]
async fn an_abandoned_unsent_e_mail_can_be_claimed_by_a_later_opening() {
    for table in both().await {
        let entry = table.bring_to(KEY, Status::Abandoned).await;
        assert!(entry.is_unsent, "{table}");
        table.assert_refused(&elsewhere(claim("second", "11:00:00")), &entry).await;
        let earlier = Claim { sequence: Sequence::START, ..claim("third", "11:00:00") };
        table.assert_refused(&earlier, &entry).await;
        table.assert_claims(&later("fourth")).await;
    }
}

#[tokio::test]
async fn an_abandoned_doubtful_e_mail_can_never_be_claimed() {
    for table in both().await {
        let doubtful = table.bring_to(KEY, Status::Unknown).await;
        let given_up =
            Verdict { from: &[Status::Unknown], ..verdict("first", Status::Abandoned, "11:00:00") };
        assert!(table.settles(KEY, &given_up).await.is_ours(), "{table}");
        table.assert_refused(&elsewhere(later("second")), &settled(doubtful, &given_up)).await;
    }
}

#[tokio::test]
async fn the_responsible_entry_is_reported_even_if_the_head_moved() {
    for table in both().await {
        let entry = table.bring_to(KEY, Status::Sent).await;
        table.record(made("car-1")).await;
        table.assert_refused(&claim("second", "10:00:02"), &entry).await;
    }
}

#[tokio::test]
async fn claims_ignore_other_buyers_facts_and_other_e_mails() {
    for table in both().await {
        table.record(made("car-1")).await;
        table.assert_claims(&Claim { head: Sequence::new(1), ..claim("first", "10:00:00") }).await;
        let of_another = Claim { buyer: testkit::buyer("buyer-8"), ..claim("second", "10:00:00") };
        table.must_claim(&of_another).await;
        let another =
            Claim { head: Sequence::new(1), ..claim_of("accepted-email/car-1/2", "third", "10:00:00") };
        table.must_claim(&another).await;
        assert_eq!(another.buyer, buyer());
    }
}

/// The sweeper's claim with this nonce on the `retry` entry with the nonce `found`.
fn again(nonce: &str, found: &str) -> Claim {
    let found = Some(found.to_owned());
    Claim { found, first_tried_at: Some(at("10:00:00")), ..claim_of(KEY, nonce, "11:00:00") }
}

/// The entry after the sweeper's claim: the knowledge of earlier attempts stays.
fn claimed_again(claim: &Claim, retry: LedgerEntry) -> LedgerEntry {
    let fresh = claimed(claim);
    let LedgerEntry { is_unsent, reason, act, .. } = retry;
    LedgerEntry { is_unsent, reason: fresh.reason.clone().or(reason), act, ..fresh }
}

#[tokio::test]
async fn the_sweeper_claims_the_found_retry_and_keeps_its_reason() {
    let elsewhere = AddressDigest::of("eve@example.com");
    let claims = [
        again("second", "first"),
        Claim { address: elsewhere, sequence: Sequence::new(9), ..again("second", "first") },
        Claim { taking: Taking::Reject("address-stopped"), ..again("second", "first") },
        Claim { first_tried_at: None, ..again("second", "first") },
    ];
    for claim in &claims {
        for table in both().await {
            let retry = table.bring_to(KEY, Status::Retry).await;
            assert_eq!(retry.reason.as_deref(), Some("a reason"));
            table.must_claim(claim).await;
            assert_eq!(table.entry(KEY).await, Some(claimed_again(claim, retry)), "{table}");
        }
    }
}

#[tokio::test]
async fn an_attempt_that_may_have_been_sent_is_remembered_after_the_next() {
    for table in both().await {
        let doubtful = table.bring_to(KEY, Status::Unknown).await;
        assert!(table.resend(KEY, &doubtful, at("10:59:00")).await, "{table}");
        let retry = table.entry(KEY).await.unwrap();
        assert!(!retry.is_unsent, "{table}");
        let claim = again("second", "first");
        table.must_claim(&claim).await;
        assert_eq!(table.entry(KEY).await, Some(claimed_again(&claim, retry)), "{table}");
        let given_up = verdict("second", Status::Abandoned, "11:00:01");
        assert!(table.settles(KEY, &given_up).await.is_ours(), "{table}");
        assert!(!table.entry(KEY).await.unwrap().is_unsent, "{table}: no later opening claims it");
    }
}

#[tokio::test]
async fn the_sweeper_cannot_claim_a_retry_of_another_attempt() {
    for table in both().await {
        let entry = table.bring_to(KEY, Status::Retry).await;
        let refused = table.claim(&again("second", "other")).await.unwrap();
        assert_eq!(refused, Claimed::Taken(Box::new(entry.clone())), "{table}");
        assert_eq!(table.entry(KEY).await, Some(entry), "{table}: untouched");
    }
}

#[tokio::test]
async fn the_sweeper_can_claim_only_a_retry() {
    for table in both().await {
        for status in [
            Status::Sending,
            Status::Unknown,
            Status::Sent,
            Status::Rejected,
            Status::Abandoned,
            Status::Superseded,
            Status::Suppressed,
        ] {
            let key = format!("accepted-email/car-1/{}", status.name());
            let entry = table.bring_to(&key, status).await;
            // A reactor's claim could take some of these entries for another address at a later opening.
            let claim = Claim {
                key: key.clone(),
                address: AddressDigest::of("eve@example.com"),
                sequence: Sequence::new(9),
                ..again("second", "first")
            };
            let refused = table.claim(&claim).await.unwrap();
            assert_eq!(refused, Claimed::Taken(Box::new(entry.clone())), "{table}: {status:?}");
            assert_eq!(table.entry(&key).await, Some(entry), "{table}: untouched");
        }
    }
}

#[tokio::test]
async fn only_one_of_two_sweepers_claims_the_same_retry() {
    for table in both().await {
        table.bring_to(KEY, Status::Retry).await;
        table.must_claim(&again("second", "first")).await;
        table.must_claim(&again("second", "first")).await; // Repeated after a lost answer.
        let late = table.claim(&again("third", "first")).await.unwrap();
        assert!(matches!(late, Claimed::Taken(entry) if entry.nonce == "second"), "{table}");
    }
}

#[tokio::test]
async fn a_claim_on_a_missing_retry_creates_no_entry() {
    for table in both().await {
        let gone = table.claim(&again("second", "first")).await.unwrap();
        assert_eq!(gone, Claimed::HeadMoved, "{table}: left to the next sweep");
        assert_eq!(table.entry(KEY).await, None, "{table}");
    }
}
