//! What becomes of an append and a load when the table answers badly, late or not at all.

use std::error::Error;
use std::time::Duration;

use contract::stored::{StoredCommit, Undecodable};
use event_store::{Appended, Commits as _, DynamoStreams, EventStore as _, Page, StoreError};
use serde_json::json;
use testkit::wire::{Answer, Reply, Wire, in_turn};
use testkit::{accepted, buyer, made};

use crate::story::{Snapshot, Story};
use crate::table::{STREAMS, Table, item, patient_for, streams_at};

fn first_commit() -> StoredCommit {
    Story::of("buyer-7").tell(&[made("car-1"), accepted("car-1").v(2)], Snapshot::AsThePolicySays)
}

fn error(status: u16, code: &str) -> Answer {
    Answer::Reply(Reply::error(status, &format!("com.amazonaws.dynamodb.v20120810#{code}")))
}

fn forward(table: &Table) -> Answer {
    Answer::Forward(table.url.clone())
}

/// Says what could not be done for whom, down to the cause, and names no person.
#[track_caller]
fn assert_unavailable(error: &StoreError, operation: &str) {
    let mut chain = error.to_string();
    assert_eq!(chain, format!("the streams table did not answer {operation} for buyer-7"));
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    let mut cause = error.source();
    assert!(cause.is_some(), "without a cause");
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
async fn a_put_whose_answer_is_lost_meets_itself_and_there_is_no_second_commit() {
    let table = Table::start().await;
    let wire = Wire::start(in_turn([Answer::ForwardThenReset(table.url.clone()), forward(&table)])).await;
    let commit = first_commit();
    let appended = streams_at(wire.url()).append(&commit).await.unwrap();
    assert_eq!(appended, Appended::Conflict(Box::new(commit.clone())));
    assert_eq!(wire.operations(), ["PutItem", "PutItem"]);
    assert_eq!(table.items(), [item(&commit)]);
}

#[tokio::test]
async fn a_put_that_is_lost_before_it_arrives_is_sent_again() {
    let table = Table::start().await;
    let wire = Wire::start(in_turn([Answer::ResetAfterReading, forward(&table)])).await;
    let commit = first_commit();
    assert_eq!(streams_at(wire.url()).append(&commit).await.unwrap(), Appended::Written);
    assert_eq!(wire.operations(), ["PutItem", "PutItem"]);
    assert_eq!(table.items(), [item(&commit)]);
}

#[tokio::test]
async fn a_put_that_meets_a_transaction_or_a_throttle_is_tried_again_in_place() {
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
async fn a_table_that_never_answers_is_unavailable_once_time_is_up() {
    let wire = Wire::start(in_turn([Answer::Never])).await;
    let client = patient_for(Duration::from_millis(40), wire.url());
    let streams = DynamoStreams::new(client, STREAMS.to_owned());
    assert_unavailable(&streams.append(&first_commit()).await.unwrap_err(), "PutItem");
    assert_unavailable(&streams.page(&buyer("buyer-7"), None, 8).await.unwrap_err(), "Query");
    assert_eq!(wire.operations(), ["PutItem", "PutItem", "PutItem", "Query", "Query", "Query"]);
}

#[tokio::test]
async fn a_request_that_is_wrong_is_sent_once() {
    for code in ["ValidationException", "AccessDeniedException", "ResourceNotFoundException"] {
        let wire = Wire::start(in_turn([error(400, code)])).await;
        assert_unavailable(&streams_at(wire.url()).append(&first_commit()).await.unwrap_err(), "PutItem");
        assert_eq!(wire.operations(), ["PutItem"], "{code}");
    }
}

#[tokio::test]
async fn a_taken_sequence_is_a_decision_and_is_asked_for_once() {
    let table = Table::start().await;
    let commit = first_commit();
    table.lay([&commit]);
    let wire = Wire::start(in_turn([forward(&table)])).await;
    let appended = streams_at(wire.url()).append(&commit).await.unwrap();
    assert_eq!(appended, Appended::Conflict(Box::new(commit)));
    assert_eq!(wire.operations(), ["PutItem"]);
}

#[tokio::test]
async fn a_page_is_a_consistent_query_and_a_lost_answer_to_it_costs_nothing_but_a_request() {
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
async fn an_item_that_no_version_wrote_is_told_from_a_table_that_does_not_answer() {
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
