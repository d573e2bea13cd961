//! What is asked about all buyers: open leads, held events, e-mails; in tables that an engine of DynamoDB keeps.

use std::collections::BTreeMap;

use cli::{Exit, Tables};
use contract::receipt::{Kind, Receipt};
use contract::stored::StoredCommit;
use domain::{CarId, CloseReason, Event, LeadId, OfferVersion, Sequence};
use dynoxide::Database;
use effects::leads::{
    AddressDigest, Claim, Claimed, Closing, Cursors as _, DynamoReceipts, Held, HeldAtHead, LeadTold,
    Learned, Ledger as _, Opening, Progress, Receipts as _, Status, Verdict, Work as _,
};
use event_store::{Appended, Appending, EventStore as _, Head, Performing, load};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::clauses::Front;
use testkit::{accepted, buyer, contact, made, offer, withdrawn};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::world::{Ended, assert_golden, aws_at, online};

/// Both tables with their indexes. Long ago, so that it is old by any clock.
pub(crate) struct World {
    front: Front,
    pub(crate) tables: Tables,
    serving: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn at(time: &str) -> Timestamp {
    format!("2020-01-01T{time}Z").parse().unwrap()
}

fn table(name: &str, sort: &str, kind: &str, indexes: &[(&str, &str, &str)]) -> Value {
    let attribute = |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
    let keys = |partition: &str, sort: &str| json!([{ "AttributeName": partition, "KeyType": "HASH" }, { "AttributeName": sort, "KeyType": "RANGE" }]);
    let mut attributes = vec![attribute("buyer", "S"), attribute(sort, kind)];
    attributes
        .extend(indexes.iter().flat_map(|(_, one, other)| [attribute(one, "S"), attribute(other, "S")]));
    let mut definition = json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attributes,
        "KeySchema": keys("buyer", sort),
    });
    if !indexes.is_empty() {
        definition["GlobalSecondaryIndexes"] = indexes
            .iter()
            .map(|(name, one, other)| {
                json!({
                    "IndexName": name,
                    "KeySchema": keys(one, other),
                    "Projection": { "ProjectionType": "ALL" },
                })
            })
            .collect();
    }
    definition
}

