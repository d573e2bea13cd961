//! Requests that DynamoDB refuses: a failed condition is an answer, and anything else is an error. Conditional writes
//! are also observed on the wire, because their refusals keep concurrent writers apart. Items in DynamoDB: the attribute
//! names never change, because every later version reads them.

use std::collections::BTreeMap;

use contract::receipt::{Kind, Receipt};
use domain::{CarId, CloseReason, LeadId, OfferVersion, Sequence};
use leads_store::{
    AddressDigest, Behind, Claim, Claimed, Closing, Cursor, Held, HeldAtHead, LeadChange, LeadsStore as _,
    LedgerEntry, Moved, Opening, Outcome, Progress, Receipts as _, Settled, Status, Verdict,
};
use serde_json::{Value, json};
use testkit::engine::{Engine, LEADS, leads_at, receipts_at};
use testkit::leads::{act, claim, verdict};
use testkit::wire::{Answer, Exchange, Reply, Wire, in_turn};
use testkit::{at, contact, offer};

use super::{Table, buyer, dynamo, progress};

const KEY: &str = "quote-email";

fn settling(progress: Progress) -> Progress {
    let outcomes = BTreeMap::from([("quote/car-1".to_owned(), Outcome::Superseded)]);
    Progress { settled: [(progress.through, outcomes)].into(), ..progress }
}

fn holding(progress: Progress) -> Progress {
    let oldest = Held { sequence: Sequence::new(2), since: at("10:00:01"), due: at("10:00:02") };
    Progress { held: Some(HeldAtHead { oldest: Some(oldest), is_known: false }), ..progress }
}

#[tokio::test]
async fn an_overtaken_worker_needs_one_request_to_know() {
    let engine = Engine::start().await;
    let wire = Wire::start(in_turn([Answer::Forward(engine.url.clone())])).await;
    leads_at(&engine.url).move_cursor(&buyer(), &progress(0, 5), None).await.unwrap();
    let late = [
        (progress(2, 5), "UpdateItem"),
        (progress(2, 4), "UpdateItem"),
        (settling(progress(2, 5)), "TransactWriteItems"),
        (settling(progress(2, 4)), "TransactWriteItems"),
        (holding(progress(4, 4)), "TransactWriteItems"),
    ];
    let leads = leads_at(wire.url());
    for (late, operation) in late {
        let before = wire.operations().len();
        assert_eq!(leads.move_cursor(&buyer(), &late, None).await.unwrap(), Moved::Overtaken, "{late:?}");
        assert_eq!(wire.operations()[before..], [operation], "{late:?}");
    }
}

#[tokio::test]
async fn a_transaction_that_always_conflicts_is_an_error() {
    let reasons = json!([{ "Code": "TransactionConflict" }, { "Code": "TransactionConflict" }]);
    let canceled = json!({ "__type": "TransactionCanceledException", "CancellationReasons": reasons });
    let wire = Wire::start(in_turn([Answer::Reply(Reply::json(400, &canceled))])).await;
    let leads = leads_at(wire.url());
    let error = leads.claim(&claim(KEY, "first", "10:00:00")).await.unwrap_err();
    assert_eq!((error.operation, error.buyer.as_str()), ("TransactWriteItems", "buyer-7"));
    let error = leads.move_cursor(&buyer(), &settling(progress(0, 1)), None).await.unwrap_err();
    assert_eq!((error.operation, error.buyer.as_str()), ("TransactWriteItems", "buyer-7"));
    assert!(
        platform::telemetry::chain(&error).contains("TransactionCanceledException"),
        "{}",
        platform::telemetry::chain(&error)
    );
}

/// An e-mail in doubt, in a leads table behind a wire that loses the first answer.
async fn doubtful_and_lost() -> (Engine, Wire, LedgerEntry) {
    let engine = Engine::start().await;
    let leads = leads_at(&engine.url);
    assert_eq!(leads.claim(&claim(KEY, "first", "10:00:00")).await.unwrap(), Claimed::Ours);
    let unknown = verdict("first", Status::Unknown, "10:00:01");
    assert_eq!(leads.settle(&buyer(), KEY, &unknown).await.unwrap(), Settled::Done);
    let found = entry(&engine).await;
    let url = engine.url.clone();
    let wire = Wire::start(in_turn([Answer::ForwardThenReset(url.clone()), Answer::Forward(url)])).await;
    (engine, wire, found)
}

