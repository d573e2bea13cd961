//! `leads pause` and `leads resume`, on tables of a DynamoDB engine.

use cli::Exit;
use jiff::Timestamp;
use leads_store::{LeadsStore as _, Pauses, Status};
use serde_json::{Value, json};
use testkit::wire::{Answer, Wire};

use crate::all_buyers::World;
use crate::world::online;

impl World {
    async fn pauses(&self) -> Pauses {
        self.tables.leads.pauses().await.unwrap()
    }
}

#[tokio::test]
async fn a_pause_records_who_paused_what_and_why() {
    let world = World::start().await;
    let before = Timestamp::now();
    let paused = world.leads(&["pause", "emails", "--because", " wrong template "]).await;
    assert_eq!(paused.exit, Exit::Good, "{}", paused.err);
    assert!(paused.out.contains("wrong template") && paused.out.contains("not paused"), "{}", paused.out);
    assert!(paused.err.contains("It holds within 40 seconds"), "{}", paused.err);
    let Pauses { emails, sales, past, version } = world.pauses().await;
    let emails = emails.unwrap();
    assert!(emails.since.duration_since(before).as_millis() >= -1 && !emails.by.is_empty());
    assert_eq!((emails.reason.as_str(), sales, past.len(), version), ("wrong template", None, 0, 1));
}

#[tokio::test]
async fn what_is_paused_already_keeps_its_reason() {
    let world = World::start().await;
    world.leads(&["pause", "sales", "--because", "maintenance"]).await;
    let sales = world.pauses().await.sales;
    let all = world.leads(&["pause", "all", "--because", "an incident", "--json"]).await;
    assert_eq!((all.exit, &all.json()["sales"]["reason"]), (Exit::Good, &json!("maintenance")));
    assert_eq!(all.json()["emails"]["reason"], "an incident");
    let found = world.pauses().await;
    assert_eq!(found.sales, sales);

    let again = world.leads(&["pause", "all", "--because", "once more"]).await;
    assert_eq!(again.exit, Exit::Findings);
    assert!(again.err.contains("Nothing was changed: this is paused already"), "{}", again.err);
    assert_eq!(world.pauses().await, found);
}

#[tokio::test]
async fn what_waits_is_shown_and_performed_only_after_a_confirmation() {
    let world = World::start().await;
    world.leads(&["pause", "all", "--because", "an incident"]).await;
    for buyer in ["ada", "bob"] {
        world.email(buyer, "quote-email", Status::Retry, None).await;
    }
    let found = world.pauses().await;
    let asked = world.leads(&["resume"]).await;
    assert_eq!(asked.exit, Exit::Failed);
    assert!(asked.out.contains("an incident"), "{}", asked.out);
    let what =
        "Not done: performing what waits (2 e-mails and 0 buyers) cannot be undone. Pass --yes to confirm.";
    assert!(asked.err.contains(what), "{}", asked.err);
    assert_eq!(world.pauses().await, found);

    let emails = world.leads(&["resume", "emails", "--yes"]).await;
    assert_eq!(
        (emails.exit, emails.err.as_str()),
        (Exit::Good, "The next sweeps perform what waits: 2 e-mails.\n")
    );
    let after = world.pauses().await;
    assert_eq!((after.emails.is_none(), after.past.len(), &after.sales), (true, 1, &found.sales));

    let rest = world.leads(&["resume", "--yes", "--json"]).await;
    assert_eq!((rest.exit, rest.json()), (Exit::Good, json!({ "emails": null, "sales": null })));
    let nothing = world.leads(&["resume", "--yes"]).await;
    assert_eq!(nothing.exit, Exit::Findings);
    assert!(nothing.err.contains("Nothing was changed: this is not paused"), "{}", nothing.err);
}

#[tokio::test]
async fn pauses_that_another_operator_changed_meanwhile_are_left_alone() {
    let world = World::start().await;
    let url = world.url.clone();
    // The condition names another version, as if another operator had come between.
    let wire = Wire::start(move |request| {
        if request.operation() == "UpdateItem" {
            let mut body: Value = request.json();
            body["ConditionExpression"] = json!("version = :version");
            request.body = body.to_string().into_bytes();
        }
        Answer::Forward(url.clone())
    })
    .await;
    let ended = online(wire.url(), &["pause", "all", "--because", "an incident"]).await;
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Failed, ""));
    assert!(ended.err.contains("the pauses changed meanwhile"), "{}", ended.err);
    assert_eq!(world.pauses().await, Pauses::default());
}
