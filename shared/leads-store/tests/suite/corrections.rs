//! The operators' corrections. The stop on addresses is lifted only for exactly the addresses that are stopped. An
//! e-mail that is sent again is retried as if it had certainly not been sent, unless a receipt shows otherwise.

use std::collections::BTreeSet;

use contract::receipt::{Kind, Receipt};
use domain::Sequence;
use leads_store::{
    AddressDigest, Claim, Claimed, Cursor, LeadsStore as _, LedgerEntry, ReceiptOutcome, Receipts as _,
    Status,
};
use testkit::at;
use testkit::leads::{act, claim};
use testkit::wire::{Answer, Wire, in_turn};

use super::{Table, both, buyer, dynamo, progress};
use testkit::engine::leads_at;

impl Table {
    /// Sends an e-mail to each of these addresses and records a complaint about it. Returns the stopped addresses.
    async fn stopped(&self, addresses: &[&str]) -> BTreeSet<AddressDigest> {
        for address in addresses {
            let key = format!("accepted-email/{address}/1");
            let address = AddressDigest::of(address);
            let claim = Claim { address, ..claim(&key, "first", "10:00:00") };
            assert_eq!(self.claim(&claim).await.unwrap(), Claimed::Ours);
            let receipt = Receipt {
                buyer: buyer(),
                effect: key,
                nonce: "first".to_owned(),
                kind: Kind::Complained { at: at("10:00:01") },
                message_id: "ses-1".to_owned(),
            };
            assert_eq!(self.apply_receipt(&receipt, at("10:00:02")).await.unwrap(), ReceiptOutcome::Settled);
        }
        self.cursor(&buyer()).await.unwrap().stopped
    }
}

#[tokio::test]
async fn lifting_a_stop_frees_all_addresses_and_keeps_the_cursor() {
    for table in both().await {
        table.move_cursor(&buyer(), &progress(0, 7), None).await.unwrap();
        let stopped = table.stopped(&["ada@example.com", "eve@example.com"]).await;
        assert_eq!(stopped.len(), 2, "{table}");
        let ledger = table.contents().await.about.ledger;
        assert!(table.allow(&stopped).await, "{table}");
        let expected = Cursor { through: Sequence::new(7), allowed: Some(act()), ..Cursor::default() };
        assert_eq!(table.cursor(&buyer()).await.unwrap(), expected, "{table}");
        assert_eq!(table.contents().await.about.ledger, ledger, "{table}: the ledger is unchanged");
    }
}

#[tokio::test]
async fn a_stop_added_since_the_read_stays() {
    for table in both().await {
        let found = table.stopped(&["ada@example.com"]).await;
        let now = table.stopped(&["eve@example.com"]).await;
        assert_eq!((found.len(), now.len()), (1, 2), "{table}");
        assert!(!table.allow(&found).await, "{table}");
        assert_eq!(table.cursor(&buyer()).await.unwrap().stopped, now, "{table}");
    }
}

#[tokio::test]
async fn without_stopped_addresses_nothing_is_written() {
    let some = BTreeSet::from([AddressDigest::of("ada@example.com")]);
    for table in both().await {
        for found in [&some, &BTreeSet::new()] {
            assert!(!table.allow(found).await, "{table}: the buyer has no cursor");
        }
        assert_eq!(table.contents().await.about.cursor, Cursor::default(), "{table}");
        table.move_cursor(&buyer(), &progress(0, 7), None).await.unwrap();
        assert!(!table.allow(&BTreeSet::new()).await, "{table}");
    }
}

#[tokio::test]
async fn a_stop_is_lifted_although_the_answer_was_lost() {
    let table = dynamo().await;
    let stopped = table.stopped(&["ada@example.com"]).await;
    let Table::Dynamo { engine, .. } = &table else { unreachable!() };
    let url = engine.url.clone();
    let wire = Wire::start(in_turn([Answer::ForwardThenReset(url.clone()), Answer::Forward(url)])).await;
    assert!(leads_at(wire.url()).allow(&buyer(), &stopped, &act()).await.unwrap());
    assert_eq!(wire.operations(), ["UpdateItem", "UpdateItem"]);
    assert_eq!(table.cursor(&buyer()).await.unwrap().stopped, BTreeSet::new());
}

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
                act: Some(act()),
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
