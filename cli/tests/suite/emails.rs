//! `leads emails`: listing by status, sending again one or many, and lifting stops, on tables of a DynamoDB engine.

use cli::Exit;
use contract::receipt::Kind;
use contract::stored::Act;
use jiff::{SignedDuration, Timestamp};
use leads_store::{LeadsStore as _, LedgerEntry, ReceiptOutcome, Settled, Status, Verdict, WorkKind};
use serde_json::json;
use testkit::buyer;
use testkit::wire::{Answer, Reply, Request, Wire};

use crate::all_buyers::{World, at};
use crate::world::online;

impl World {
    async fn entry(&self, name: &str, key: &str) -> LedgerEntry {
        self.tables.leads.about(&buyer(name)).await.unwrap().ledger[key].clone()
    }

    async fn statuses(&self) -> Vec<(&'static str, &'static str)> {
        let mut statuses = Vec::new();
        for name in ["ada", "bob", "cem", "dan"] {
            statuses.push((name, self.entry(name, "quote-email").await.status.name()));
        }
        statuses
    }
}

/// Four e-mails: those of ada and cem were rejected long ago, bob's an hour ago, each with a reason; dan's was sent.
async fn rejected() -> World {
    let world = World::start().await;
    let an_hour_ago = Timestamp::now() - SignedDuration::from_hours(1);
    for (name, reason, since) in [
        ("ada", Some("BadRequestException"), at("10:00:01")),
        ("bob", Some("BadRequestException"), an_hour_ago),
        ("cem", Some("address-stopped"), at("10:00:02")),
    ] {
        world.email_since(name, "quote-email", Status::Rejected, reason, since).await;
    }
    world.email("dan", "quote-email", Status::Sent, None).await;
    world
}

#[tokio::test]
async fn e_mails_are_listed_by_status_and_a_scan_prints_its_cost() {
    let world = World::start().await;
    world.email("ada", "quote-email", Status::Unknown, Some("timed out")).await;
    world.email("bob", "quote-email", Status::Sent, None).await;
    world.email("bob", "accepted-email/car-1/2", Status::Rejected, Some("bad address")).await;
    let open = world.leads(&["emails", "--status", "unknown"]).await;
    assert_eq!((open.exit, open.err.as_str()), (Exit::Good, ""), "an indexed status needs no scan");
    assert!(
        open.out.contains("ada/quote-email") && open.out.ends_with("\n1 e-mail: 1 for `timed out`\n"),
        "{}",
        open.out
    );
    let scanned = world.leads(&["emails", "--status", "rejected"]).await;
    assert!(scanned.out.contains("bob/accepted-email/car-1/2"), "{}", scanned.out);
    assert!(scanned.out.ends_with("\n1 e-mail: 1 for `bad address`\n"), "{}", scanned.out);
    assert!(
        scanned.err.contains("the whole leads table was read, 3 items on 1 page for 0.5 read units"),
        "{}",
        scanned.err
    );
    let json = world.leads(&["emails", "--status", "sent", "--json"]).await.json();
    assert_eq!(json["emails"][0]["buyerId"], "bob");
    assert_eq!(json["scanned"]["items"], 3);
    let none = world.leads(&["emails", "--status", "retry"]).await;
    assert_eq!(none.out, "No e-mail has the status `retry`.\n");
}

#[tokio::test]
async fn an_e_mail_is_sent_again_only_after_a_confirmation() {
    for status in [Status::Unknown, Status::Abandoned, Status::Rejected] {
        let world = World::start().await;
        let first = if status == Status::Rejected { status } else { Status::Unknown };
        world.email("ada", "quote-email", first, Some("timed out")).await;
        if status == Status::Abandoned {
            let verdict = Verdict {
                nonce: "first".to_owned(),
                from: &[Status::Unknown],
                status,
                message_id: None,
                reason: None,
                due: None,
                head: None,
                now: at("11:00:00"),
            };
            let ended = world.tables.leads.settle(&buyer("ada"), "quote-email", &verdict).await;
            assert_eq!(ended.unwrap(), Settled::Done);
        }
        let asked = world.leads(&["emails", "--resend", "ada/quote-email"]).await;
        assert_eq!(asked.exit, Exit::Failed);
        assert!(asked.err.contains("sending ada/quote-email"), "{}", asked.err);
        assert_eq!(
            asked.err.contains(", perhaps a second time"),
            status != Status::Rejected,
            "{}",
            asked.err
        );
        assert_eq!(world.entry("ada", "quote-email").await.status, status);

        let before = Timestamp::now();
        let ended = world.leads(&["emails", "--resend", "ada/quote-email", "--yes", "--json"]).await;
        assert_eq!(ended.exit, Exit::Good, "{}", ended.err);
        assert_eq!(ended.json()["status"], "retry");
        let entry = world.entry("ada", "quote-email").await;
        assert_eq!((entry.status, entry.nonce.as_str(), &entry.reason), (Status::Retry, "first", &None));
        let rounded = before - jiff::SignedDuration::from_millis(1);
        assert!(entry.due.unwrap() >= rounded);
        assert_eq!(entry.first_tried_at, None, "the time limit for retries starts again");
        assert_eq!(world.tables.leads.open_work_of(&WorkKind::ALL).await.unwrap().len(), 1);

        let again = world.leads(&["emails", "--resend", "ada/quote-email", "--yes"]).await;
        assert_eq!(again.exit, Exit::Findings);
        assert!(
            again.err.contains("is `retry`: only `unknown`, `abandoned` and `rejected` e-mails"),
            "{}",
            again.err
        );

        // A late receipt of the first attempt.
        assert_eq!(world.receive("ada", Kind::Delivered).await, ReceiptOutcome::Settled);
        assert_eq!(
            world.tables.leads.open_work_of(&WorkKind::ALL).await.unwrap(),
            vec![],
            "the e-mail need not be sent again"
        );
    }
}

