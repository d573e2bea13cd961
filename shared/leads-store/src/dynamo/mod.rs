//! The leads table in DynamoDB.

mod about;
mod attributes;
mod claim;
mod cursor;
mod forget;
mod operators;
mod receipts;
mod work;

use std::error::Error;
use std::fmt;

pub use about::{About, KnownLead};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason};
use contract::stored::shard_of;
use domain::BuyerId;
pub use operators::{FoundEmails, OpenLead, Scanned};
pub use receipts::DynamoReceipts;

use self::attributes::Item;
use super::work::WORK_SHARDS;
use super::{LeadsUnavailable, WorkKind, WorkShard};

/// The leads table, and the streams table, in which claims check that no commit follows the head.
#[derive(Debug, Clone)]
pub struct DynamoLeads {
    client: Client,
    table: String,
    streams_table: String,
}

impl DynamoLeads {
    /// The tables with these names. The client should use the retry classifier `platform::RetryConflicts`.
    #[must_use]
    pub const fn new(client: Client, table: String, streams_table: String) -> Self {
        Self { client, table, streams_table }
    }
}

/// The sort key of the item that records held events.
const HELD: &str = "held";

/// The number of shards per priority in the index `open-leads`.
const LEAD_SHARDS: u8 = 4;

/// The buyer's partition of this kind in the index `open-work`.
fn open_work(kind: WorkKind, buyer: &BuyerId) -> AttributeValue {
    let shard = WorkShard { kind, shard: shard_of(buyer, WORK_SHARDS) };
    AttributeValue::S(work::partition(shard))
}

/// Sends an update and returns its attributes, or `None` if its condition failed, which is not an error.
async fn if_condition_holds(
    buyer: &impl fmt::Display,
    update: UpdateItemFluentBuilder,
) -> Result<Option<Item>, LeadsUnavailable> {
    match update.send().await {
        Ok(done) => Ok(Some(done.attributes.unwrap_or_default())),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
            _ => Err(unavailable("UpdateItem", buyer, error)),
        },
    }
}

fn unavailable<E, R>(
    operation: &'static str,
    buyer: &impl fmt::Display,
    error: SdkError<E, R>,
) -> LeadsUnavailable
where
    E: Error + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    LeadsUnavailable { operation, buyer: buyer.to_string(), source: Box::new(error) }
}

/// The error for a request that the SDK refuses to build.
fn invalid(buyer: &BuyerId, error: BuildError) -> LeadsUnavailable {
    LeadsUnavailable { operation: "TransactWriteItems", buyer: buyer.to_string(), source: Box::new(error) }
}

/// Whether the condition of this part of a canceled transaction failed.
fn has_failed(reasons: &[CancellationReason], part: usize) -> bool {
    reasons.get(part).and_then(CancellationReason::code) == Some("ConditionalCheckFailed")
}