impl World {
    pub(crate) async fn start() -> Self {
        let database = Database::memory().unwrap();
        let of_leads = [("open-leads", "openLeads", "openedAt"), ("open-work", "openWork", "due")];
        for definition in [table("streams", "sequence", "N", &[]), table("leads", "kind", "S", &of_leads)] {
            database.create_table(serde_json::from_value(definition).unwrap()).unwrap();
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let front = Front::before(format!("http://{}", listener.local_addr().unwrap())).await;
        let serving = tokio::spawn(dynoxide::server::serve_on(listener, database));
        let tables = Tables::on(&aws_at(front.url()), "streams", "leads");
        Self { front, tables, serving }
    }

    pub(crate) async fn leads(&self, arguments: &[&str]) -> Ended {
        online(self.front.url(), arguments).await
    }

    pub(crate) async fn record(&self, name: &str, events: &[Event], time: &str) {
        let buyer = buyer(name);
        let mut appending = Appending::onto(load(&self.tables.streams, &buyer).await.unwrap());
        for event in events {
            appending.take(event.clone().into());
        }
        let (commit, _) = appending.commit(&buyer, Performing::Live, at(time)).unwrap();
        assert_eq!(self.tables.streams.append(&commit).await.unwrap(), Appended::Written);
    }

    /// The commits of a stream that is not recorded.
    pub(crate) fn commits(name: &str, events: &[&[Event]]) -> Vec<StoredCommit> {
        let mut head = Head::default();
        let commit = |events: &&[Event]| {
            let mut appending = Appending::onto(head.clone());
            for event in *events {
                appending.take(event.clone().into());
            }
            let (commit, after) = appending.commit(&buyer(name), Performing::Live, at("10:00:00")).unwrap();
            head = after;
            commit
        };
        events.iter().map(commit).collect()
    }

    pub(crate) async fn settle(&self, name: &str, through: u64) {
        self.progress(name, Progress { through: Sequence::new(through), ..Progress::default() }).await;
    }

    async fn progress(&self, name: &str, progress: Progress) {
        self.tables.leads.move_cursor(&buyer(name), &progress, None).await.unwrap();
    }

    /// Says of a buyer that events are held, the oldest at this sequence number.
    async fn holds(&self, name: &str, sequence: u64, through: u64) {
        let oldest =
            Some(Held { sequence: Sequence::new(sequence), since: at("10:00:00"), due: at("10:00:00") });
        let held = Some(HeldAtHead { oldest, is_known: false });
        self.progress(name, Progress { through: Sequence::new(through), held, ..Progress::default() }).await;
    }

    /// An e-mail of a buyer that was tried and settled so.
    async fn email(&self, name: &str, key: &str, status: Status, reason: Option<&str>) {
        let claim = Claim {
            buyer: buyer(name),
            key: key.to_owned(),
            sequence: Sequence::new(1),
            nonce: "first".to_owned(),
            address: AddressDigest::of("ada.canary@example.com"),
            head: Sequence::START,
            now: at("10:00:00"),
            deadline: at("10:00:30"),
            is_shadow: false,
        };
        assert_eq!(self.tables.leads.claim(&claim).await.unwrap(), Claimed::Ours);
        let verdict = Verdict {
            status,
            message_id: None,
            reason: reason.map(str::to_owned),
            due: status.is_open().then(|| at("11:00:00")),
            now: at("10:00:01"),
        };
        assert!(self.tables.leads.settle(&buyer(name), key, "first", &verdict).await.unwrap());
    }
}

fn low() -> LeadId {
    LeadId::Low { opened_at: Sequence::new(1) }
}

fn high() -> LeadId {
    LeadId::High { offer: offer("car-1"), accepted_at: OfferVersion::FIRST.next() }
}

fn opened(lead: LeadId, time: &str) -> Progress {
    let opening = Opening {
        offer: offer("car-1"),
        car: Some(CarId::parse("car-1").unwrap()),
        contact: contact(),
        at: at(time),
    };
    let told = LeadTold { opened: Some(opening), closed: None };
    Progress { through: Sequence::new(1), leads: BTreeMap::from([(lead, told)]), ..Progress::default() }
}

/// Two high leads, two low ones, and one that is closed.
async fn with_leads() -> World {
    let world = World::start().await;
    world.progress("ada", opened(high(), "10:03:00")).await;
    world.progress("bob", opened(low(), "10:02:00")).await;
    world.progress("cem", opened(high(), "10:01:00")).await;
    world.progress("dan", opened(low(), "10:00:00")).await;
    world.progress("eve", opened(low(), "09:00:00")).await;
    let closed = Some(Closing { reason: CloseReason::OfferWithdrawn, at: at("11:00:00") });
    let leads = BTreeMap::from([(low(), LeadTold { opened: None, closed })]);
    world.progress("eve", Progress { through: Sequence::new(2), leads, ..Progress::default() }).await;
    world
}

#[tokio::test]
async fn open_leads_are_listed_oldest_first_with_contacts_only_when_asked_for() {
    let world = with_leads().await;
    let text = world.leads(&["list"]).await;
    assert_eq!((text.exit, text.err.as_str()), (Exit::Good, ""));
    assert_golden("list.txt", &text.out);
    assert!(!text.out.to_lowercase().contains("canary"));
    let json = world.leads(&["list", "--json", "--priority", "high"]).await;
    assert_golden("list.json", &json.out);
    let with_contact = world.leads(&["list", "--contact", "--priority", "low"]).await;
    assert!(with_contact.out.contains("ada.canary@example.com"), "{}", with_contact.out);
    let none = World::start().await.leads(&["list"]).await;
    assert_eq!((none.exit, none.out.as_str()), (Exit::Good, "No leads are open.\n"));
}

#[tokio::test]
async fn held_events_of_all_buyers_are_listed_longest_waiting_first_as_their_streams_say() {
    let world = World::start().await;
    world.record("ada", &[made("car-1")], "10:00:00").await;
    world.record("ada", &[accepted("car-1").v(3), withdrawn("car-1").v(4)], "10:05:00").await;
    world.record("ada", &[accepted("car-2").v(2)], "10:06:00").await;
    world.holds("ada", 2, 4).await;
    world.record("bob", &[withdrawn("car-1").v(2)], "10:01:00").await;
    world.holds("bob", 1, 1).await;
    // Said to hold something, and filled since.
    world.record("cem", &[accepted("car-1").v(2)], "10:00:00").await;
    world.holds("cem", 1, 1).await;
    world.record("cem", &[made("car-1")], "10:02:00").await;

    let text = world.leads(&["held"]).await;
    assert_eq!((text.exit, text.err.as_str()), (Exit::Findings, ""));
    assert_golden("held.txt", &text.out);
    assert_golden("held.json", &world.leads(&["held", "--json"]).await.out);
    let of_one = world.leads(&["held", "--json", "--buyer", "bob"]).await.json();
    assert_eq!(of_one["gaps"].as_array().unwrap().len(), 1);
    let nothing = world.leads(&["held", "--buyer", "cem"]).await;
    assert_eq!((nothing.exit, nothing.out.as_str()), (Exit::Good, "No events are held.\n"));
}

#[tokio::test]
async fn e_mails_are_listed_by_status_and_a_reading_of_the_whole_table_says_what_it_cost() {
    let world = World::start().await;
    world.email("ada", "quote-email", Status::Unknown, Some("timed out")).await;
    world.email("bob", "quote-email", Status::Sent, None).await;
    world.email("bob", "accepted-email/car-1/2", Status::Rejected, Some("bad address")).await;
    let open = world.leads(&["emails", "--status", "unknown"]).await;
    assert_eq!((open.exit, open.err.as_str()), (Exit::Good, ""), "from the index");
    assert!(open.out.contains("ada/quote-email") && open.out.ends_with("1 e-mail\n"), "{}", open.out);
    let scanned = world.leads(&["emails", "--status", "rejected"]).await;
    assert!(scanned.out.contains("bob/accepted-email/car-1/2"), "{}", scanned.out);
    assert!(
        scanned.err.contains("the whole leads table was read, 3 items on 1 page for 0.5 read units"),
        "{}",
        scanned.err
    );
    let json = world.leads(&["emails", "--status", "sent", "--json"]).await.json();
    assert_eq!(json["emails"][0]["buyerId"], "bob");
    assert_eq!(json["scanned"]["items"], 3);
    let none = world.leads(&["emails", "--status", "retry"]).await;
    assert_eq!(none.out, "No e-mails are `retry`.\n");
}

#[tokio::test]
async fn a_doubtful_or_abandoned_e_mail_is_sent_again_only_if_a_person_says_so() {
    for status in [Status::Unknown, Status::Abandoned] {
        let world = World::start().await;
        world.email("ada", "quote-email", Status::Unknown, Some("timed out")).await;
        if status == Status::Abandoned {
            let found = world.tables.leads.about(&buyer("ada")).await.unwrap().ledger["quote-email"].clone();
            let (ada, now) = (buyer("ada"), at("11:00:00"));
            assert!(world.tables.leads.close(&ada, "quote-email", &found, status, now).await.unwrap());
        }
        let asked = world.leads(&["emails", "--resend", "ada/quote-email"]).await;
        assert_eq!(asked.exit, Exit::Failed);
        assert!(asked.err.contains("sending ada/quote-email, perhaps a second time"), "{}", asked.err);

        let before = Timestamp::now();
        let ended = world.leads(&["emails", "--resend", "ada/quote-email", "--yes", "--json"]).await;
        assert_eq!(ended.exit, Exit::Good, "{}", ended.err);
        assert_eq!(ended.json()["status"], "retry");
        let entry = world.tables.leads.about(&buyer("ada")).await.unwrap().ledger["quote-email"].clone();
        assert_eq!((entry.status, entry.nonce.as_str(), &entry.reason), (Status::Retry, "first", &None));
        let rounded = before - jiff::SignedDuration::from_millis(1);
        assert!(entry.first_tried_at >= rounded && entry.due.unwrap() >= rounded, "for another day");
        assert_eq!(world.tables.leads.all_open_work().await.unwrap().len(), 1);

        let again = world.leads(&["emails", "--resend", "ada/quote-email", "--yes"]).await;
        assert_eq!(again.exit, Exit::Findings);
        assert!(again.err.contains("is `retry`: only `unknown` and `abandoned` ones"), "{}", again.err);

        // What SES says late of the first attempt.
        let receipt = Receipt {
            buyer: buyer("ada"),
            effect: "quote-email".to_owned(),
            nonce: "first".to_owned(),
            kind: Kind::Delivered,
            message_id: "ses-1".to_owned(),
        };
        let receipts = DynamoReceipts::new(
            aws_sdk_dynamodb::Client::new(&aws_at(world.front.url())),
            "leads".to_owned(),
        );
        assert_eq!(receipts.learn(&receipt, at("12:00:00")).await.unwrap(), Learned::Settled);
        assert_eq!(world.tables.leads.all_open_work().await.unwrap(), vec![], "it need not be sent");
    }
}

#[tokio::test]
async fn an_e_mail_that_is_not_there_is_told() {
    let ended = World::start().await.leads(&["emails", "--resend", "ada/quote-email", "--yes"]).await;
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Findings, ""));
    assert_eq!(ended.err, "there is no e-mail ada/quote-email\n");
}
