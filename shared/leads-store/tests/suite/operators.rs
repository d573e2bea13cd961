//! The operators' queries over all buyers, and the removal of an erased buyer's data. Every query goes over a wire that
//! limits pages to one item, as if the items filled megabytes. Buyers with pending effects that nothing will retry: an
//! audit marks them behind, if their cursor is unchanged.

use std::collections::BTreeSet;

use contract::receipt::{Kind, Receipt};
use domain::{BuyerId, CarId, CloseReason, LeadId, Priority, Sequence};
use leads_store::{
    AddressDigest, Behind, Claim, Claimed, Closing, Cursor, DynamoLeads, Held, HeldAtHead, KnownLead,
    LeadChange, LeadLook, LeadsStore as _, LedgerEntry, Open, OpenLead, OpenWork, Opening, Progress,
    Receipts as _, Settled, Status, Verdict, WorkKind,
};
use serde_json::json;
use testkit::leads::{claim, verdict};
use testkit::wire::{Answer, Wire};
use testkit::{at, contact, offer};

use super::{buyer, progress};
use testkit::engine::{Engine, leads_at, receipts_at};

/// Tables behind a wire that limits pages to one item.
struct Paged {
    engine: Engine,
    wire: Wire,
    leads: DynamoLeads,
}

impl Paged {
    async fn start() -> Self {
        let engine = Engine::start().await;
        let url = engine.url.clone();
        let wire = Wire::start(move |request| {
            if ["Query", "Scan"].contains(&request.operation()) {
                let mut body = request.json();
                body["Limit"] = json!(1);
                request.body = body.to_string().into_bytes();
            }
            Answer::Forward(url.clone())
        })
        .await;
        let leads = leads_at(wire.url());
        Self { engine, wire, leads }
    }

    /// Stores a lead of this buyer that was opened, and perhaps closed, at these times.
    async fn lead(&self, name: &str, lead: LeadId, opened: &str, closed: Option<&str>) {
        let reason = CloseReason::OfferAccepted;
        let opened = Some(opening(opened));
        let change = LeadChange { opened, closed: closed.map(|time| Closing { reason, at: at(time) }) };
        let progress = Progress { leads: [(lead, change)].into(), ..progress(0, 1) };
        self.leads.move_cursor(&testkit::buyer(name), &progress, None).await.unwrap();
    }

    /// Stores an e-mail of this buyer, which is attempted and settled with this status.
    async fn email(&self, name: &str, key: &str, address: &str, tried: &str, status: Status) {
        let claim = Claim {
            buyer: testkit::buyer(name),
            address: AddressDigest::of(address),
            ..claim(key, "first", tried)
        };
        assert_eq!(self.leads.claim(&claim).await.unwrap(), Claimed::Ours);
        let due = status.is_open().then(|| claim.now + jiff::SignedDuration::from_mins(1));
        let verdict = Verdict { due, message_id: None, reason: None, ..verdict("first", status, tried) };
        let settled = self.leads.settle(&claim.buyer, key, &verdict).await.unwrap();
        assert_eq!(settled, Settled::Done);
    }

    async fn entry(&self, name: &str, key: &str) -> LedgerEntry {
        self.leads.about(&testkit::buyer(name)).await.unwrap().ledger[key].clone()
    }

    /// The number of requests with this operation.
    fn requests(&self, operation: &str) -> usize {
        self.wire.operations().iter().filter(|sent| *sent == operation).count()
    }
}

fn opening(time: &str) -> Opening {
    Opening {
        offer: offer("car-1"),
        car: Some(CarId::parse("car-1").unwrap()),
        contact: contact(),
        at: at(time),
    }
}

const LOW: LeadId = LeadId::Low { opened_at: Sequence::new(1) };

fn high() -> LeadId {
    LeadId::parse("high/car-1/2").unwrap()
}

