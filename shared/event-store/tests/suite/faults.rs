//! Appends and loads when the table answers with errors, late or not at all.

use std::error::Error;
use std::time::Duration;

use contract::stored::{StoredCommit, Undecodable};
use event_store::{Appended, Commits as _, DynamoStreams, EventStore as _, Page, StoreError};
use serde_json::json;
use testkit::wire::{Answer, Reply, Wire, in_turn};
use testkit::{accepted, buyer, made};

use crate::story::{Snapshot, Story};
use crate::table::{STREAMS, Table, client_with_timeout, item, streams_at};

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
