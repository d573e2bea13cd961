//! The commands about all buyers, `list` and `held`, and the tables of a DynamoDB engine on which most tests run.

use std::collections::BTreeMap;

use cli::{Exit, Tables};
use contract::receipt::{Kind, Receipt};
use contract::stored::StoredCommit;
use domain::{CarId, CloseReason, Contact, Event, Fact, LeadId, OfferVersion, Sequence};
use dynoxide::Database;
use event_store::{Appended, Appending, EventStore as _, Head, load};
use jiff::{SignedDuration, Timestamp};
use leads_store::{
    AddressDigest, Claim, Claimed, Closing, DynamoReceipts, Held, HeldAtHead, LeadChange, LeadsStore as _,
    Opening, Progress, ReceiptOutcome, Receipts as _, Settled, Status, Taking, Verdict,
};
use serde_json::{Value, json};
use testkit::clauses::Front;
use testkit::{accepted, buyer, contact, made, offer, withdrawn};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::world::{Ended, assert_golden, aws_at, online};

/// Both tables with their indexes. All recorded times are in 2020, so that they are old by any clock.
pub(crate) struct World {
    pub(crate) url: String,
    _front: Front,
    pub(crate) tables: Tables,
    /// The same, without the front that tests the clauses of requests: faster, to set up many buyers.
    pub(crate) direct: Tables,
    database: Database,
    serving: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(crate) fn at(time: &str) -> Timestamp {
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
        let of_streams = [("feed", "feed", "recordedAt")];
        let of_leads = [("open-leads", "openLeads", "openedAt"), ("open-work", "openWork", "due")];
        for definition in
            [table("streams", "sequence", "N", &of_streams), table("leads", "kind", "S", &of_leads)]
        {
            database.create_table(serde_json::from_value(definition).unwrap()).unwrap();
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let engine = format!("http://{}", listener.local_addr().unwrap());
        let direct = Tables::on(&aws_at(&engine), "streams", "leads");
        let front = Front::before(engine).await;
        let url = front.url().to_owned();
        let serving = tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        let tables = Tables::on(&aws_at(&url), "streams", "leads");
        Self { url, _front: front, tables, direct, database, serving }
    }

    pub(crate) async fn leads(&self, arguments: &[&str]) -> Ended {
        online(&self.url, arguments).await
    }

    pub(crate) async fn record(&self, name: &str, events: &[Event], time: &str) {
        let buyer = buyer(name);
        let mut appending = Appending::onto(load(&self.tables.streams, &buyer).await.unwrap()).live();
        for event in events {
            appending.take(event.clone().into());
        }
        let (commit, _) = appending.commit(&buyer, at(time)).unwrap();
        assert_eq!(self.tables.streams.append(&commit).await.unwrap(), Appended::Written);
    }

    /// Records facts of a buyer, who stays in shadow unless a fact makes it live.
    pub(crate) async fn in_shadow(&self, name: &str, facts: &[Fact]) {
        let buyer = buyer(name);
        let mut appending = Appending::onto(load(&self.tables.streams, &buyer).await.unwrap());
        for fact in facts {
            appending.take(fact.clone());
        }
        let (commit, _) = appending.commit(&buyer, at("10:00:00")).unwrap();
        assert_eq!(self.tables.streams.append(&commit).await.unwrap(), Appended::Written);
    }

    /// The names of all facts in a buyer's stream, in order.
    pub(crate) async fn facts(&self, name: &str) -> Vec<&'static str> {
        let commits = event_store::history(&self.tables.streams, &buyer(name)).await.unwrap();
        commits.iter().flat_map(|commit| &commit.facts).map(Fact::name).collect()
    }

    pub(crate) async fn is_live(&self, name: &str) -> bool {
        load(&self.tables.streams, &buyer(name)).await.unwrap().is_live
    }

    /// Commits of a stream, without writing them.
    pub(crate) fn commits(name: &str, events: &[&[Event]]) -> Vec<StoredCommit> {
        let mut head = Head::default();
        let commit = |events: &&[Event]| {
            let mut appending = Appending::onto(head.clone()).live();
            for event in *events {
                appending.take(event.clone().into());
            }
            let (commit, after) = appending.commit(&buyer(name), at("10:00:00")).unwrap();
            head = after;
            commit
        };
        events.iter().map(commit).collect()
    }