async fn entry(engine: &Engine) -> LedgerEntry {
    leads_at(&engine.url).about(&buyer()).await.unwrap().ledger.remove(KEY).unwrap()
}

#[tokio::test]
async fn a_resend_succeeds_after_a_lost_answer() {
    let (engine, wire, found) = doubtful_and_lost().await;
    assert!(leads_at(wire.url()).resend(&buyer(), KEY, &found, at("12:00:00"), &act()).await.unwrap());
    assert_eq!(wire.operations(), ["UpdateItem", "UpdateItem"]);
    let entry = entry(&engine).await;
    assert_eq!((entry.status, entry.due), (Status::Retry, Some(at("12:00:00"))));
}

#[tokio::test]
async fn giving_up_succeeds_after_a_lost_answer_only_for_our_own_write() {
    let (engine, wire, found) = doubtful_and_lost().await;
    let leads = leads_at(wire.url());
    let now = "2026-11-23T12:00:00.123456Z".parse().unwrap();
    let given_up = Verdict { now, ..verdict(&found.nonce, Status::Abandoned, "12:00:00") };
    let settle = async |verdict: &Verdict| leads.settle(&buyer(), KEY, verdict).await.unwrap();
    assert!(settle(&given_up).await.is_ours());
    assert_eq!(wire.operations(), ["UpdateItem", "UpdateItem"]);
    assert_eq!(entry(&engine).await.status, Status::Abandoned);
    for other in [
        Verdict { now: at("12:00:01"), ..given_up.clone() },
        Verdict { status: Status::Superseded, ..given_up.clone() },
        Verdict { nonce: "other".to_owned(), ..given_up },
    ] {
        assert!(!settle(&other).await.is_ours(), "{other:?}");
    }
}

#[tokio::test]
async fn a_fenced_ending_succeeds_after_a_lost_answer() {
    let (engine, wire, found) = doubtful_and_lost().await;
    let rejected = verdict(&found.nonce, Status::Rejected, "12:00:00");
    let rejected = Verdict { head: Some(Sequence::START), ..rejected };
    let ended = leads_at(wire.url()).settle(&buyer(), KEY, &rejected).await.unwrap();
    assert!(ended.is_ours(), "{ended:?}");
    assert_eq!(wire.operations(), ["TransactWriteItems", "TransactWriteItems"]);
    assert_eq!(entry(&engine).await.status, Status::Rejected);
}

#[tokio::test]
async fn a_failure_to_forget_a_buyer_is_reported() {
    let denied = || Answer::Reply(Reply::error(400, "AccessDeniedException"));
    let nothing = Answer::Reply(Reply::json(200, &json!({ "Items": [] })));
    let wire = Wire::start(in_turn([nothing, denied()])).await;
    let error = leads_at(wire.url()).forget(&buyer()).await.unwrap_err();
    assert_eq!((error.operation, error.buyer.as_str()), ("UpdateItem", "buyer-7"));
    assert_eq!(wire.operations(), ["Query", "UpdateItem"]);
}

fn text(value: &str) -> Value {
    json!({ "S": value })
}

/// The item of a sent e-mail, with these of the fields that a receipt may change.
fn mail(fields: &[&str]) -> Value {
    let mut item = json!({
        "buyer": text(buyer().as_str()),
        "kind": text(&format!("email/{KEY}")),
        "status": text("sent"),
        "nonce": text("first"),
        "sequence": { "N": "1" },
        "address": text("a digest"),
        "firstTriedAt": text("2026-11-23T10:00:00.000Z"),
        "since": text("2026-11-23T10:00:00.000Z"),
    });
    for field in fields {
        item[field] = text("2026-11-23T10:20:00.000Z");
    }
    item
}

