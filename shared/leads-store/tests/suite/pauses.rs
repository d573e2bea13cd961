//! The item of pauses: a change is written only if no other came between, and what cannot be read is an error.

use leads_store::{LeadsStore as _, Pausable, Pause, Pauses};
use serde_json::json;
use testkit::at;
use testkit::engine::{Engine, LEADS, leads_at};
use testkit::wire::{Answer, Wire, in_turn};

use super::{Table, both, dynamo};

fn pause(time: &str) -> Pause {
    Pause { since: at(time), by: "ada".to_owned(), reason: "a wrong template".to_owned() }
}

impl Table {
    async fn change_pauses(&self, found: &Pauses, after: &Pauses) -> bool {
        match self {
            Self::Memory { leads, .. } => leads.change_pauses(found, after),
            Self::Dynamo { leads, .. } => leads.change_pauses(found, after).await.unwrap(),
        }
    }
}

#[tokio::test]
async fn pauses_are_read_back_as_written() {
    for table in both().await {
        let none = table.pauses().await.unwrap();
        assert_eq!(none, Pauses::default(), "{table}");
        let emails = none.paused(&[Pausable::Emails], &pause("10:00:00"));
        let all = emails.paused(&Pausable::ALL, &pause("10:01:00"));
        let sales = all.resumed(&[Pausable::Emails], at("10:02:00"));
        let nothing = sales.resumed(&[Pausable::Sales], at("10:03:00"));
        let mut found = none;
        for after in [emails, all, sales, nothing] {
            assert!(table.change_pauses(&found, &after).await, "{table}");
            found = table.pauses().await.unwrap();
            assert_eq!(found, after, "{table}");
        }
    }
}

#[tokio::test]
async fn pauses_that_changed_meanwhile_stay_as_they_are() {
    for table in both().await {
        let none = Pauses::default();
        let emails = none.paused(&[Pausable::Emails], &pause("10:00:00"));
        let sales = none.paused(&[Pausable::Sales], &pause("10:00:01"));
        assert!(table.change_pauses(&none, &emails).await);
        assert!(!table.change_pauses(&none, &sales).await, "{table}: the first pause");
        let resumed = emails.resumed(&Pausable::ALL, at("10:05:00"));
        assert!(table.change_pauses(&emails, &resumed).await);
        assert!(!table.change_pauses(&emails, &emails.paused(&Pausable::ALL, &pause("10:06:00"))).await);
        assert_eq!(table.pauses().await.unwrap(), resumed, "{table}");
    }
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_succeeds() {
    let engine = Engine::start().await;
    let url = || engine.url.clone();
    let wire = Wire::start(in_turn([Answer::ForwardThenReset(url()), Answer::Forward(url())])).await;
    let emails = Pauses::default().paused(&[Pausable::Emails], &pause("10:00:00"));
    assert!(leads_at(wire.url()).change_pauses(&Pauses::default(), &emails).await.unwrap());
    assert_eq!(wire.operations(), ["UpdateItem", "UpdateItem"]);
}

/// The item is pinned: every later version reads it.
#[tokio::test]
async fn pauses_are_stored_in_one_item_that_belongs_to_no_buyer() {
    let table = dynamo().await;
    let Table::Dynamo { engine, .. } = &table else { unreachable!() };
    let emails = Pauses::default().paused(&[Pausable::Emails], &pause("10:00:00"));
    let sales = emails.resumed(&Pausable::ALL, at("10:05:00")).paused(&[Pausable::Sales], &pause("11:00:00"));
    assert!(table.change_pauses(&Pauses::default(), &sales).await);
    let s = |text: &str| json!({ "S": text });
    let time = |time: &str| s(&format!("2026-11-23T{time}.000Z"));
    assert_eq!(
        engine.items(),
        [json!({
            "buyer": s("effects/pauses"), "kind": s("pauses"), "version": { "N": "3" },
            "sales": { "M": { "since": time("11:00:00"), "by": s("ada"), "reason": s("a wrong template") } },
            "past": { "L": [{ "M": { "since": time("10:00:00"), "until": time("10:05:00") } }] },
        })]
    );
}

#[tokio::test]
async fn pauses_that_cannot_be_read_are_an_error() {
    let pause = json!({ "M": { "since": { "S": "2026-11-23T10:00:00Z" }, "by": { "S": "ada" } } });
    for (name, value) in [
        ("emails", pause),
        ("emails", json!({ "S": "2026-11-23T10:00:00Z" })),
        ("past", json!({ "L": [{ "S": "an hour" }] })),
        ("version", json!({ "S": "one" })),
    ] {
        let engine = Engine::start().await;
        let mut item = json!({
            "buyer": { "S": "effects/pauses" }, "kind": { "S": "pauses" },
            "version": { "N": "1" }, "past": { "L": [] },
        });
        item[name] = value;
        engine.put(LEADS, &item);
        let error = leads_at(&engine.url).pauses().await.unwrap_err();
        assert_eq!((error.operation, error.buyer.as_str()), ("GetItem", "effects/pauses"), "{name}");
    }
}