    /// All items of a table in the order of their keys, read directly.
    pub(crate) fn items(&self, table: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut scan = json!({ "TableName": table });
        loop {
            let request = serde_json::from_value(scan.clone()).unwrap();
            let mut page = serde_json::to_value(self.database.scan(request).unwrap()).unwrap();
            items.extend(page["Items"].as_array().unwrap().iter().cloned());
            let last = page["LastEvaluatedKey"].take();
            if last.is_null() {
                items.sort_by_key(ToString::to_string);
                return items;
            }
            scan["ExclusiveStartKey"] = last;
        }
    }

    /// Deletes a commit, which no version of this software does.
    pub(crate) fn remove(&self, name: &str, sequence: u64) {
        let key = json!({ "buyer": { "S": name }, "sequence": { "N": sequence.to_string() } });
        let delete = json!({ "TableName": "streams", "Key": key });
        self.database.delete_item(serde_json::from_value(delete).unwrap()).unwrap();
    }

    /// Deletes the sweeper's own item, as in a new stack.
    pub(crate) fn forget_sweeps(&self) {
        let key = json!({ "buyer": { "S": "sweeper/place" }, "kind": { "S": "place" } });
        let delete = json!({ "TableName": "leads", "Key": key });
        self.database.delete_item(serde_json::from_value(delete).unwrap()).unwrap();
    }

    /// Writes open work that no version of this software wrote.
    pub(crate) fn put_unreadable_work(&self) {
        let texts = [("buyer", "ada"), ("kind", "riddle"), ("openWork", "held#0"), ("due", "2020")];
        let item: Value =
            texts.into_iter().map(|(name, text)| (name.to_owned(), json!({ "S": text }))).collect();
        let put = json!({ "TableName": "leads", "Item": item });
        self.database.put_item(serde_json::from_value(put).unwrap()).unwrap();
    }

    /// Adds this many buyers that are behind, copied from this one.
    pub(crate) fn put_behind_like(&self, name: &str, number: usize) {
        let mut item = self.items("leads").into_iter().find(|item| item["buyer"]["S"] == name).unwrap();
        for number in 0..number {
            item["buyer"]["S"] = format!("buyer-{number}").into();
            item["openWork"]["S"] = format!("behind#{}", number % 4).into();
            let put = json!({ "TableName": "leads", "Item": item });
            self.database.put_item(serde_json::from_value(put).unwrap()).unwrap();
        }
    }

    /// Writes open low leads of `buyer-0`, `buyer-1` and so on, oldest first, as announced.
    pub(crate) fn put_leads(&self, number: usize, contact: Option<&Contact>) {
        let begin = at("00:00:00");
        for number in 0..number {
            let opened = begin + SignedDuration::from_millis(i64::try_from(number).unwrap());
            let texts = [
                ("buyer", format!("buyer-{number}")),
                ("kind", "lead/low/1".to_owned()),
                ("priority", "low".to_owned()),
                ("openedAt", format!("{opened:.3}")),
                ("openLeads", format!("low#{}", number % 4)),
                ("offer", "car-1".to_owned()),
            ];
            let mut item: Value =
                texts.into_iter().map(|(name, text)| (name.to_owned(), json!({ "S": text }))).collect();
            if let Some(Contact { name, email, phone }) = contact {
                let fields = [("name", Some(name)), ("email", Some(email)), ("phone", phone.as_ref())];
                let fields = fields
                    .into_iter()
                    .filter_map(|(name, text)| Some((name.to_owned(), json!({ "S": text? }))));
                item["contact"] = json!({ "M": fields.collect::<Value>() });
            }
            let put = json!({ "TableName": "leads", "Item": item });
            self.database.put_item(serde_json::from_value(put).unwrap()).unwrap();
        }
    }

    pub(crate) async fn settle(&self, name: &str, through: u64) {
        self.progress(name, Progress { through: Sequence::new(through), ..Progress::default() }).await;
    }

    /// Moves the cursor, with the opening of a lead of this offer.
    pub(crate) async fn announce(&self, name: &str, through: u64, (lead, of): (&str, &str), time: &str) {
        let car = Some(CarId::parse(of).unwrap());
        let opening = Opening { offer: offer(of), car, contact: contact(), at: at(time) };
        let change = LeadChange { opened: Some(opening), closed: None };
        let leads = BTreeMap::from([(LeadId::parse(lead).unwrap(), change)]);
        self.progress(name, Progress { through: Sequence::new(through), leads, ..Progress::default() }).await;
    }

    async fn progress(&self, name: &str, progress: Progress) {
        self.tables.leads.move_cursor(&buyer(name), &progress, None).await.unwrap();
    }

