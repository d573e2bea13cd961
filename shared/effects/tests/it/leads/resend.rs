//! A mail that a person wants sent again: claimed anew as if it had definitely not been sent, unless its first attempt is
//! heard of before.

use contract::receipt::{Kind, Receipt};
use domain::Sequence;
use effects::leads::{
    AddressDigest, Claim, Claimed, Learned, Ledger as _, LedgerEntry, Receipts as _, Status, Verdict,
    Work as _,
};

use super::{Table, both, buyer, dynamo};
use crate::world::at;

const KEY: &str = "quote-email";

fn claim(nonce: &str, time: &str) -> Claim {
    Claim {
        buyer: buyer(),
        key: KEY.to_owned(),
        sequence: Sequence::new(1),
        nonce: nonce.to_owned(),
        address: AddressDigest::of("ada@example.com"),
        head: Sequence::START,
        now: at(time),
        deadline: at("23:00:00"),
        is_shadow: false,
    }
}

/// The mail, tried once and settled so.
async fn tried(table: &Table, status: Status) -> LedgerEntry {
    assert_eq!(table.claim(&claim("first", "10:00:00")).await.unwrap(), Claimed::Ours);
    let reason = Some("timed out".to_owned());
    let due = (status == Status::Unknown).then(|| at("11:00:00"));
    let verdict = Verdict { status, message_id: None, reason, due, now: at("10:00:01") };
    assert!(table.settle(&buyer(), KEY, "first", &verdict).await.unwrap());
    entry(table).await
}

async fn entry(table: &Table) -> LedgerEntry {
    table.contents().await.about.ledger[KEY].clone()
}

#[tokio::test]
async fn a_doubtful_given_up_or_rejected_mail_is_due_at_once_and_can_be_claimed() {
    for status in [Status::Unknown, Status::Abandoned, Status::Rejected] {
        for table in both().await {
            let found = found_as(&table, status).await;
            assert!(table.resend(KEY, &found, at("12:00:00")).await, "{table}: {status:?}");
            let expected = LedgerEntry {
                status: Status::Retry,
                due: Some(at("12:00:00")),
                first_tried_at: at("12:00:00"),
                since: at("12:00:00"),
                reason: None,
                ..found.clone()
            };
            assert_eq!(entry(&table).await, expected, "{table}: {status:?}");
            assert_eq!(table.contents().await.open_work, ["email/quote-email"], "{table}: {status:?}");
            let again = table.claim(&claim("second", "12:00:00")).await.unwrap();
            assert_eq!(again, Claimed::Ours, "{table}: {status:?}, to the same address");
        }
    }
}

/// A mail that was settled so: as abandoned by the sweeper, else by its worker.
async fn found_as(table: &Table, status: Status) -> LedgerEntry {
    if status != Status::Abandoned {
        return tried(table, status).await;
    }
    let doubtful = tried(table, Status::Unknown).await;
    assert!(table.close(&buyer(), KEY, &doubtful, status, at("11:00:00")).await.unwrap());
    entry(table).await
}

#[tokio::test]
async fn the_time_to_be_tried_begins_anew_with_the_next_claim() {
    let table = dynamo().await;
    let found = tried(&table, Status::Unknown).await;
    assert!(table.resend(KEY, &found, at("12:00:00")).await);
    let Table::Dynamo { engine, .. } = &table else { unreachable!() };
    let items = engine.items();
    assert_eq!(items[0]["status"]["S"], "retry");
    assert!(items[0].get("firstTriedAt").is_none(), "{items:?}");
    assert_eq!(table.claim(&claim("second", "13:00:00")).await.unwrap(), Claimed::Ours);
    assert_eq!(entry(&table).await.first_tried_at, at("13:00:00"));
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
        let again = table.claim(&claim("second", "12:01:00")).await.unwrap();
        assert!(matches!(again, Claimed::Held(_)), "{table}: it need not be sent");
    }
}
