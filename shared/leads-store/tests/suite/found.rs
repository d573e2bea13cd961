//! The sweeper's claim: it takes exactly the `retry` entry that it found, and keeps the knowledge of earlier attempts.

use domain::Sequence;
use leads_store::{AddressDigest, Claim, Claimed, Ledger as _, LedgerEntry, Status, Taking};

use super::both;
use crate::attempts::at;
use crate::attempts::{claim, claimed, verdict};

const KEY: &str = "quote-email";

/// The sweeper's claim with this nonce on the `retry` entry with the nonce `found`.
fn again(nonce: &str, found: &str) -> Claim {
    let found = Some(found.to_owned());
    Claim { found, first_tried_at: Some(at("10:00:00")), ..claim(KEY, nonce, "11:00:00") }
}

/// The entry after the sweeper's claim: the knowledge of earlier attempts stays.
fn claimed_again(claim: &Claim, retry: LedgerEntry) -> LedgerEntry {
    let fresh = claimed(claim);
    LedgerEntry { is_unsent: retry.is_unsent, reason: fresh.reason.clone().or(retry.reason), ..fresh }
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
