use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use contract::receipt::{Kind, Notice, Receipt, decode, tag_value};
use domain::Sequence;
use futures::executor::block_on;
use leads_store::{AddressDigest, Claim, Claimed, LeadsStore as _, LedgerEntry, MemoryLeads, Status, Taking};
use receipts::Listener;
use serde_json::json;
use testkit::{Hooked, TestClock, at};

use crate::corpus::{buyer, parts};

const BUYERS: [&str; 2] = ["ada", "bob"];

/// The target `receipts`: SES events. Each part of the input is the body of one message. In the ledger, an invitation
/// to Ada and one to Bob are being sent.
///
/// Properties: a receipt stays the same receipt when it is written and read again. Exactly the unreadable messages are
/// returned, and their errors repeat nothing of the content. Statuses only move forward, and entries of other attempts
/// stay. The same receipts in reverse order, or a second time, lead to the same ledger.
pub(crate) fn receipts(bytes: &[u8]) {
    let bodies: Vec<String> = parts(bytes).take(8).collect();
    for body in &bodies {
        check(body);
    }
    let unreadable: Vec<String> =
        (0..bodies.len()).filter(|at| decode(&bodies[*at]).is_err()).map(|at| at.to_string()).collect();
    let order: Vec<usize> = (0..bodies.len()).collect();
    let ledger = ledger();
    let before = ledger.tables();
    assert_eq!(take_receipts(&ledger, &bodies, &order), unreadable);
    let after = ledger.tables();
    assert!(after.ledger.keys().eq(before.ledger.keys()), "no receipt creates an entry");
    for (key, entry) in &after.ledger {
        assert_moves_forward(&before.ledger[key], entry);
    }
    assert_eq!(take_receipts(&ledger, &bodies, &order), unreadable);
    assert_eq!(ledger.tables(), after, "a second delivery changes nothing");

    let reversed = self::ledger();
    let order: Vec<usize> = order.into_iter().rev().collect();
    take_receipts(&reversed, &bodies, &order);
    let (forward, backward) = (after.ledger.into_values(), reversed.tables().ledger.into_values());
    for (forward, backward) in forward.zip(backward) {
        // The message id and the reason for a rejection are those of the first receipt, so they may differ.
        assert_eq!((forward.status, forward.receipts), (backward.status, backward.receipts));
    }
    assert_eq!(after.cursors, reversed.tables().cursors);
}

fn check(body: &str) {
    match decode(body) {
        Ok(Notice::Receipt(receipt)) => assert_eq!(decode(&written(&receipt)), Ok(Notice::Receipt(receipt))),
        Ok(Notice::NotOurs | Notice::OtherType | Notice::Greeting) => {}
        Err(error) => {
            let words = error.to_string();
            assert!(words.len() < 128 && !words.to_lowercase().contains("canary"), "{words}");
        }
    }
}

/// The receipt as an SES event.
fn written(receipt: &Receipt) -> String {
    let Receipt { buyer, effect, nonce, kind, message_id } = receipt;
    let (event, detail) = match kind {
        Kind::Sent => ("Send", json!({})),
        Kind::Delivered => ("Delivery", json!({})),
        Kind::Bounced { at, is_permanent } => {
            let kind = if *is_permanent { "Permanent" } else { "Transient" };
            ("Bounce", json!({ "timestamp": at.to_string(), "bounceType": kind }))
        }
        Kind::Complained { at } => ("Complaint", json!({ "timestamp": at.to_string() })),
        Kind::NotSpam => ("Complaint", json!({ "complaintFeedbackType": "not-spam" })),
        Kind::Rejected => ("Reject", json!({})),
        Kind::NotRendered => ("Rendering Failure", json!({})),
        Kind::Delayed => ("DeliveryDelay", json!({})),
    };
    json!({
        "eventType": event,
        "mail": {
            "messageId": message_id,
            "tags": {
                "buyer": [tag_value(buyer.as_str())], "effect": [tag_value(effect)], "nonce": [tag_value(nonce)],
            },
        },
        event.to_lowercase(): detail,
    })
    .to_string()
}

/// A ledger in which both attempts are under way.
fn ledger() -> MemoryLeads {
    let memory = MemoryLeads::beside(|_, _| false);
    for name in BUYERS {
        let claim = Claim {
            buyer: buyer(name).unwrap(),
            key: "quote-email".to_owned(),
            sequence: Sequence::new(1),
            nonce: "nonce-1".to_owned(),
            address: AddressDigest::of("ada.canary@example.com"),
            head: Sequence::START,
            now: at("10:00:00"),
            taking: Taking::Attempt(at("10:00:00")),
            found: None,
            first_tried_at: Some(at("10:00:00")),
        };
        assert_eq!(block_on(memory.claim(&claim)).unwrap(), Claimed::Ours);
    }
    memory
}

/// Handles the bodies in this order. Returns the indexes of the returned messages.
fn take_receipts(ledger: &MemoryLeads, bodies: &[String], order: &[usize]) -> Vec<String> {
    let mut event = SqsEvent::default();
    event.records = order
        .iter()
        .map(|at| {
            let mut message = SqsMessage::default();
            message.message_id = Some(at.to_string());
            message.body = Some(bodies[*at].clone());
            message
        })
        .collect();
    let clock = TestClock::default();
    let deadline = clock.deadline_in(60);
    let answer = block_on(Listener::new(Hooked::plain(ledger), clock).handle(event, deadline));
    answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

fn assert_moves_forward(before: &LedgerEntry, after: &LedgerEntry) {
    assert_eq!(before.status, Status::Sending);
    assert_eq!(
        (&after.nonce, after.sequence, &after.address),
        (&before.nonce, before.sequence, &before.address)
    );
    match after.status {
        Status::Sending => assert_eq!(after, before),
        Status::Sent | Status::Rejected => assert!(after.message_id.is_some() && after.due.is_none()),
        Status::Retry | Status::Unknown | Status::Abandoned | Status::Superseded | Status::Suppressed => {
            panic!("{after:?}")
        }
    }
}