#[tokio::test]
async fn open_leads_are_listed_by_priority_oldest_first() {
    let paged = Paged::start().await;
    let opened = [("ada", "10:00:03"), ("bob", "10:00:01"), ("cem", "10:00:04"), ("dee", "10:00:02")];
    for (name, time) in opened {
        paged.lead(name, LOW, time, None).await;
    }
    paged.lead("eve", LOW, "10:00:00", Some("10:00:05")).await;
    paged.lead("fay", high(), "10:00:06", None).await;

    let known = |name: &str, lead: LeadId, time: &str| {
        let Opening { offer, car, contact, at } = opening(time);
        let known =
            KnownLead { offer: Some(offer), car, contact: Some(contact), opened_at: Some(at), closed: None };
        OpenLead { buyer: testkit::buyer(name), lead, known }
    };
    let low = paged.leads.open_leads(Priority::Low).await.unwrap();
    let expected = [("bob", 1), ("dee", 2), ("ada", 3), ("cem", 4)];
    assert_eq!(low, expected.map(|(name, second)| known(name, LOW, &format!("10:00:0{second}"))));
    let high_ones = paged.leads.open_leads(Priority::High).await.unwrap();
    assert_eq!(high_ones, [known("fay", high(), "10:00:06")]);
    assert!(paged.requests("Query") > 8, "{}: more pages than partitions", paged.requests("Query"));
}

#[tokio::test]
async fn a_look_at_open_leads_gives_the_oldest_of_all_shards_in_one_request_each() {
    let paged = Paged::start().await;
    for second in 10..30 {
        paged.lead(&format!("buyer-{second}"), LOW, &format!("10:00:{second}"), None).await;
    }
    // Without the limit of one item.
    let leads = leads_at(&paged.engine.url);
    let look = leads.look_at_leads(Priority::Low, 3).await.unwrap();
    let oldest: Vec<&str> = look.oldest.iter().map(|lead| lead.buyer.as_str()).collect();
    assert_eq!(oldest, ["buyer-10", "buyer-11", "buyer-12"]);
    assert!(look.is_cut && (3..=12).contains(&look.seen), "{look:?}");
    let all = leads.look_at_leads(Priority::Low, 20).await.unwrap();
    assert_eq!((all.oldest.len(), all.seen, all.is_cut), (20, 20, false));
    let none = leads.look_at_leads(Priority::High, 3).await.unwrap();
    assert_eq!(none, LeadLook::default());
    paged.leads.look_at_leads(Priority::Low, 3).await.unwrap();
    assert_eq!(paged.requests("Query"), 4);
}

#[tokio::test]
async fn all_open_work_is_listed_longest_due_first() {
    let paged = Paged::start().await;
    let mark = |mark: &str, time: &str| Behind {
        mark: mark.to_owned(),
        reason: "test".to_owned(),
        attempts: 1,
        not_before: at(time),
    };
    for (name, time) in [("ada", "23:00:00"), ("bob", "10:00:01"), ("cem", "12:00:00"), ("dee", "11:00:00")] {
        paged.leads.mark_behind(&testkit::buyer(name), &mark("m", time)).await.unwrap();
    }
    let oldest = Held { sequence: Sequence::new(1), since: at("10:00:00"), due: at("10:30:00") };
    let held = Some(HeldAtHead { oldest: Some(oldest.clone()), is_known: false });
    paged
        .leads
        .move_cursor(&testkit::buyer("eve"), &Progress { held, ..progress(0, 1) }, None)
        .await
        .unwrap();
    paged.email("fay", "quote-email", "fay@example.com", "13:59:00", Status::Unknown).await;
    paged.email("fay", "accepted-email/car-1/2", "fay@example.com", "10:00:00", Status::Sent).await;

    let entry = Box::new(paged.entry("fay", "quote-email").await);
    let work =
        |name: &str, time: &str, what: Open| OpenWork { buyer: testkit::buyer(name), due: at(time), what };
    let expected = [
        work("bob", "10:00:01", Open::Behind),
        work("eve", "10:30:00", Open::Held(oldest)),
        work("dee", "11:00:00", Open::Behind),
        work("cem", "12:00:00", Open::Behind),
        work("fay", "14:00:00", Open::Email { key: "quote-email".to_owned(), entry }),
        work("ada", "23:00:00", Open::Behind),
    ];
    assert_eq!(paged.leads.open_work_of(&WorkKind::ALL).await.unwrap(), expected);
}

