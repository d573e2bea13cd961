//! An idempotency record for every message, as Powertools for AWS Lambda writes it.
//!
//! Items, conditions and updates are those of `DynamoDBPersistenceLayer` and `BasePersistenceLayer` in
//! `@aws-lambda-powertools/idempotency` 2.35.0, with its defaults: MD5, an hour, no local cache.
//! <https://github.com/aws-powertools/powertools-lambda-typescript/tree/main/packages/idempotency/src/persistence>

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use crate::{Failure, Source};
use crate::tables::{Keyed, self};

pub(crate) const TABLE: &str = "Idempotency";

/// The function's name, which Powertools puts before every hash.
const FUNCTION: &str = "recorder";
const EXPIRES_AFTER: Duration = Duration::from_hours(1);
/// The remaining time of the invocation, after which a record in progress expires.
const REMAINING: Duration = Duration::from_secs(30);

pub(crate) struct Idempotency {
    client: Client,
}

/// The outcome of claiming a message.
pub(crate) enum Claim {
    /// The message was not handled yet, and is claimed now.
    Ours,
    /// The message is being handled by another invocation.
    InProgress,
    /// The message was handled before; it is a repeat.
    Completed,
}

pub(crate) async fn create(client: &Client) -> Result<(), Failure> {
    tables::create(client, Keyed { name: TABLE, partition: "id", sort: None }, None).await
}

impl Idempotency {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// `_putRecord`: claims a message with one request, whatever the outcome.
    pub(crate) async fn claim(&self, id: &str) -> Result<Claim, Failure> {
        let now = now();
        let put = self
            .client
            .put_item()
            .table_name(TABLE)
            .item("id", key(id))
            .item("expiration", expiration(now))
            .item("status", text("INPROGRESS"))
            .item("in_progress_expiration", number((now + REMAINING).as_millis()))
            .condition_expression(
                "attribute_not_exists(#id) OR #expiry < :now OR (#status = :inprogress AND \
                 attribute_exists(#in_progress_expiry) AND #in_progress_expiry < :now_in_millis)",
            )
            .expression_attribute_names("#id", "id")
            .expression_attribute_names("#expiry", "expiration")
            .expression_attribute_names("#in_progress_expiry", "in_progress_expiration")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":now", number(format!("{:.3}", now.as_secs_f64())))
            .expression_attribute_values(":now_in_millis", number(now.as_millis()))
            .expression_attribute_values(":inprogress", text("INPROGRESS"))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(Claim::Ours) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                let status = refused.item().and_then(|item| item.get("status")?.as_s().ok());
                Ok(if status.is_some_and(|status| status == "INPROGRESS") {
                    Claim::InProgress
                } else {
                    Claim::Completed
                })
            }
            _ => Err(failed(id, "claimed", error)),
        }
    }

    /// `_updateRecord`: completes the record with a second request, once the event is recorded.
    pub(crate) async fn complete(&self, id: &str) -> Result<(), Failure> {
        let update = self
            .client
            .update_item()
            .table_name(TABLE)
            .key("id", key(id))
            .update_expression("SET #expiry = :expiry, #status = :status, #response_data = :response_data")
            .expression_attribute_names("#expiry", "expiration")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#response_data", "data")
            .expression_attribute_values(":expiry", expiration(now()))
            .expression_attribute_values(":status", text("COMPLETED"))
            .expression_attribute_values(":response_data", AttributeValue::Bool(true));
        update.send().await.map(|_| ()).map_err(|error| failed(id, "completed", error))
    }

    /// `_deleteRecord`: releases a message whose handling failed, so that it can be retried.
    pub(crate) async fn release(&self, id: &str) -> Result<(), Failure> {
        let delete = self.client.delete_item().table_name(TABLE).key("id", key(id));
        delete.send().await.map(|_| ()).map_err(|error| failed(id, "released", error))
    }
}

/// The function's name and the hash of the event id, which is hashed as a JSON string.
fn key(id: &str) -> AttributeValue {
    let hash = Md5::digest(serde_json::Value::from(id).to_string());
    text(format!("{FUNCTION}#{}", STANDARD.encode(hash)))
}

fn expiration(now: Duration) -> AttributeValue {
    number((now + EXPIRES_AFTER).as_secs_f64().round())
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn failed(id: &str, done: &'static str, error: impl Into<Source>) -> Failure {
    Failure::Idempotency { id: id.to_owned(), done, source: error.into() }
}
