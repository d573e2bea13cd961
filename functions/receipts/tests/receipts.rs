//! Tests of the receipts function with a ledger in memory.
#![expect(clippy::unwrap_used, reason = "test code")]

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use contract::receipt::tag_value;
use domain::Sequence;
use futures::executor::block_on;
use leads_store::{AddressDigest, Claim, Claimed, LeadsStore as _, MemoryLeads, Status, Taking};
use platform::clock::Clock as _;
use receipts::Listener;
use serde_json::{Value, json};
use testkit::hooks::{Fate, Faults, Which};
use testkit::{Hooked, TestClock, buyer};

/// A ledger that can be made unavailable and panics for bob.
struct Ledger {
    memory: MemoryLeads,
    faults: Faults,
    clock: TestClock,
}

/// A ledger in which attempt `nonce-1` for each buyer's invitation is under way.
fn ledger(buyers: &[&str]) -> Ledger {
    let (memory, faults, clock) =
        (MemoryLeads::beside(|_, _| false), Faults::default(), TestClock::default());
    faults.set(Which::Of("apply_receipt", buyer("bob")), Fate::Panics);
    for name in buyers {
        let claim = Claim {
            buyer: buyer(name),
            key: "quote-email".to_owned(),
            sequence: Sequence::new(1),
            nonce: "nonce-1".to_owned(),
            address: AddressDigest::of("ada@example.com"),
            head: Sequence::START,
            now: clock.now(),
            taking: Taking::Attempt(clock.now()),
            found: None,
            first_tried_at: Some(clock.now()),
        };
        assert_eq!(block_on(memory.claim(&claim)).unwrap(), Claimed::Ours);
    }
    Ledger { memory, faults, clock }
}

impl Ledger {
    fn status(&self, name: &str) -> Status {
        self.memory.tables().ledger[&(buyer(name), "quote-email".to_owned())].status
    }

    /// Handles messages with these bodies, and returns the indexes of those that are returned to the queue.
    fn handle(&self, bodies: &[String]) -> Vec<usize> {
        self.handle_within(bodies, 60)
    }

    fn handle_within(&self, bodies: &[String], seconds: i64) -> Vec<usize> {
        let records = bodies.iter().enumerate().map(|(index, body)| {
            let mut message = SqsMessage::default();
            message.message_id = Some(index.to_string());
            message.body = Some(body.clone());
            message
        });
        let mut event = SqsEvent::default();
        event.records = records.collect();
        let ledger = Hooked { inner: &self.memory, hook: &self.faults };
        let answer = block_on(
            Listener::new(ledger, self.clock.clone()).handle(event, self.clock.deadline_in(seconds)),
        );
        answer.batch_item_failures.iter().map(|failure| failure.item_identifier.parse().unwrap()).collect()
    }
}

/// The body of an SES event about an attempt at a buyer's invitation.
fn ses_event(name: &str, nonce: &str, kind: &str) -> String {
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
    let bodies = [ses_event("ada", "nonce-1", "Delivery"), ses_event("cem", "nonce-1", "Reject")];
    assert_eq!(ledger.handle(&bodies), [0; 0]);
    assert_eq!([ledger.status("ada"), ledger.status("cem")], [Status::Sent, Status::Rejected]);
    assert_eq!(ledger.status("dee"), Status::Sending, "no event about it");
    assert_eq!(ledger.handle(&[ses_event("dee", "nonce-1", "Bounce")]), [0; 0]);
    let stopped = block_on(ledger.memory.cursor(&buyer("dee"))).unwrap().stopped;
    assert!(stopped.contains(&AddressDigest::of("ada@example.com")));
}

#[test]
fn a_not_spam_complaint_settles_as_sent_and_stops_no_address() {
    let ledger = ledger(&["ada"]);
    let complaint = |kind: &str| {
        let mut body: Value = serde_json::from_str(&ses_event("ada", "nonce-1", "Complaint")).unwrap();
        body["complaint"] = json!({ "complaintFeedbackType": kind, "timestamp": "2026-11-24T08:41:02.669Z" });
        body.to_string()
    };
    let stopped = || block_on(ledger.memory.cursor(&buyer("ada"))).unwrap().stopped;
    assert_eq!(ledger.handle(&[complaint("not-spam")]), [0; 0]);
    assert_eq!((ledger.status("ada"), stopped().len()), (Status::Sent, 0));
    // A complaint of an unknown type, with a text that is cut within an emoji.
    let unknown = complaint("later").replace("later", "later \\ud83d");
    assert_eq!(ledger.handle(&[unknown]), [0; 0]);
    assert!(stopped().contains(&AddressDigest::of("ada@example.com")));
}

#[test]
fn forged_and_foreign_receipts_are_acknowledged_and_change_nothing() {
    let ledger = ledger(&["ada"]);
    let before = ledger.memory.tables();
    let bodies = [
        ses_event("ada", "forged", "Bounce"),
        ses_event("nobody", "nonce-1", "Bounce"),
        ses_event("ada", "nonce-1", "Open"),
        json!({ "eventType": "Bounce", "mail": { "tags": {} }, "bounce":
            { "bounceType": "Permanent", "timestamp": "2026-11-23T10:00:05Z" } })
        .to_string(),
        "Successfully validated SNS topic for Amazon SES event publishing.".to_owned(),
    ];
    assert_eq!(ledger.handle(&bodies), [0; 0]);
    assert_eq!(ledger.memory.tables(), before);
}

#[test]
fn an_unreadable_or_panicking_receipt_is_returned_alone() {
    let ledger = ledger(&["ada", "bob", "cem"]);
    let bodies = [
        ses_event("ada", "nonce-1", "Send"),
        "{".to_owned(),
        ses_event("bob", "nonce-1", "Send"),
        ses_event("cem", "nonce-1", "Send"),
    ];
    assert_eq!(ledger.handle(&bodies), [1, 2]);
    assert_eq!([ledger.status("ada"), ledger.status("cem")], [Status::Sent, Status::Sent]);
}

#[test]
fn without_the_ledger_or_time_all_receipts_are_returned() {
    let ledger = ledger(&["ada"]);
    let bodies = [ses_event("ada", "nonce-1", "Send"), ses_event("ada", "nonce-1", "Delivery")];
    ledger.faults.set(Which::Every, Fate::Fails);
    assert_eq!(ledger.handle(&bodies), [0, 1]);
    ledger.faults.end();
    assert_eq!(ledger.handle_within(&bodies, 1), [0, 1]);
    assert_eq!(ledger.status("ada"), Status::Sending);
    assert_eq!(ledger.handle(&bodies), [0; 0]);
    assert_eq!(ledger.status("ada"), Status::Sent);
}