    /// Records in the leads table that the buyer holds events, the oldest at this sequence number.
    pub(crate) async fn holds(&self, name: &str, sequence: u64, through: u64) {
        let oldest =
            Some(Held { sequence: Sequence::new(sequence), since: at("10:00:00"), due: at("10:00:00") });
        let held = Some(HeldAtHead { oldest, is_known: false });
        self.progress(name, Progress { through: Sequence::new(through), held, ..Progress::default() }).await;
    }

    /// Claims an e-mail of a buyer and settles it with this status.
    pub(crate) async fn email(&self, name: &str, key: &str, status: Status, reason: Option<&str>) {
        self.email_since(name, key, status, reason, at("10:00:01")).await;
    }

    /// Claims an e-mail of a buyer and settles it with this status at `now`.
    pub(crate) async fn email_since(
        &self,
        name: &str,
        key: &str,
        status: Status,
        reason: Option<&str>,
        now: Timestamp,
    ) {
        self.settle_email(name, key, (1, 0), status, reason, now).await;
    }

    /// The same for an e-mail of the fact with this sequence number, while the stream ends at `head`.
    pub(crate) async fn mailed(
        &self,
        name: &str,
        key: &str,
        (sequence, head): (u64, u64),
        status: Status,
        reason: Option<&str>,
        time: &str,
    ) {
        self.settle_email(name, key, (sequence, head), status, reason, at(time)).await;
    }

    async fn settle_email(
        &self,
        name: &str,
        key: &str,
        (sequence, head): (u64, u64),
        status: Status,
        reason: Option<&str>,
        now: Timestamp,
    ) {
        let claim = Claim {
            buyer: buyer(name),
            key: key.to_owned(),
            sequence: Sequence::new(sequence),
            nonce: "first".to_owned(),
            address: AddressDigest::of("ada.canary@example.com"),
            head: Sequence::new(head),
            now: at("10:00:00"),
            taking: Taking::Attempt(at("10:00:30")),
            found: None,
            first_tried_at: Some(at("10:00:00")),
        };
        assert_eq!(self.tables.leads.claim(&claim).await.unwrap(), Claimed::Ours);
        let verdict = Verdict {
            nonce: claim.nonce,
            from: Verdict::BY_CLAIMANT,
            status,
            message_id: None,
            reason: reason.map(str::to_owned),
            due: status.is_open().then(|| at("11:00:00")),
            head: None,
            now,
        };
        assert_eq!(self.tables.leads.settle(&buyer(name), key, &verdict).await.unwrap(), Settled::Done);
    }

    /// Records a receipt of SES for the first attempt.
    pub(crate) async fn receive(&self, name: &str, kind: Kind) -> ReceiptOutcome {
        let receipt = Receipt {
            buyer: buyer(name),
            effect: "quote-email".to_owned(),
            nonce: "first".to_owned(),
            kind,
            message_id: "ses-1".to_owned(),
        };
        let client = aws_sdk_dynamodb::Client::new(&aws_at(&self.url));
        DynamoReceipts::new(client, "leads".to_owned()).apply_receipt(&receipt, at("12:00:00")).await.unwrap()
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
    let change = LeadChange { opened: Some(opening), closed: None };
    Progress { through: Sequence::new(1), leads: BTreeMap::from([(lead, change)]), ..Progress::default() }
}

/// Two open high leads, two open low leads, and one closed lead.
async fn with_leads() -> World {
    let world = World::start().await;
    world.progress("ada", opened(high(), "10:03:00")).await;
    world.progress("bob", opened(low(), "10:02:00")).await;
    world.progress("cem", opened(high(), "10:01:00")).await;
    world.progress("dan", opened(low(), "10:00:00")).await;
    world.progress("eve", opened(low(), "09:00:00")).await;
    let closed = Some(Closing { reason: CloseReason::OfferWithdrawn, at: at("11:00:00") });
    let leads = BTreeMap::from([(low(), LeadChange { opened: None, closed })]);
    world.progress("eve", Progress { through: Sequence::new(2), leads, ..Progress::default() }).await;
    world
}

#[tokio::test]
async fn open_leads_are_listed_oldest_first_and_contacts_only_on_request() {
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
async fn held_lists_gaps_read_from_the_streams_longest_waiting_first() {
    let world = World::start().await;
    world.record("ada", &[made("car-1")], "10:00:00").await;
    world.record("ada", &[accepted("car-1").v(3), withdrawn("car-1").v(4)], "10:05:00").await;
    world.record("ada", &[accepted("car-2").v(2)], "10:06:00").await;
    world.holds("ada", 2, 4).await;
    world.record("bob", &[withdrawn("car-1").v(2)], "10:01:00").await;
    world.holds("bob", 1, 1).await;
    // The leads table still records a held event, but its gap has been filled.
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
