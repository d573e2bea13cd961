//! What is retried in place and what is a decision, for the writes of the other tables too: they share the classifier.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use serde_json::json;
use testkit::wire::{Answer, Reply, Wire, in_turn};

use crate::table::client;

/// A wire on which the first answer is this error, and the second a success.
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
async fn a_transaction_that_only_met_another_or_a_throttle_is_tried_again() {
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
async fn a_transaction_with_any_other_reason_is_a_decision() {
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
async fn an_update_that_met_a_transaction_is_tried_again() {
    let (wire, client) = once(Reply::error(400, "TransactionConflictException")).await;
    let buyer = AttributeValue::S("b1".to_owned());
    client.update_item().table_name("leads").key("buyer", buyer).send().await.unwrap();
    assert_eq!(wire.operations(), ["UpdateItem", "UpdateItem"]);
}
