//! Requests that DynamoDB refuses: a failed condition is an answer, and anything else is an error.

use std::collections::BTreeMap;

use domain::Sequence;
use leads_store::{
    Claimed, Cursors as _, Held, HeldAtHead, Ledger as _, LedgerEntry, Moved, Outcome, Progress, Settled,
    Status, Verdict,
};
use serde_json::json;
use testkit::wire::{Answer, Reply, Wire, in_turn};

use super::{buyer, progress};
use crate::attempts::at;
use crate::attempts::{claim, verdict};
use crate::dynamo::{Engine, leads_at};

const KEY: &str = "quote-email";

fn settling(progress: Progress) -> Progress {
    let outcomes = BTreeMap::from([("quote/car-1".to_owned(), Outcome::Superseded)]);
    Progress { settled: [(progress.through, outcomes)].into(), ..progress }
}

fn holding(progress: Progress) -> Progress {
    let oldest = Held { sequence: Sequence::new(2), since: at("10:00:01"), due: at("10:00:02") };
    Progress { held: Some(HeldAtHead { oldest: Some(oldest), is_known: false }), ..progress }
}

#[tokio::test]
async fn an_overtaken_worker_needs_one_request_to_know() {
    let engine = Engine::start().await;
    let wire = Wire::start(in_turn([Answer::Forward(engine.url.clone())])).await;
    leads_at(&engine.url).move_cursor(&buyer(), &progress(0, 5), None).await.unwrap();
    let late = [
        (progress(2, 5), "UpdateItem"),
        (progress(2, 4), "UpdateItem"),
        (settling(progress(2, 5)), "TransactWriteItems"),
        (settling(progress(2, 4)), "TransactWriteItems"),
        (holding(progress(4, 4)), "TransactWriteItems"),
    ];
    let leads = leads_at(wire.url());
    for (late, operation) in late {
        let before = wire.operations().len();
        assert_eq!(leads.move_cursor(&buyer(), &late, None).await.unwrap(), Moved::Overtaken, "{late:?}");
        assert_eq!(wire.operations()[before..], [operation], "{late:?}");
    }
}

#[tokio::test]
async fn a_transaction_that_always_conflicts_is_an_error() {
    let reasons = json!([{ "Code": "TransactionConflict" }, { "Code": "TransactionConflict" }]);
    let canceled = json!({ "__type": "TransactionCanceledException", "CancellationReasons": reasons });
    let wire = Wire::start(in_turn([Answer::Reply(Reply::json(400, &canceled))])).await;
    let leads = leads_at(wire.url());
    let error = leads.claim(&claim(KEY, "first", "10:00:00")).await.unwrap_err();
    assert_eq!((error.operation, error.buyer.as_str()), ("TransactWriteItems", "buyer-7"));
    let error = leads.move_cursor(&buyer(), &settling(progress(0, 1)), None).await.unwrap_err();
    assert_eq!((error.operation, error.buyer.as_str()), ("TransactWriteItems", "buyer-7"));
    assert!(
        platform::telemetry::chain(&error).contains("TransactionCanceledException"),
        "{}",
        platform::telemetry::chain(&error)
    );
}

/// An e-mail in doubt, in a leads table behind a wire that loses the first answer.
async fn doubtful_and_lost() -> (Engine, Wire, LedgerEntry) {
    let engine = Engine::start().await;
    let leads = leads_at(&engine.url);
    assert_eq!(leads.claim(&claim(KEY, "first", "10:00:00")).await.unwrap(), Claimed::Ours);
    let unknown = verdict("first", Status::Unknown, "10:00:01");
    assert_eq!(leads.settle(&buyer(), KEY, &unknown).await.unwrap(), Settled::Done);
    let found = entry(&engine).await;
    let url = engine.url.clone();
    let wire = Wire::start(in_turn([Answer::ForwardThenReset(url.clone()), Answer::Forward(url)])).await;
    (engine, wire, found)
}

async fn entry(engine: &Engine) -> LedgerEntry {
    leads_at(&engine.url).about(&buyer()).await.unwrap().ledger.remove(KEY).unwrap()
}

#[tokio::test]
async fn a_resend_succeeds_after_a_lost_answer() {
    let (engine, wire, found) = doubtful_and_lost().await;
    assert!(leads_at(wire.url()).resend(&buyer(), KEY, &found, at("12:00:00")).await.unwrap());
    assert_eq!(wire.operations(), ["UpdateItem", "UpdateItem"]);
    let entry = entry(&engine).await;
    assert_eq!((entry.status, entry.due), (Status::Retry, Some(at("12:00:00"))));
}

#[tokio::test]
async fn giving_up_succeeds_after_a_lost_answer_only_for_our_own_write() {
    let (engine, wire, found) = doubtful_and_lost().await;
    let leads = leads_at(wire.url());
    let now = "2026-11-23T12:00:00.123456Z".parse().unwrap();
    let given_up = Verdict { now, ..verdict(&found.nonce, Status::Abandoned, "12:00:00") };
    let settle = async |verdict: &Verdict| leads.settle(&buyer(), KEY, verdict).await.unwrap();
    assert!(settle(&given_up).await.is_ours());
    assert_eq!(wire.operations(), ["UpdateItem", "UpdateItem"]);
    assert_eq!(entry(&engine).await.status, Status::Abandoned);
    for other in [
        Verdict { now: at("12:00:01"), ..given_up.clone() },
        Verdict { status: Status::Superseded, ..given_up.clone() },
        Verdict { nonce: "other".to_owned(), ..given_up },
    ] {
        assert!(!settle(&other).await.is_ours(), "{other:?}");
    }
}

#[tokio::test]
async fn a_fenced_ending_succeeds_after_a_lost_answer() {
    let (engine, wire, found) = doubtful_and_lost().await;
    let rejected = verdict(&found.nonce, Status::Rejected, "12:00:00");
    let rejected = Verdict { head: Some(Sequence::START), ..rejected };
    let ended = leads_at(wire.url()).settle(&buyer(), KEY, &rejected).await.unwrap();
    assert!(ended.is_ours(), "{ended:?}");
    assert_eq!(wire.operations(), ["TransactWriteItems", "TransactWriteItems"]);
    assert_eq!(entry(&engine).await.status, Status::Rejected);
}

#[tokio::test]
async fn a_failure_to_forget_a_buyer_is_reported() {
    let denied = || Answer::Reply(Reply::error(400, "AccessDeniedException"));
    let nothing = Answer::Reply(Reply::json(200, &json!({ "Items": [] })));
    let wire = Wire::start(in_turn([nothing, denied()])).await;
    let error = leads_at(wire.url()).forget(&buyer()).await.unwrap_err();
    assert_eq!((error.operation, error.buyer.as_str()), ("UpdateItem", "buyer-7"));
    assert_eq!(wire.operations(), ["Query", "UpdateItem"]);
}