#[tokio::test]
async fn e_mails_of_a_status_are_listed_oldest_first_with_their_cost() {
    let paged = Paged::start().await;
    for (name, time) in [("ada", "10:00:03"), ("bob", "10:00:01"), ("cem", "10:00:02")] {
        paged.email(name, "quote-email", "ada@example.com", time, Status::Rejected).await;
    }
    paged.email("ada", "accepted-email/car-1/2", "ada@example.com", "10:00:00", Status::Sent).await;
    paged.lead("bob", LOW, "10:00:00", None).await;

    let (found, scanned) = paged.leads.scan_emails(Status::Rejected).await.unwrap();
    let mut expected = Vec::new();
    for name in ["bob", "cem", "ada"] {
        let entry = paged.entry(name, "quote-email").await;
        expected.push((testkit::buyer(name), "quote-email".to_owned(), entry));
    }
    assert_eq!(found, expected);
    assert_eq!(scanned.items, 6, "four e-mails, a lead, a cursor");
    assert_eq!(scanned.pages, paged.requests("Scan") as u64);
    assert!(scanned.pages >= 6, "{scanned:?}");
    let units: Vec<f64> = paged
        .wire
        .exchanges()
        .iter()
        .filter(|exchange| exchange.request.operation() == "Scan")
        .map(|exchange| {
            let answer = exchange.reply.as_ref().unwrap().body_json();
            answer["ConsumedCapacity"]["CapacityUnits"].as_f64().unwrap()
        })
        .collect();
    assert!(units.iter().any(|units| *units > 0.0), "{units:?}");
    assert!((scanned.read_units - units.iter().sum::<f64>()).abs() < 1e-9, "{scanned:?} {units:?}");
}

#[tokio::test]
async fn all_items_of_a_buyer_are_read_over_any_number_of_pages() {
    let paged = Paged::start().await;
    let keys: BTreeSet<String> = (1..=5).map(|version| format!("accepted-email/car-1/{version}")).collect();
    for key in &keys {
        paged.email("ada", key, "ada@example.com", "10:00:00", Status::Sent).await;
    }
    paged.lead("ada", LOW, "10:00:00", None).await;
    let about = paged.leads.about(&testkit::buyer("ada")).await.unwrap();
    assert_eq!(about.ledger.into_keys().collect::<BTreeSet<_>>(), keys);
    assert_eq!((about.cursor.through, about.leads.len()), (Sequence::new(1), 1));
}

#[tokio::test]
async fn an_unreadable_item_is_an_error_that_names_it() {
    let paged = Paged::start().await;
    let s = |text: &str| json!({ "S": text });
    let put = paged.engine.putting();
    put(&json!({
        "buyer": s("ada"), "kind": s("lead/high/car-1/2"), "openLeads": s("high#0"), "openedAt": s("?"), "closedBecause": s("?"),
    }));
    put(&json!({
        "buyer": s("ada"), "kind": s("email/quote-email"), "openWork": s("email#0"), "due": s("?"), "status": s("sent"),
    }));
    let error = paged.leads.open_leads(Priority::High).await.map(drop).unwrap_err();
    assert_eq!(error.buyer, "ada");
    assert!(error.source.to_string().contains("lead/high/car-1/2"), "{}", error.source);
    for error in [
        paged.leads.open_work_of(&WorkKind::ALL).await.map(drop).unwrap_err(),
        paged.leads.scan_emails(Status::Sent).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.buyer, "ada");
        assert!(error.source.to_string().contains("email/quote-email"), "{}", error.source);
    }
}

