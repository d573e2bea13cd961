//! Items in DynamoDB. The attribute names never change, because every later version reads them.

use std::collections::BTreeMap;

use domain::{CarId, CloseReason, LeadId, OfferVersion, Sequence};
use leads_store::{
    AddressDigest, Behind, Claim, Closing, Cursor, Cursors as _, Held, HeldAtHead, LeadChange, Opening,
    Outcome, Progress, Settled, Status,
};
use serde_json::json;
use testkit::{contact, offer};

use super::{Table, buyer, dynamo};
use crate::attempts::at;
use crate::attempts::{claim, verdict};

#[tokio::test]
async fn items_of_unknown_kinds_are_ignored() {
    let table = dynamo().await;
    let Table::Dynamo { leads, engine, .. } = &table else { panic!("{table}") };
    engine.putting()(&json!({
        "buyer": { "S": buyer().as_str() }, "kind": { "S": "later" },
        "sequence": { "N": "1" }, "since": { "S": at("10:00:00").to_string() }, "due": { "S": at("10:00:00").to_string() },
    }));
    let about = leads.about(&buyer()).await.unwrap();
    assert_eq!((about.held, about.cursor), (None, Cursor::default()));
}

#[test]
fn only_sending_unknown_and_retry_are_open_statuses() {
    let all = [
        Status::Sending,
        Status::Unknown,
        Status::Retry,
        Status::Sent,
        Status::Rejected,
        Status::Abandoned,
        Status::Superseded,
        Status::Suppressed,
    ];
    let open: Vec<Status> = all.into_iter().filter(|status| status.is_open()).collect();
    assert_eq!(open, all[..3]);
}

#[tokio::test]
async fn every_kind_of_item_has_its_documented_form() {
    let table = dynamo().await;
    let low = LeadId::Low { opened_at: Sequence::new(1) };
    let high = LeadId::High { offer: offer("car-1"), accepted_at: OfferVersion::FIRST.next() };
    let car = Some(CarId::parse("car-1").unwrap());
    let opened = Some(Opening { offer: offer("car-1"), car, contact: contact(), at: at("10:00:00") });
    let closed = Some(Closing { reason: CloseReason::OfferAccepted, at: at("10:00:01.5") });
    let outcomes = BTreeMap::from([("accepted-email/car-1/2".to_owned(), Outcome::Rejected)]);
    let progress = Progress {
        from: Sequence::START,
        through: Sequence::new(2),
        leads: BTreeMap::from([
            (low, LeadChange { opened: opened.clone(), closed }),
            (high, LeadChange { opened, closed: None }),
        ]),
        settled: BTreeMap::from([(Sequence::new(2), outcomes)]),
        held: Some(HeldAtHead {
            oldest: Some(Held { sequence: Sequence::new(2), since: at("10:00:01"), due: at("11:00:00") }),
            is_known: false,
        }),
    };
    table.move_cursor(&buyer(), &progress, None).await.unwrap();
    let behind = Behind {
        mark: "nonce-3".to_owned(),
        reason: "the queue is down".to_owned(),
        attempts: 2,
        not_before: at("10:02:00"),
    };
    table.mark_behind(&buyer(), &behind).await.unwrap();
    for (key, status) in [
        ("quote-email", Status::Sent),
        ("accepted-email/car-1/2", Status::Unknown),
        ("accepted-email/car-1/4", Status::Sending),
    ] {
        let address = AddressDigest("0123456789abcdef0123456789abcdef".to_owned());
        let claim = Claim { address, ..claim(key, "nonce-1", "10:00:00") };
        table.must_claim(&claim).await;
        if status == Status::Sending {
            continue;
        }
        assert_eq!(table.settles(key, &verdict("nonce-1", status, "10:00:01")).await, Settled::Done);
    }
    let Table::Dynamo { engine, .. } = &table else { unreachable!() };
    let n = |number: &str| json!({ "N": number });
    let s = |text: &str| json!({ "S": text });
    let time = |time: &str| json!({ "S": format!("2026-11-23T{time}Z") });
    let person = json!({ "M": {
        "name": s("Ada Canary"), "email": s("ada.canary@example.com"), "phone": s("+61 400 000 000"),
    } });
    assert_eq!(
        engine.items(),
        [
            json!({ "buyer": s("buyer-7"), "kind": s("cursor"), "through": n("2"), "mark": s("nonce-3"),
                "reason": s("the queue is down"), "attempts": n("2"), "due": time("10:02:00.000"),
                "openWork": s("behind#1"), "holds": { "BOOL": true } }),
            json!({ "buyer": s("buyer-7"), "kind": s("email/accepted-email/car-1/2"), "status": s("unknown"),
                "nonce": s("nonce-1"), "sequence": n("1"), "address": s("0123456789abcdef0123456789abcdef"),
                "firstTriedAt": time("10:00:00.000"), "since": time("10:00:01.000"), "reason": s("a reason"),
                "due": time("11:00:01.000"), "openWork": s("email#1") }),
            json!({ "buyer": s("buyer-7"), "kind": s("email/accepted-email/car-1/4"), "status": s("sending"),
                "nonce": s("nonce-1"), "sequence": n("1"), "address": s("0123456789abcdef0123456789abcdef"),
                "firstTriedAt": time("10:00:00.000"), "since": time("10:00:00.000"), "unsent": { "BOOL": true },
                "due": time("10:00:30.000"), "openWork": s("email#1") }),
            json!({ "buyer": s("buyer-7"), "kind": s("email/quote-email"), "status": s("sent"),
                "nonce": s("nonce-1"), "sequence": n("1"), "address": s("0123456789abcdef0123456789abcdef"),
                "firstTriedAt": time("10:00:00.000"), "since": time("10:00:01.000"), "messageId": s("ses-1") }),
            json!({ "buyer": s("buyer-7"), "kind": s("held"), "sequence": n("2"), "since": time("10:00:01.000"),
                "due": time("11:00:00.000"), "openWork": s("held#1") }),
            json!({ "buyer": s("buyer-7"), "kind": s("lead/high/car-1/2"), "priority": s("high"),
                "openedAt": time("10:00:00.000"), "offer": s("car-1"), "car": s("car-1"), "contact": person,
                "openLeads": s("high#1") }),
            json!({ "buyer": s("buyer-7"), "kind": s("lead/low/1"), "priority": s("low"),
                "openedAt": time("10:00:00.000"), "offer": s("car-1"), "car": s("car-1"),
                "closedAt": time("10:00:01.500"), "closedBecause": s("offer-accepted") }),
            json!({ "buyer": s("buyer-7"), "kind": s("settled/2"),
                "outcomes": { "M": { "accepted-email/car-1/2": s("rejected") } } }),
        ]
    );
}
