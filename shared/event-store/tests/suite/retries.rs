//! The retry classifier: which errors the client retries, and which ones the caller must handle. Both tables share it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use serde_json::json;
use testkit::wire::{Answer, Reply, Wire, in_turn};

use crate::table::client;

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