#[tokio::test]
async fn forgetting_a_buyer_removes_only_its_address_digests() {
    let paged = Paged::start().await;
    let (ada, bob) = (testkit::buyer("ada"), testkit::buyer("bob"));
    for name in ["ada", "bob"] {
        paged.email(name, "quote-email", "ada@example.com", "10:00:00", Status::Sent).await;
        paged.email(name, "accepted-email/car-1/2", "other@example.com", "10:00:00", Status::Unknown).await;
        paged.lead(name, LOW, "10:00:00", None).await;
        let receipt = Receipt {
            buyer: testkit::buyer(name),
            effect: "quote-email".to_owned(),
            nonce: "first".to_owned(),
            kind: Kind::Complained { at: at("10:00:01") },
            message_id: "ses-1".to_owned(),
        };
        receipts_at(&paged.engine.url).apply_receipt(&receipt, at("10:00:02")).await.unwrap();
    }
    let before = (paged.leads.about(&ada).await.unwrap(), paged.leads.about(&bob).await.unwrap());
    assert_eq!(before.0.cursor.stopped.len(), 1);

    paged.leads.forget(&ada).await.unwrap();

    let mut expected = before.0.clone();
    expected.cursor.stopped.clear();
    for entry in expected.ledger.values_mut() {
        entry.address = AddressDigest("forgotten".to_owned());
    }
    assert_eq!(paged.leads.about(&ada).await.unwrap(), expected);
    assert_eq!(paged.leads.about(&bob).await.unwrap(), before.1);
    paged.leads.forget(&ada).await.unwrap();
    assert_eq!(paged.leads.about(&ada).await.unwrap(), expected, "repeating changes nothing");
}

#[tokio::test]
async fn forgetting_an_unknown_buyer_writes_nothing() {
    let paged = Paged::start().await;
    let unknown: BuyerId = testkit::buyer("nobody");
    paged.leads.forget(&unknown).await.unwrap();
    assert_eq!(paged.engine.items().len(), 0);
}

fn mark(name: &str) -> Behind {
    let (mark, reason) = (name.to_owned(), "an audit".to_owned());
    Behind { mark, reason, attempts: 1, not_before: at("10:08:00") }
}

fn cursor(through: u64, mark: Behind) -> Cursor {
    Cursor { through: Sequence::new(through), behind: Some(mark), ..Cursor::default() }
}

#[tokio::test]
async fn a_missing_cursor_and_one_at_the_start_can_be_marked_short() {
    let engine = Engine::start().await;
    let leads = leads_at(&engine.url);
    assert!(leads.mark_short(&buyer(), Sequence::START, &mark("first")).await.unwrap());
    assert_eq!(leads.cursor(&buyer()).await.unwrap(), cursor(0, mark("first")));
    assert!(leads.mark_short(&buyer(), Sequence::START, &mark("first")).await.unwrap(), "repeated");
    assert!(!leads.mark_short(&buyer(), Sequence::START, &mark("second")).await.unwrap(), "already marked");
    assert_eq!(leads.cursor(&buyer()).await.unwrap(), cursor(0, mark("first")));
    leads.move_cursor(&buyer(), &progress(0, 0), Some("first")).await.unwrap();
    assert!(leads.mark_short(&buyer(), Sequence::START, &mark("third")).await.unwrap());
    assert_eq!(leads.cursor(&buyer()).await.unwrap(), cursor(0, mark("third")));
}

#[tokio::test]
async fn a_moved_or_marked_cursor_is_not_marked_short() {
    let engine = Engine::start().await;
    let leads = leads_at(&engine.url);
    leads.move_cursor(&buyer(), &progress(0, 4), None).await.unwrap();
    for found in [0, 3] {
        assert!(!leads.mark_short(&buyer(), Sequence::new(found), &mark("first")).await.unwrap(), "{found}");
    }
    assert_eq!(leads.cursor(&buyer()).await.unwrap().behind, None);
    assert!(leads.mark_short(&buyer(), Sequence::new(4), &mark("first")).await.unwrap());
    assert!(!leads.mark_short(&buyer(), Sequence::new(4), &mark("second")).await.unwrap());
    assert_eq!(leads.cursor(&buyer()).await.unwrap(), cursor(4, mark("first")));
}
