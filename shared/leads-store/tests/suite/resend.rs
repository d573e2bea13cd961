//! An e-mail that an operator has sent again: it is retried as if it had certainly not been sent, unless a receipt of
//! its first attempt arrives before.

use contract::receipt::{Kind, Receipt};
use leads_store::{Claim, Claimed, Ledger as _, LedgerEntry, ReceiptOutcome, Receipts as _, Status};

use super::{Table, both, buyer};
use crate::attempts::at;
use crate::attempts::claim;

const KEY: &str = "quote-email";

/// The e-mail, attempted once and settled with this status.
async fn tried(table: &Table, status: Status) -> LedgerEntry {
    table.bring_to(KEY, status).await
}

async fn entry(table: &Table) -> LedgerEntry {
    table.contents().await.about.ledger[KEY].clone()
}

#[tokio::test]
async fn a_resend_makes_an_e_mail_due_at_once_and_claimable() {
    for status in [Status::Unknown, Status::Abandoned, Status::Rejected] {
        for table in both().await {
            let found = tried(&table, status).await;
            assert!(table.resend(KEY, &found, at("12:00:00")).await, "{table}: {status:?}");
            let expected = LedgerEntry {
                status: Status::Retry,
                due: Some(at("12:00:00")),
                first_tried_at: None,
                since: at("12:00:00"),
                reason: None,
                ..found.clone()
            };
            assert_eq!(entry(&table).await, expected, "{table}: {status:?}");
            assert_eq!(table.contents().await.open_work, ["email/quote-email"], "{table}: {status:?}");
            let again = Claim { found: Some("first".to_owned()), ..claim(KEY, "second", "12:00:00") };
            table.must_claim(&again).await;
        }
    }
}

#[tokio::test]
async fn a_resend_is_refused_for_other_or_changed_entries() {
    for status in [Status::Sent, Status::Retry, Status::Superseded] {
        for table in both().await {
            let found = tried(&table, status).await;
            assert!(!table.resend(KEY, &found, at("12:00:00")).await, "{table}: {status:?}");
            assert_eq!(entry(&table).await, found, "{table}: {status:?}");
        }
    }
    for table in both().await {
        let found = tried(&table, Status::Unknown).await;
        let other = LedgerEntry { nonce: "other".to_owned(), ..found.clone() };
        assert!(!table.resend(KEY, &other, at("12:00:00")).await, "{table}: another attempt");
        let other = LedgerEntry { status: Status::Abandoned, ..found.clone() };
        assert!(!table.resend(KEY, &other, at("12:00:00")).await, "{table}: another status");
        assert_eq!(entry(&table).await, found, "{table}");
    }
}

#[tokio::test]
async fn a_late_receipt_of_the_first_attempt_settles_a_resend() {
    for table in both().await {
        let found = tried(&table, Status::Unknown).await;
        assert!(table.resend(KEY, &found, at("12:00:00")).await, "{table}");
        let receipt = Receipt {
            buyer: buyer(),
            effect: KEY.to_owned(),
            nonce: "first".to_owned(),
            kind: Kind::Delivered,
            message_id: "ses-1".to_owned(),
        };
        assert_eq!(
            table.apply_receipt(&receipt, at("12:00:01")).await.unwrap(),
            ReceiptOutcome::Settled,
            "{table}"
        );
        assert_eq!(entry(&table).await.status, Status::Sent, "{table}");
        let again = Claim { found: Some("first".to_owned()), ..claim(KEY, "second", "12:01:00") };
        let again = table.claim(&again).await.unwrap();
        assert!(matches!(again, Claimed::Taken(_)), "{table}: it was delivered");
    }
}