#[tokio::test]
async fn resending_an_unknown_e_mail_is_reported() {
    let ended = World::start().await.leads(&["emails", "--resend", "ada/quote-email", "--yes"]).await;
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Findings, ""));
    assert_eq!(ended.err, "there is no e-mail ada/quote-email\n");
}

#[tokio::test]
async fn rejected_e_mails_are_listed_and_counted_by_reason() {
    let world = rejected().await;
    let text = world.leads(&["emails", "--status", "rejected"]).await;
    assert_eq!(text.exit, Exit::Good);
    let counts = "\n3 e-mails: 2 for `BadRequestException`, 1 for `address-stopped`\n";
    assert!(text.out.ends_with(counts), "{}", text.out);
    let json = world.leads(&["emails", "--status", "rejected", "--json"]).await.json();
    assert_eq!(json["count"], 3);
    assert_eq!(json["reasons"], json!({ "address-stopped": 1, "BadRequestException": 2 }));
}

#[tokio::test]
async fn e_mails_are_selected_by_age_and_by_the_beginning_of_their_reason() {
    let world = rejected().await;
    for (options, selected) in [
        (&["--newer-than", "2h"][..], &["bob"][..]),
        (&["--newer-than", "30m"], &[]),
        (&["--reason", "BadRequest"], &["ada", "bob"]),
        (&["--reason", "address-stopped", "--reason", "Bad"], &["ada", "cem", "bob"]),
        (&["--reason", "Request"], &[]),
        (&["--reason", "Bad", "--newer-than", "90m"], &["bob"]),
    ] {
        let arguments = [&["emails", "--status", "rejected", "--json"], options].concat();
        let json = world.leads(&arguments).await.json();
        let buyers: Vec<&str> =
            json["emails"].as_array().unwrap().iter().map(|row| row["buyerId"].as_str().unwrap()).collect();
        assert_eq!(buyers, selected, "{options:?}");
    }
}

#[tokio::test]
async fn without_yes_selected_e_mails_are_only_listed_and_counted() {
    let world = rejected().await;
    let before = world.statuses().await;
    let many = ["emails", "--resend", "--status", "rejected", "--reason", "BadRequest"];
    let asked = world.leads(&many).await;
    assert_eq!(asked.exit, Exit::Failed);
    assert!(asked.out.contains("ada/quote-email") && asked.out.contains("bob/quote-email"), "{}", asked.out);
    assert!(asked.out.ends_with("\n2 e-mails: 2 for `BadRequestException`\n"), "{}", asked.out);
    assert!(asked.err.contains("4 items on 1 page for 0.5 read units"), "{}", asked.err);
    assert!(asked.err.contains("sending 2 e-mails cannot be undone. Pass --yes"), "{}", asked.err);
    assert_eq!(world.statuses().await, before);

    let done = world.leads(&[&many[..], &["--yes"]].concat()).await;
    assert_eq!(done.exit, Exit::Good, "{}", done.err);
    assert!(
        done.out.ends_with("\n2 e-mails: 2 to be sent by the next sweeps if their premises still hold\n"),
        "{}",
        done.out
    );
    let expected = [("ada", "retry"), ("bob", "retry"), ("cem", "rejected"), ("dan", "sent")];
    assert_eq!(world.statuses().await, expected);
    assert_eq!(world.tables.leads.open_work_of(&WorkKind::ALL).await.unwrap().len(), 2);

    let again = world.leads(&[&many[..], &["--yes"]].concat()).await;
    assert_eq!(again.exit, Exit::Good);
    assert_eq!(again.out, "No `rejected` e-mail matches the options.\n");
}

/// A proxy before the tables of `world` that applies `fault` to every update of bob's items.
async fn with_fault_for_bob(
    world: &World,
    mut fault: impl FnMut(&mut Request) -> Option<Answer> + Send + 'static,
) -> Wire {
    let url = world.url.clone();
    Wire::start(move |request| {
        let is_bobs = request.operation() == "UpdateItem" && request.json()["Key"]["buyer"]["S"] == "bob";
        is_bobs.then(|| fault(request)).flatten().unwrap_or_else(|| Answer::Forward(url.clone()))
    })
    .await
}