fn receipt(kind: Kind) -> Receipt {
    let (effect, nonce, message_id) = (KEY.to_owned(), "first".to_owned(), "ses-1".to_owned());
    Receipt { buyer: buyer(), effect, nonce, kind, message_id }
}

/// The status of the answer to each update of an item of this kind.
fn answers(wire: &Wire, kind: &str) -> Vec<u16> {
    let concerns = |one: &Exchange| {
        one.request.operation() == "UpdateItem" && one.request.json()["Key"]["kind"]["S"] == kind
    };
    wire.exchanges()
        .iter()
        .filter(|one| concerns(one))
        .map(|one| one.reply.as_ref().unwrap().status)
        .collect()
}

#[tokio::test]
async fn an_entry_changed_since_it_was_read_is_read_again() {
    const CHANGES: [&str; 7] =
        ["nonce", "status", "messageId", "reason", "bouncedAt", "passingBounceAt", "complainedAt"];
    for fields in [
        &[][..],
        &["messageId"],
        &["messageId", "reason"],
        &["messageId", "bouncedAt"],
        &["messageId", "passingBounceAt"],
        &["messageId", "complainedAt"],
        &["messageId", "reason", "bouncedAt", "passingBounceAt", "complainedAt"],
    ] {
        let engine = Engine::start().await;
        for changed in CHANGES {
            engine.put(LEADS, &mail(fields));
            let mut other = mail(fields);
            other[changed] = text(if changed == "status" { "abandoned" } else { "2026-11-23T10:15:00.000Z" });
            let (put, url) = (engine.putting(), engine.url.clone());
            let mut other = Some(other);
            let wire = Wire::start(move |request| match (request.operation(), other.take()) {
                ("UpdateItem", Some(other)) => {
                    put(&other);
                    Answer::Forward(url.clone())
                }
                ("UpdateItem", None) => Answer::Reply(Reply::json(200, &json!({}))),
                (_, before) => {
                    other = before;
                    Answer::Forward(url.clone())
                }
            })
            .await;
            let bounced = Kind::Bounced { at: at("10:10:00"), is_permanent: false };
            receipts_at(wire.url()).apply_receipt(&receipt(bounced), at("10:40:00")).await.unwrap();
            let answers = answers(&wire, &format!("email/{KEY}"));
            assert_eq!(answers.first(), Some(&400), "{changed} of {fields:?}");
            let again = usize::from(changed != "nonce");
            assert_eq!(answers[1..], vec![200; again], "{changed} of {fields:?}");
        }
    }
}

#[tokio::test]
async fn a_stopped_address_is_not_written_again() {
    let engine = Engine::start().await;
    let url = engine.url.clone();
    let wire = Wire::start(move |_| Answer::Forward(url.clone())).await;
    for _ in 0..2 {
        engine.put(LEADS, &mail(&["messageId"]));
        let complained = receipt(Kind::Complained { at: at("10:30:00") });
        receipts_at(wire.url()).apply_receipt(&complained, at("10:40:00")).await.unwrap();
    }
    assert_eq!(answers(&wire, "cursor"), [200, 400]);
    let stopped = leads_at(&engine.url).cursor(&buyer()).await.unwrap().stopped;
    assert_eq!(stopped.len(), 1);
}

#[tokio::test]
async fn an_existing_mark_is_not_written_again() {
    let engine = Engine::start().await;
    let url = engine.url.clone();
    let wire = Wire::start(move |_| Answer::Forward(url.clone())).await;
    let leads = leads_at(wire.url());
    for mark in ["first", "first", "newer"] {
        let (mark, reason) = (mark.to_owned(), "the queue is down".to_owned());
        let behind = Behind { mark, reason, attempts: 1, not_before: at("10:08:00") };
        leads.mark_behind(&buyer(), &behind).await.unwrap();
    }
    assert_eq!(answers(&wire, "cursor"), [200, 400, 200]);
}

#[tokio::test]
async fn items_of_unknown_kinds_are_ignored() {
    let table = dynamo().await;
    let Table::Dynamo { leads, engine, .. } = &table else { panic!("{table}") };
    engine.put(LEADS, &json!({
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
