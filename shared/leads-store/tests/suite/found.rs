//! The sweeper's claim: it takes exactly the `retry` that it found, and keeps what is known of it.

use domain::Sequence;
use leads_store::{AddressDigest, Claim, Claimed, Ledger as _, LedgerEntry, Status, Taking};

use super::both;
use crate::attempts::at;
use crate::attempts::{claim, claimed, verdict};

const KEY: &str = "quote-email";

/// The sweeper's claim of this name, having found a `retry` of that name.
fn again(nonce: &str, found: &str) -> Claim {
    let found = Some(found.to_owned());
    Claim { found, first_tried_at: Some(at("10:00:00")), ..claim(KEY, nonce, "11:00:00") }
}

/// What a claim leaves of a `retry`: what is known of earlier attempts stays.
fn taken(claim: &Claim, retry: LedgerEntry) -> LedgerEntry {
    let anew = claimed(claim);
    LedgerEntry { is_unsent: retry.is_unsent, reason: anew.reason.clone().or(retry.reason), ..anew }
}

#[tokio::test]
async fn the_sweeper_takes_the_retry_that_it_found_and_its_reason_stays() {
    let elsewhere = AddressDigest::of("eve@example.com");
    let claims = [
        again("second", "first"),
        Claim { address: elsewhere, sequence: Sequence::new(9), ..again("second", "first") },
        Claim { taking: Taking::Reject("address-stopped"), ..again("second", "first") },
        Claim { first_tried_at: None, ..again("second", "first") },
    ];
    for claim in &claims {
        for table in both().await {
            let retry = table.stands(KEY, Status::Retry).await;
            assert_eq!(retry.reason.as_deref(), Some("a reason"));
            table.takes(claim).await;
            assert_eq!(table.entry(KEY).await, Some(taken(claim, retry)), "{table}");
        }
    }
}

#[tokio::test]
async fn an_attempt_that_may_have_been_sent_stays_so_through_the_next_one() {
    for table in both().await {
        let doubtful = table.stands(KEY, Status::Unknown).await;
        assert!(table.resend(KEY, &doubtful, at("10:59:00")).await, "{table}");
        let retry = table.entry(KEY).await.unwrap();
        assert!(!retry.is_unsent, "{table}");
        let claim = again("second", "first");
        table.takes(&claim).await;
        assert_eq!(table.entry(KEY).await, Some(taken(&claim, retry)), "{table}");
        let given_up = verdict("second", Status::Abandoned, "11:00:01");
        assert!(table.settles(KEY, &given_up).await.is_ours(), "{table}");
        assert!(!table.entry(KEY).await.unwrap().is_unsent, "{table}: no later opening claims it");
    }
}

#[tokio::test]
async fn the_sweeper_takes_no_retry_of_another_attempt() {
    for table in both().await {
        let entry = table.stands(KEY, Status::Retry).await;
        let held = table.claim(&again("second", "other")).await.unwrap();
        assert_eq!(held, Claimed::Held(Box::new(entry.clone())), "{table}");
        assert_eq!(table.entry(KEY).await, Some(entry), "{table}: untouched");
    }
}

#[tokio::test]
async fn the_sweeper_takes_only_a_retry() {
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
            let entry = table.stands(&key, status).await;
            // Another address and a later opening, which a reactor's claim could take.
            let claim = Claim {
                key: key.clone(),
                address: AddressDigest::of("eve@example.com"),
                sequence: Sequence::new(9),
                ..again("second", "first")
            };
            let held = table.claim(&claim).await.unwrap();
            assert_eq!(held, Claimed::Held(Box::new(entry.clone())), "{table}: {status:?}");
            assert_eq!(table.entry(&key).await, Some(entry), "{table}: untouched");
        }
    }
}

#[tokio::test]
async fn of_two_sweepers_that_found_the_same_retry_one_takes_it() {
    for table in both().await {
        table.stands(KEY, Status::Retry).await;
        table.takes(&again("second", "first")).await;
        table.takes(&again("second", "first")).await; // Its answer was lost.
        let late = table.claim(&again("third", "first")).await.unwrap();
        assert!(matches!(late, Claimed::Held(entry) if entry.nonce == "second"), "{table}");
    }
}

#[tokio::test]
async fn a_retry_that_is_gone_is_not_created_by_the_sweeper() {
    for table in both().await {
        let gone = table.claim(&again("second", "first")).await.unwrap();
        assert_eq!(gone, Claimed::HeadMoved, "{table}: left to the next sweep");
        assert_eq!(table.entry(KEY).await, None, "{table}");
    }
}
