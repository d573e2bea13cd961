//! Conditional writes that DynamoDB refuses, observed on the wire: these refusals keep concurrent writers apart.

use contract::receipt::{Kind, Receipt};
use leads_store::{Behind, Cursors as _, Receipts as _};
use serde_json::{Value, json};
use testkit::wire::{Answer, Exchange, Reply, Wire};

use super::buyer;
use crate::attempts::at;
use crate::dynamo::{Engine, leads_at, receipts_at};

const KEY: &str = "quote-email";

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
            engine.putting()(&mail(fields));
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
        engine.putting()(&mail(&["messageId"]));
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