#[tokio::test]
async fn an_e_mail_that_changed_after_it_was_read_is_left_alone() {
    let world = rejected().await;
    // The condition names another nonce, as if another attempt had been claimed in between.
    let wire = with_fault_for_bob(&world, |request| {
        let mut body = request.json();
        body["ExpressionAttributeValues"][":nonce"]["S"] = json!("another");
        request.body = body.to_string().into_bytes();
        None
    })
    .await;
    let many = ["emails", "--resend", "--status", "rejected", "--yes"];
    let ended = online(wire.url(), &[&many[..], &["--json"]].concat()).await;
    assert_eq!(ended.exit, Exit::Findings, "{}", ended.err);
    let row =
        |name: &str, outcome: &str| json!({ "buyerId": name, "key": "quote-email", "outcome": outcome });
    let emails = [row("ada", "resent"), row("cem", "resent"), row("bob", "changed")];
    assert_eq!(ended.json(), json!({ "emails": emails, "resent": 2, "changed": 1, "notTried": 0 }));
    let expected = [("ada", "retry"), ("bob", "rejected"), ("cem", "retry"), ("dan", "sent")];
    assert_eq!(world.statuses().await, expected);
}

#[tokio::test]
async fn a_failure_is_reported_together_with_the_e_mails_already_handled() {
    let world = rejected().await;
    let wire =
        with_fault_for_bob(&world, |_| Some(Answer::Reply(Reply::error(400, "AccessDeniedException")))).await;
    let ended = online(wire.url(), &["emails", "--resend", "--status", "rejected", "--yes"]).await;
    assert_eq!(ended.exit, Exit::Failed);
    let counts = "3 e-mails: 2 to be sent by the next sweeps if their premises still hold; \
                  1 not tried, or without an answer: run it again";
    assert!(ended.out.contains(counts), "{}", ended.out);
    assert!(ended.err.contains("AccessDeniedException"), "{}", ended.err);
}

#[tokio::test]
async fn allow_lifts_the_stop_on_all_addresses_of_one_buyer() {
    let world = World::start().await;
    for name in ["ada", "bob"] {
        world.settle(name, 1).await;
        world.email(name, "quote-email", Status::Unknown, None).await;
        assert_eq!(
            world.receive(name, Kind::Complained { at: at("10:05:00") }).await,
            ReceiptOutcome::Settled
        );
    }
    let cursor = async |name: &str| world.tables.leads.cursor(&buyer(name)).await.unwrap();
    let before = cursor("ada").await;
    assert_eq!(before.stopped.len(), 1);

    let lifted = world.leads(&["emails", "--allow", "ada", "--because", "she asked for it"]).await;
    assert_eq!((lifted.exit, lifted.out.as_str()), (Exit::Good, "1 address of ada may get e-mails again.\n"));
    assert!(lifted.err.contains("`leads emails --resend BUYER/KEY` sends one again"), "{}", lifted.err);
    let allowed = Some(Act { by: "unknown".to_owned(), because: "she asked for it".to_owned() });
    let expected = leads_store::Cursor { stopped: [].into(), allowed, ..before };
    assert_eq!(cursor("ada").await, expected);
    assert_eq!(cursor("bob").await.stopped.len(), 1, "only the stop on ada is lifted");

    let json = world.leads(&["emails", "--allow", "bob", "--json"]).await;
    assert_eq!(json.json(), json!({ "buyerId": "bob", "allowed": 1 }));
    for name in ["ada", "nobody"] {
        let nothing = world.leads(&["emails", "--allow", name]).await;
        assert_eq!((nothing.exit, nothing.out.as_str()), (Exit::Findings, ""));
        assert_eq!(nothing.err, format!("no address of {name} is stopped\n"));
    }
    assert_eq!(world.tables.leads.about(&buyer("nobody")).await.unwrap(), leads_store::About::default());
}

#[tokio::test]
async fn a_stop_that_changed_meanwhile_is_not_lifted() {
    let world = World::start().await;
    world.email("bob", "quote-email", Status::Unknown, None).await;
    world.receive("bob", Kind::Complained { at: at("10:05:00") }).await;
    let wire = with_fault_for_bob(&world, |request| {
        let mut body = request.json();
        body["ExpressionAttributeValues"][":found"]["SS"] = json!(["another"]);
        request.body = body.to_string().into_bytes();
        None
    })
    .await;
    let ended = online(wire.url(), &["emails", "--allow", "bob"]).await;
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Findings, ""));
    assert!(ended.err.contains("changed meanwhile: run it again"), "{}", ended.err);
    assert_eq!(world.tables.leads.cursor(&buyer("bob")).await.unwrap().stopped.len(), 1);
}
