//! The dead-letter queue on the wire.

use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use contract::dead_letter::Reason;
use platform::https::{Https, Trust};
use platform::telemetry::chain;
use recorder::dead_letters::{DeadLetter, DeadLetters as _, SqsDeadLetters};
use serde_json::json;
use testkit::wire::{Answer, Reply, Wire, in_turn};

fn queue(url: &str) -> SqsDeadLetters {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url)
        .http_client(Https::trusting(Trust::BuiltIn).unwrap())
        .build();
    SqsDeadLetters::new(
        || aws_sdk_sqs::Client::from_conf(config),
        "http://127.0.0.1:1/1/Dead.fifo".to_owned(),
    )
}

fn letter() -> DeadLetter {
    DeadLetter {
        group: "ada".to_owned(),
        message_id: "message-1".to_owned(),
        body: "poison".to_owned(),
        reason: Reason::NotJson,
        detail: "expected value at line 1 column 1".to_owned(),
        source: String::new(),
    }
}

async fn answering(reply: Reply) -> Wire {
    Wire::start(in_turn([Answer::Reply(reply)])).await
}

#[tokio::test]
async fn a_dead_letter_is_one_message_in_its_group_with_its_reason() {
    let wire = answering(Reply::json(200, &json!({ "MessageId": "1" }))).await;
    queue(wire.url()).put(&letter()).await.unwrap();
    let request = wire.exchanges().pop().unwrap().request;
    let text = |value: &str| json!({ "DataType": "String", "StringValue": value });
    assert_eq!(
        request.json(),
        json!({
            "QueueUrl": "http://127.0.0.1:1/1/Dead.fifo",
            "MessageGroupId": "ada",
            "MessageDeduplicationId": "message-1",
            "MessageBody": "poison",
            "MessageAttributes": {
                "reason": text("not-json"),
                "detail": text("expected value at line 1 column 1"),
            },
        })
    );
}

#[tokio::test]
async fn a_dead_letter_that_sqs_refuses_is_an_error_that_names_the_message() {
    let wire = answering(Reply::refusal(400, "QueueDoesNotExist", "no such queue")).await;
    let error = queue(wire.url()).put(&letter()).await.unwrap_err();
    assert!(chain(&error).contains("did not accept message message-1"), "{}", chain(&error));
    assert!(chain(&error).contains("no such queue"), "{}", chain(&error));
}
