//! The receipts function over a ledger in memory.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::cell::Cell;

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use contract::receipt::{Receipt, tag_value};
use domain::{BuyerId, Sequence};
use futures::executor::block_on;
use jiff::{SignedDuration, Timestamp};
use leads_store::{
    AddressDigest, Claim, Claimed, Cursors as _, LeadsUnavailable, Learned, Ledger as _, MemoryLeads,
    Receipts, Status, Taking,
};
use platform::clock::{Clock, Deadline};
use receipts::Listener;
use serde_json::{Value, json};
use testkit::buyer;

#[derive(Clone, Copy)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        "2026-11-23T10:00:00Z".parse().unwrap()
    }

    fn nonce(&self) -> String {
        "nonce".to_owned()
    }
}

/// A ledger that can be away, and panics about one buyer.
struct Ledger {
    memory: MemoryLeads,
    is_away: Cell<bool>,
    panics_about: BuyerId,
}

impl Receipts for &Ledger {
    async fn learn(&self, receipt: &Receipt, now: Timestamp) -> Result<Learned, LeadsUnavailable> {
        assert_ne!(receipt.buyer, self.panics_about, "a fault of the test");
        if self.is_away.get() {
            let source = "the test says so".into();
            return Err(LeadsUnavailable { operation: "learn", buyer: receipt.buyer.to_string(), source });
        }
        self.memory.learn(receipt, now).await
    }
}

/// A ledger in which the attempt `nonce-1` at each buyer's invitation is under way.
fn ledger(buyers: &[&str]) -> Ledger {
    let memory = MemoryLeads::beside(|_, _| false);
    for name in buyers {
        let claim = Claim {
            buyer: buyer(name),
            key: "quote-email".to_owned(),
            sequence: Sequence::new(1),
            nonce: "nonce-1".to_owned(),
            address: AddressDigest::of("ada@example.com"),
            head: Sequence::START,
            now: Still.now(),
            taking: Taking::Attempt(Still.now()),
            found: None,
            first_tried_at: Some(Still.now()),
        };
        assert_eq!(block_on(memory.claim(&claim)).unwrap(), Claimed::Ours);
    }
    Ledger { memory, is_away: Cell::new(false), panics_about: buyer("bob") }
}

impl Ledger {
    fn status(&self, name: &str) -> Status {
        self.memory.tables().ledger[&(buyer(name), "quote-email".to_owned())].status
    }

    /// What comes back of these bodies, by their places.
    fn hear(&self, bodies: &[String]) -> Vec<usize> {
        self.hear_until(bodies, Still.now() + SignedDuration::from_secs(60))
    }

    fn hear_until(&self, bodies: &[String], deadline: Timestamp) -> Vec<usize> {
        let records = bodies.iter().enumerate().map(|(index, body)| {
            let mut message = SqsMessage::default();
            message.message_id = Some(index.to_string());
            message.body = Some(body.clone());
            message
        });
        let mut event = SqsEvent::default();
        event.records = records.collect();
        let answer = block_on(Listener::new(self, Still).handle(event, Deadline::at(deadline)));
        answer.batch_item_failures.iter().map(|failure| failure.item_identifier.parse().unwrap()).collect()
    }
}

fn told_of(name: &str, nonce: &str, kind: &str) -> String {
    json!({
        "eventType": kind,
        "mail": {
            "messageId": "ses-1",
            "tags": {
                "buyer": [tag_value(name)],
                "effect": [tag_value("quote-email")],
                "nonce": [tag_value(nonce)],
                "ses:configuration-set": ["leadstream-emails"],
            },
        },
        "bounce": { "bounceType": "Permanent", "timestamp": "2026-11-23T10:00:05Z" },
    })
    .to_string()
}

#[test]
fn each_receipt_settles_its_attempt() {
    let ledger = ledger(&["ada", "cem", "dee"]);
    let bodies = [told_of("ada", "nonce-1", "Delivery"), told_of("cem", "nonce-1", "Reject")];
    assert_eq!(ledger.hear(&bodies), [0; 0]);
    assert_eq!([ledger.status("ada"), ledger.status("cem")], [Status::Sent, Status::Rejected]);
    assert_eq!(ledger.status("dee"), Status::Sending, "nothing was told of it");
    assert_eq!(ledger.hear(&[told_of("dee", "nonce-1", "Bounce")]), [0; 0]);
    let stopped = block_on(ledger.memory.cursor(&buyer("dee"))).unwrap().stopped;
    assert!(stopped.contains(&AddressDigest::of("ada@example.com")));
}

#[test]
fn what_is_taken_out_of_the_spam_folder_was_sent_and_stops_nothing() {
    let ledger = ledger(&["ada"]);
    let told = |kind: &str| {
        let mut body: Value = serde_json::from_str(&told_of("ada", "nonce-1", "Complaint")).unwrap();
        body["complaint"] = json!({ "complaintFeedbackType": kind, "timestamp": "2026-11-24T08:41:02.669Z" });
        body.to_string()
    };
    let stopped = || block_on(ledger.memory.cursor(&buyer("ada"))).unwrap().stopped;
    assert_eq!(ledger.hear(&[told("not-spam")]), [0; 0]);
    assert_eq!((ledger.status("ada"), stopped().len()), (Status::Sent, 0));
    // Of an unknown type, with a text cut within an emoji.
    let unknown = told("later").replace("later", "later \\ud83d");
    assert_eq!(ledger.hear(&[unknown]), [0; 0]);
    assert!(stopped().contains(&AddressDigest::of("ada@example.com")));
}

#[test]
fn forged_strange_and_foreign_ones_are_acknowledged_and_change_nothing() {
    let ledger = ledger(&["ada"]);
    let before = ledger.memory.tables();
    let bodies = [
        told_of("ada", "forged", "Bounce"),
        told_of("nobody", "nonce-1", "Bounce"),
        told_of("ada", "nonce-1", "Open"),
        json!({ "eventType": "Bounce", "mail": { "tags": {} }, "bounce":
            { "bounceType": "Permanent", "timestamp": "2026-11-23T10:00:05Z" } })
        .to_string(),
        "Successfully validated SNS topic for Amazon SES event publishing.".to_owned(),
    ];
    assert_eq!(ledger.hear(&bodies), [0; 0]);
    assert_eq!(ledger.memory.tables(), before);
}

#[test]
fn one_that_cannot_be_read_or_makes_the_code_panic_comes_back_and_harms_no_neighbour() {
    let ledger = ledger(&["ada", "bob", "cem"]);
    let bodies = [
        told_of("ada", "nonce-1", "Send"),
        "{".to_owned(),
        told_of("bob", "nonce-1", "Send"),
        told_of("cem", "nonce-1", "Send"),
    ];
    assert_eq!(ledger.hear(&bodies), [1, 2]);
    assert_eq!([ledger.status("ada"), ledger.status("cem")], [Status::Sent, Status::Sent]);
}

#[test]
fn nothing_is_acknowledged_while_the_ledger_is_away_or_there_is_no_time_left() {
    let ledger = ledger(&["ada"]);
    let bodies = [told_of("ada", "nonce-1", "Send"), told_of("ada", "nonce-1", "Delivery")];
    ledger.is_away.set(true);
    assert_eq!(ledger.hear(&bodies), [0, 1]);
    ledger.is_away.set(false);
    assert_eq!(ledger.hear_until(&bodies, Still.now() + SignedDuration::from_secs(1)), [0, 1]);
    assert_eq!(ledger.status("ada"), Status::Sending);
    assert_eq!(ledger.hear(&bodies), [0; 0]);
    assert_eq!(ledger.status("ada"), Status::Sent);
}
