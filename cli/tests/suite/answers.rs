//! `show` and `history` of one buyer, on tables of a DynamoDB engine.

use std::collections::BTreeMap;

use cli::{Exit, Tables};
use contract::receipt::{Kind, Receipt};
use domain::{BuyerId, CarId, CloseReason, Event, LeadId, OfferId, OfferVersion, Sequence};
use dynoxide::Database;
use event_store::{Appended, Appending, EventStore as _, load};
use jiff::Timestamp;
use leads_store::{
    About, AddressDigest, Behind, Claim, Claimed, Closing, Cursor, DynamoReceipts, LeadChange,
    LeadsStore as _, Opening, Outcome, Progress, ReceiptOutcome, Receipts as _, Settled, Status, Taking,
    Verdict,
};
use serde_json::json;
use testkit::clauses::Front;
use testkit::wire::{Answer, Reply, Request, Wire, in_turn};
use testkit::{acceptance_withdrawn, accepted, buyer, contact, made, made_by, rejected};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::world::{Ended, assert_golden, aws_at, online};

struct World {
    front: Front,
    tables: Tables,
    buyer: BuyerId,
    serving: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn at(time: &str) -> Timestamp {
    format!("2026-11-23T{time}Z").parse().unwrap()
}

impl World {
    async fn start() -> Self {
        let database = Database::memory().unwrap();
        for (table, sort, kind) in [("streams", "sequence", "N"), ("leads", "kind", "S")] {
            let definition = json!({
                "TableName": table,
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [
                    { "AttributeName": "buyer", "AttributeType": "S" },
                    { "AttributeName": sort, "AttributeType": kind },
                ],
                "KeySchema": [
                    { "AttributeName": "buyer", "KeyType": "HASH" },
                    { "AttributeName": sort, "KeyType": "RANGE" },
                ],
            });
            database.create_table(serde_json::from_value(definition).unwrap()).unwrap();
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let front = Front::before(format!("http://{}", listener.local_addr().unwrap())).await;
        let serving = tokio::spawn(dynoxide::server::serve_on(listener, database));
        let tables = Tables::on(&aws_at(front.url()), "streams", "leads");
        Self { front, tables, buyer: buyer("ada"), serving }
    }

    async fn record(&self, events: &[Event], time: &str) {
        let mut appending = Appending::onto(load(&self.tables.streams, &self.buyer).await.unwrap()).live();
        for event in events {
            appending.take(event.clone().into());
        }
        let (commit, _) = appending.commit(&self.buyer, at(time)).unwrap();
        assert_eq!(self.tables.streams.append(&commit).await.unwrap(), Appended::Written);
    }

    async fn email(&self, key: &str, sequence: u64, time: &str, status: Status, reason: Option<&str>) {
        let claim = Claim {
            buyer: self.buyer.clone(),
            key: key.to_owned(),
            sequence: Sequence::new(sequence),
            nonce: key.to_owned(),
            address: AddressDigest::of("ada.canary@example.com"),
            head: load(&self.tables.streams, &self.buyer).await.unwrap().state.sequence,
            now: at(time),
            taking: Taking::Attempt(at("23:00:00")),
            found: None,
            first_tried_at: Some(at(time)),
        };
        assert_eq!(self.tables.leads.claim(&claim).await.unwrap(), Claimed::Ours);
        let verdict = Verdict {
            nonce: key.to_owned(),
            from: Verdict::BY_CLAIMANT,
            status,
            message_id: None,
            reason: reason.map(str::to_owned),
            due: None,
            head: None,
            now: at(time),
        };
        assert_eq!(self.tables.leads.settle(&self.buyer, key, &verdict).await.unwrap(), Settled::Done);
    }

    /// Records a receipt of SES for the e-mail with this key.
    async fn receive(&self, key: &str, kind: Kind) {
        let receipt = Receipt {
            buyer: self.buyer.clone(),
            effect: key.to_owned(),
            nonce: key.to_owned(),
            kind,
            message_id: "ses-1".to_owned(),
        };
        let client = aws_sdk_dynamodb::Client::new(&aws_at(self.front.url()));
        let receipts = DynamoReceipts::new(client, "leads".to_owned());
        assert_eq!(receipts.apply_receipt(&receipt, at("12:00:00")).await.unwrap(), ReceiptOutcome::Settled);
    }

    async fn progress(&self, progress: Progress) {
        self.tables.leads.move_cursor(&self.buyer, &progress, None).await.unwrap();
    }

    async fn leads(&self, arguments: &[&str]) -> Ended {
        online(self.front.url(), arguments).await
    }
}

fn opened(offer: &str, time: &str) -> LeadChange {
    let opening = Opening {
        offer: OfferId::parse(offer).unwrap(),
        car: Some(CarId::parse(offer).unwrap()),
        contact: contact(),
        at: at(time),
    };
    LeadChange { opened: Some(opening), closed: None }
}

/// One offer is made, and its low lead is announced.
async fn first_step() -> World {
    let world = World::start().await;
    world.record(&[made("car-1")], "10:00:00").await;
    world.email("quote-email", 1, "10:00:01", Status::Sent, None).await;
    let leads = BTreeMap::from([(low_lead(), opened("car-1", "10:00:00"))]);
    world.progress(Progress { through: Sequence::new(1), leads, ..Progress::default() }).await;
    world
}

fn low_lead() -> LeadId {
    LeadId::Low { opened_at: Sequence::new(1) }
}

/// One offer is accepted, a second one is made, and an early event is held; then an e-mail fails and the buyer is
/// behind.
async fn story() -> World {
    let world = first_step().await;
    let high =
        LeadId::High { offer: OfferId::parse("car-1").unwrap(), accepted_at: OfferVersion::new(2).unwrap() };
    let hostile = domain::Contact { name: "Ada\u{1b}[2J Canary".to_owned(), phone: None, ..contact() };
    world
        .record(&[accepted("car-1").v(2), made_by("car-2", hostile), rejected("car-3").v(3)], "10:05:00.25")
        .await;
    world.email("accepted-email/car-1/2", 2, "10:05:01", Status::Unknown, Some("timeout")).await;
    let closing = Closing { reason: CloseReason::OfferAccepted, at: at("10:05:00.25") };
    let quote = BTreeMap::from([("quote/car-2".to_owned(), Outcome::Superseded)]);
    let progress = Progress {
        from: Sequence::new(1),
        through: Sequence::new(4),
        leads: BTreeMap::from([
            (low_lead(), LeadChange { opened: None, closed: Some(closing) }),
            (high, opened("car-1", "10:05:00.25")),
        ]),
        settled: BTreeMap::from([(Sequence::new(3), quote)]),
        ..Progress::default()
    };
    world.progress(progress).await;

    world.record(&[acceptance_withdrawn("car-1").v(3)], "10:10:00").await;
    world.record(&[accepted("car-2").v(2)], "10:11:00").await;
    world
        .email("accepted-email/car-2/2", 6, "10:11:02", Status::Retry, Some("TooManyRequestsException"))
        .await;
    let behind = Behind {
        mark: "m".to_owned(),
        reason: "e-mail not sent: TooManyRequestsException".to_owned(),
        attempts: 1,
        not_before: at("10:13:00"),
    };
    world.tables.leads.mark_behind(&world.buyer, &behind).await.unwrap();
    world.receive("quote-email", Kind::Bounced { at: at("11:00:00"), is_permanent: false }).await;
    world.receive("quote-email", Kind::Complained { at: at("11:30:00") }).await;
    world
}

#[tokio::test]
async fn show_prints_the_current_state_of_a_buyer() {
    let world = story().await;
    let text = world.leads(&["show", "ada"]).await;
    assert_eq!((text.exit, text.err.as_str()), (Exit::Good, ""));
    assert_golden("show.txt", &text.out);
    let json = world.leads(&["show", "ada", "--json"]).await;
    assert_golden("show.json", &json.out);
    for output in [text.out, json.out] {
        assert!(!output.to_lowercase().contains("canary"), "{output}");
    }
}

#[tokio::test]
async fn a_lead_is_open_since_its_opening_was_recorded() {
    let world = first_step().await;
    let lead = json!({
        "leadId": "low/1", "priority": "low", "offerId": "car-1", "since": "2026-11-23T10:00:00Z",
        "announcedBy": "leadstream",
    });
    assert_eq!(world.leads(&["show", "--json", "ada"]).await.json()["openLeads"], json!([lead]));
    assert!(world.leads(&["history", "ada"]).await.out.ends_with("ada: live; all settled\n"));
}

#[tokio::test]
async fn contacts_are_shown_only_on_request_and_cannot_control_the_terminal() {
    let world = story().await;
    assert_golden("show-contact.txt", &world.leads(&["show", "--contact", "ada"]).await.out);
    assert_golden("show-contact.json", &world.leads(&["show", "--contact", "--json", "ada"]).await.out);
}

#[tokio::test]
async fn history_prints_each_fact_with_its_effects_and_their_outcomes() {
    let world = story().await;
    let text = world.leads(&["history", "ada"]).await;
    assert_eq!((text.exit, text.err.as_str()), (Exit::Good, ""));
    assert_golden("history.txt", &text.out);
    let json = world.leads(&["history", "--json", "ada"]).await;
    assert_golden("history.json", &json.out);
    for output in [text.out, json.out] {
        assert!(!output.to_lowercase().contains("canary"), "{output}");
    }
}

#[tokio::test]
async fn show_and_history_report_an_unknown_buyer() {
    let world = World::start().await;
    for form in
        [&["show", "bob"][..], &["history", "bob"], &["show", "--json", "bob"], &["history", "--json", "bob"]]
    {
        let ended = world.leads(form).await;
        assert_eq!((ended.exit, ended.out.as_str()), (Exit::Findings, ""));
        assert_eq!(ended.err, "bob is unknown: the streams table has no event of this buyer\n");
    }
}

fn tables(url: &str) -> cli::Tables {
    cli::Tables::on(&aws_at(url), "streams", "leads")
}

#[tokio::test]
async fn all_pages_of_a_buyer_are_read_and_unknown_kinds_are_skipped() {
    let cursor = json!({ "buyer": { "S": "ada" }, "kind": { "S": "cursor" }, "through": { "N": "7" } });
    let other = json!({ "buyer": { "S": "ada" }, "kind": { "S": "of-a-newer-version/1" } });
    let [first, second] = ["a", "b"].map(|kind| json!({ "buyer": { "S": "ada" }, "kind": { "S": kind } }));
    let page =
        |items, key| Answer::Reply(Reply::json(200, &json!({ "Items": items, "LastEvaluatedKey": key })));
    let wire = Wire::start(in_turn([
        page(json!([]), &first),
        page(json!([other]), &second),
        page(json!([cursor]), &json!({})),
    ]))
    .await;
    let about = tables(wire.url()).leads.about(&buyer("ada")).await.unwrap();
    let through = domain::Sequence::new(7);
    assert_eq!(
        about,
        About { cursor: Cursor { through, behind: None, ..Cursor::default() }, ..About::default() }
    );
    let starts: Vec<_> = wire
        .exchanges()
        .iter()
        .map(|exchange| exchange.request.json()["ExclusiveStartKey"].clone())
        .collect();
    assert_eq!(starts, [json!(null), first, second]);
}

#[tokio::test]
async fn an_unreadable_item_is_an_error_and_is_not_skipped() {
    let broken =
        json!({ "buyer": { "S": "ada" }, "kind": { "S": "email/quote-email" }, "status": { "S": "lost" } });
    let wire =
        Wire::start(move |_: &mut Request| Answer::Reply(Reply::json(200, &json!({ "Items": [broken] }))))
            .await;
    let error = tables(wire.url()).leads.about(&buyer("ada")).await.unwrap_err();
    assert!(platform::telemetry::chain(&error).ends_with("its item email/quote-email cannot be read"));
}

#[tokio::test]
async fn a_missing_table_is_reported_with_a_hint() {
    let wire =
        Wire::start(|_: &mut Request| Answer::Reply(Reply::error(400, "ResourceNotFoundException"))).await;
    for command in ["show", "history"] {
        let ended = online(wire.url(), &[command, "ada"]).await;
        assert_eq!((ended.exit, ended.out.as_str()), (Exit::Failed, ""));
        let expected = "error: cannot access the stream of ada: the streams table did not answer Query for ada: service error: \
                    ResourceNotFoundException";
        assert!(ended.err.starts_with(expected), "{}", ended.err);
        assert!(ended.err.contains("\nhint: no such table or queue"), "{}", ended.err);
    }
}
