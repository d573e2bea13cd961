//! Lifting the stop on addresses: an operator lifts it only for exactly the addresses that are stopped.

use std::collections::BTreeSet;

use contract::receipt::{Kind, Receipt};
use domain::Sequence;
use leads_store::{
    AddressDigest, Claim, Claimed, Cursor, Cursors as _, Ledger as _, ReceiptOutcome, Receipts as _,
};
use testkit::wire::{Answer, Wire, in_turn};

use super::{Table, both, buyer, dynamo, progress};
use crate::attempts::at;
use crate::attempts::claim;
use crate::dynamo::leads_at;

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
        let expected = Cursor { through: Sequence::new(7), ..Cursor::default() };
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
    assert!(leads_at(wire.url()).allow(&buyer(), &stopped).await.unwrap());
    assert_eq!(wire.operations(), ["UpdateItem", "UpdateItem"]);
    assert_eq!(table.cursor(&buyer()).await.unwrap().stopped, BTreeSet::new());
}
