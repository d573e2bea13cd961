//! Appends and loads when the table answers with errors, late or not at all. The retry classifier: which errors the
//! client retries, and which ones the caller must handle. Both tables share it. Deadlines: no call begins that could
//! outlive the invocation. Also the system clock.

use std::error::Error;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use contract::stored::{StoredCommit, Undecodable};
use event_store::{
    Appended, Commits as _, DynamoStreams, EventStore as _, MemoryStreams, Page, StoreError, WithinDeadline,
};
use jiff::{SignedDuration, Timestamp};
use platform::clock::{CALL_TIME, Clock as _, Deadline, OutOfTime, SystemClock};
use serde_json::json;
use testkit::wire::{Answer, Reply, Wire, in_turn};
use testkit::{accepted, buyer, made};

use crate::streams::{
    STREAMS, Snapshot, Story, Table, client, client_with_timeout, clock, item, moment, streams_at,
};

fn first_commit() -> StoredCommit {
    Story::of("buyer-7").append(&[made("car-1"), accepted("car-1").v(2)], Snapshot::ByPolicy)
}

fn error(status: u16, code: &str) -> Answer {
    Answer::Reply(Reply::error(status, &format!("com.amazonaws.dynamodb.v20120810#{code}")))
}

fn forward(table: &Table) -> Answer {
    Answer::Forward(table.url.clone())
}

/// The error names the operation and the buyer, has a cause, and contains no personal data.
#[track_caller]
fn assert_unavailable(error: &StoreError, operation: &str) {
    let mut chain = error.to_string();
    assert_eq!(chain, format!("the streams table did not answer {operation} for buyer-7"));
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    let mut cause = error.source();
    assert!(cause.is_some(), "the error has a cause");
    while let Some(error) = cause {
        chain.push_str(": ");
        chain.push_str(&error.to_string());
        cause = error.source();
    }
    for text in [&chain, &format!("{error:?}")] {
        assert!(!text.to_lowercase().contains("canary") && !text.contains("+61 400"), "{text}");
    }
}

#[tokio::test]
async fn a_put_whose_answer_is_lost_conflicts_with_itself() {
    let table = Table::start().await;
    let wire = Wire::start(in_turn([Answer::ForwardThenReset(table.url.clone()), forward(&table)])).await;
    let commit = first_commit();
    let appended = streams_at(wire.url()).append(&commit).await.unwrap();
    assert_eq!(appended, Appended::Conflict(Box::new(commit.clone())));
    assert_eq!(wire.operations(), ["PutItem", "PutItem"]);
    assert_eq!(table.items(), [item(&commit)]);
}

#[tokio::test]
async fn a_put_lost_before_it_arrives_is_retried() {
    let table = Table::start().await;
    let wire = Wire::start(in_turn([Answer::ResetAfterReading, forward(&table)])).await;
    let commit = first_commit();
    assert_eq!(streams_at(wire.url()).append(&commit).await.unwrap(), Appended::Written);
    assert_eq!(wire.operations(), ["PutItem", "PutItem"]);
    assert_eq!(table.items(), [item(&commit)]);
}

