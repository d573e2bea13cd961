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

/// The leads table, and the streams table as far as a claim has to ask whether a commit exists.
#[derive(Debug, Clone)]
pub struct DynamoLeads {
    client: Client,
    table: String,
    streams_table: String,
}

impl DynamoLeads {
    /// The table of this name, beside that streams table. The client should retry with `platform::RetryConflicts`.
    #[must_use]
    pub const fn new(client: Client, table: String, streams_table: String) -> Self {
        Self { client, table, streams_table }
    }
}

/// The kind of the item that says that events are held.
const HELD: &str = "held";

/// How many shards the index of open leads has for each priority.
const LEAD_SHARDS: u8 = 4;

/// Partition of the index of open work.
fn open_work(kind: WorkKind, buyer: &BuyerId) -> AttributeValue {
    let shard = WorkShard { kind, shard: shard_of(buyer, WORK_SHARDS) };
    AttributeValue::S(work::partition(shard))
}

/// The values that an update returns; `None` if its condition did not hold, which is an answer like any other.
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

/// A transaction that cannot even be written down.
fn invalid(buyer: &BuyerId, error: BuildError) -> LeadsUnavailable {
    LeadsUnavailable { operation: "TransactWriteItems", buyer: buyer.to_string(), source: Box::new(error) }
}

/// Whether this part of a cancelled transaction failed its condition.
fn has_failed(reasons: &[CancellationReason], part: usize) -> bool {
    reasons.get(part).and_then(CancellationReason::code) == Some("ConditionalCheckFailed")
}
