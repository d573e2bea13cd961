//! A mail that a person wants sent again: claimed anew as if it had definitely not been sent, unless its first attempt is
//! heard of before.

use contract::receipt::{Kind, Receipt};
use leads_store::{Claim, Claimed, Learned, Ledger as _, LedgerEntry, Receipts as _, Status};

use super::{Table, both, buyer};
use crate::attempts::at;
use crate::attempts::claim;

const KEY: &str = "quote-email";

/// The mail, tried once and settled so.
async fn tried(table: &Table, status: Status) -> LedgerEntry {
    table.stands(KEY, status).await
}

async fn entry(table: &Table) -> LedgerEntry {
    table.contents().await.about.ledger[KEY].clone()
}

#[tokio::test]
async fn a_doubtful_given_up_or_rejected_mail_is_due_at_once_and_can_be_claimed() {
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
            table.takes(&again).await;
        }
    }
}

#[tokio::test]
async fn nothing_else_is_sent_again_nor_what_has_changed_since_it_was_found() {
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
async fn what_is_heard_late_of_the_first_attempt_still_settles_it() {
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
        assert_eq!(table.learn(&receipt, at("12:00:01")).await.unwrap(), Learned::Settled, "{table}");
        assert_eq!(entry(&table).await.status, Status::Sent, "{table}");
        let again = Claim { found: Some("first".to_owned()), ..claim(KEY, "second", "12:01:00") };
        let again = table.claim(&again).await.unwrap();
        assert!(matches!(again, Claimed::Held(_)), "{table}: it need not be sent");
    }
}