#[tokio::test]
async fn a_put_that_meets_a_transaction_or_a_throttle_is_retried() {
    for (status, code) in [
        (400, "TransactionConflictException"),
        (400, "ThrottlingException"),
        (400, "ProvisionedThroughputExceededException"),
        (400, "RequestLimitExceeded"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailable"),
    ] {
        let table = Table::start().await;
        let wire = Wire::start(in_turn([error(status, code), error(status, code), forward(&table)])).await;
        let commit = first_commit();
        assert_eq!(streams_at(wire.url()).append(&commit).await.unwrap(), Appended::Written, "{code}");
        assert_eq!(wire.operations(), ["PutItem"; 3], "{code}");
        assert_eq!(table.items(), [item(&commit)]);
    }
}

#[tokio::test]
async fn a_table_that_fails_three_times_is_unavailable() {
    for answer in [
        error(500, "InternalServerError"),
        error(400, "ThrottlingException"),
        error(400, "TransactionConflictException"),
        Answer::ResetAfterReading,
    ] {
        let wire = Wire::start(in_turn([answer.clone()])).await;
        let streams = streams_at(wire.url());
        let failed = streams.append(&first_commit()).await.unwrap_err();
        assert_unavailable(&failed, "PutItem");
        assert_eq!(wire.operations(), ["PutItem"; 3], "{answer:?}");
        if answer != error(400, "TransactionConflictException") {
            assert_unavailable(&streams.page(&buyer("buyer-7"), None, 8).await.unwrap_err(), "Query");
            assert_eq!(wire.operations().len(), 6, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_table_that_never_answers_is_unavailable_after_the_timeout() {
    let wire = Wire::start(in_turn([Answer::Never])).await;
    let client = client_with_timeout(Duration::from_millis(40), wire.url());
    let streams = DynamoStreams::new(client, STREAMS.to_owned());
    assert_unavailable(&streams.append(&first_commit()).await.unwrap_err(), "PutItem");
    assert_unavailable(&streams.page(&buyer("buyer-7"), None, 8).await.unwrap_err(), "Query");
    assert_eq!(wire.operations(), ["PutItem", "PutItem", "PutItem", "Query", "Query", "Query"]);
}

#[tokio::test]
async fn an_invalid_request_is_not_retried() {
    for code in ["ValidationException", "AccessDeniedException", "ResourceNotFoundException"] {
        let wire = Wire::start(in_turn([error(400, code)])).await;
        assert_unavailable(&streams_at(wire.url()).append(&first_commit()).await.unwrap_err(), "PutItem");
        assert_eq!(wire.operations(), ["PutItem"], "{code}");
    }
}

#[tokio::test]
async fn a_conflict_is_not_retried() {
    let table = Table::start().await;
    let commit = first_commit();
    table.lay([&commit]);
    let wire = Wire::start(in_turn([forward(&table)])).await;
    let appended = streams_at(wire.url()).append(&commit).await.unwrap();
    assert_eq!(appended, Appended::Conflict(Box::new(commit)));
    assert_eq!(wire.operations(), ["PutItem"]);
}

#[tokio::test]
async fn a_page_is_a_consistent_query_and_is_retried_after_a_lost_answer() {
    let table = Table::start().await;
    let commit = first_commit();
    table.lay([&commit]);
    let wire = Wire::start(in_turn([Answer::ForwardThenReset(table.url.clone()), forward(&table)])).await;
    let page = streams_at(wire.url()).page(&buyer("buyer-7"), None, 8).await.unwrap();
    assert_eq!(page, Page { commits: vec![commit], has_more: false });
    assert_eq!(wire.operations(), ["Query", "Query"]);
    for exchange in wire.exchanges() {
        assert_eq!(exchange.request.json()["ConsistentRead"], json!(true));
    }
}

#[tokio::test]
async fn an_unreadable_item_is_distinguished_from_an_unavailable_table() {
    let table = Table::start().await;
    let mut alien = item(&first_commit());
    alien["facts"] = json!({ "N": "7" });
    table.put(&alien);
    let streams = streams_at(&table.url);
    for failed in [
        streams.append(&first_commit()).await.unwrap_err(),
        streams.page(&buyer("buyer-7"), None, 8).await.unwrap_err(),
    ] {
        let StoreError::Undecodable(Undecodable::Corrupt { buyer, sequence, part }) = failed else {
            panic!("{failed:?}");
        };
        assert_eq!((buyer.as_str(), sequence, part), ("buyer-7", 1, "item"));
    }
}

/// A wire that answers the first request with this error and the second with success.
async fn once(reply: Reply) -> (Wire, Client) {
    let success = Answer::Reply(Reply::json(200, &json!({})));
    let wire = Wire::start(in_turn([Answer::Reply(reply), success])).await;
    let client = client(wire.url());
    (wire, client)
}

fn canceled(reasons: &[&str]) -> Reply {
    let reasons: Vec<_> = reasons.iter().map(|code| json!({ "Code": code })).collect();
    Reply::json(400, &json!({ "__type": "TransactionCanceledException", "CancellationReasons": reasons }))
}

async fn attempts_of_a_transaction(reply: Reply) -> usize {
    let (wire, client) = once(reply).await;
    let transaction = client.transact_write_items().transact_items(TransactWriteItem::builder().build());
    let is_done = transaction.send().await.is_ok();
    let attempts = wire.operations().len();
    assert_eq!(is_done, attempts == 2);
    attempts
}

#[tokio::test]
async fn transactions_canceled_by_conflicts_or_throttles_are_retried() {
    for reasons in [
        ["TransactionConflict", "None"],
        ["None", "ThrottlingError"],
        ["ProvisionedThroughputExceeded", "TransactionConflict"],
    ] {
        assert_eq!(attempts_of_a_transaction(canceled(&reasons)).await, 2, "{reasons:?}");
    }
    let in_progress = Reply::error(400, "TransactionInProgressException");
    assert_eq!(attempts_of_a_transaction(in_progress).await, 2);
}

#[tokio::test]
async fn transactions_canceled_for_other_reasons_are_not_retried() {
    for reasons in [
        ["ConditionalCheckFailed", "None"],
        ["ConditionalCheckFailed", "TransactionConflict"],
        ["None", "ValidationError"],
        ["None", "None"],
    ] {
        assert_eq!(attempts_of_a_transaction(canceled(&reasons)).await, 1, "{reasons:?}");
    }
}

#[tokio::test]
async fn an_update_that_meets_a_transaction_is_retried() {
    let (wire, client) = once(Reply::error(400, "TransactionConflictException")).await;
    let buyer = AttributeValue::S("b1".to_owned());
    client.update_item().table_name("leads").key("buyer", buyer).send().await.unwrap();
    assert_eq!(wire.operations(), ["UpdateItem", "UpdateItem"]);
}

#[test]
fn a_deadline_leaves_exactly_the_time_until_it() {
    let deadline = Deadline::at(moment() + SignedDuration::from_secs(6));
    assert_eq!(deadline.leaves(Duration::from_secs(6), &clock()), Ok(()));
    assert_eq!(deadline.leaves(Duration::from_millis(6001), &clock()), Err(OutOfTime));
    assert_eq!(Deadline::at(moment()).leaves(Duration::ZERO, &clock()), Ok(()));
    assert_eq!(deadline.leaves(Duration::MAX, &clock()), Err(OutOfTime));
}

#[tokio::test]
async fn calls_that_could_outlive_the_invocation_are_refused() {
    let commit = Story::of("buyer-7").append_one(made("car-1"));
    let store = &MemoryStreams::default();
    let needed = SignedDuration::try_from(CALL_TIME).unwrap();
    // The deadline is checked to the millisecond.
    for (left, is_called) in [(needed, true), (needed - SignedDuration::from_millis(1), false)] {
        let limited = WithinDeadline { store, deadline: Deadline::at(moment() + left), clock: &clock() };
        let appended = limited.append(&commit).await;
        let page = limited.page(&testkit::buyer("buyer-7"), None, 8).await;
        if is_called {
            assert_eq!(appended.unwrap(), Appended::Written);
            assert_eq!(page.unwrap().commits, std::slice::from_ref(&commit));
        } else {
            assert!(matches!(appended, Err(StoreError::Unavailable { operation: "append", .. })));
            assert!(matches!(page, Err(StoreError::Unavailable { operation: "page", .. })));
        }
    }
    assert_eq!(store.commits(), [commit]);
}

#[test]
fn the_system_clock_advances_and_its_nonces_are_unique() {
    let (first, second) = (SystemClock.now(), SystemClock.now());
    assert!(Timestamp::UNIX_EPOCH < first && first <= second);
    let (first, second) = (SystemClock.nonce(), SystemClock.nonce());
    assert_eq!((first.len(), second.len()), (36, 36));
    assert_ne!(first, second);
}
