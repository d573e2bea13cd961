use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, ReturnConsumedCapacity};
use contract::stored::Undecodable;
use domain::{BuyerId, Sequence};
use jiff::Timestamp;

use super::{DynamoStreams, item, unavailable};
use crate::StoreError;

/// A commit without its contents, as an audit sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitKey {
    /// Whose stream.
    pub buyer: BuyerId,
    /// The sequence number of its first fact.
    pub first: Sequence,
    /// The sequence number of its last fact, if the item says it.
    pub last: Option<Sequence>,
    /// When it was recorded, by the recorder's clock.
    pub recorded_at: Timestamp,
    /// Whether it stands in the index of commits that somebody must look at.
    pub is_in_feed: bool,
}

/// Where a reading of the whole table goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct KeysPlace(HashMap<String, AttributeValue>);

/// Some commits of the whole table: those of one stream one after the other, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct KeysPage {
    /// The commits.
    pub keys: Vec<CommitKey>,
    /// Where the next page begins, if there is one.
    pub next: Option<KeysPlace>,
    /// What it cost: by the size of the items, not of what is told of them.
    pub read_units: f64,
}

impl DynamoStreams {
    /// One `Scan`, not consistent, of at most 1 MB: for people who ask about all streams, never for a function.
    ///
    /// # Errors
    /// [`StoreError`], also where an item is none that any version wrote.
    pub async fn keys(&self, from: Option<KeysPlace>) -> Result<KeysPage, StoreError> {
        let answer = self
            .client
            .scan()
            .table_name(&self.table)
            .projection_expression("buyer, #sequence, #last, recordedAt, feed")
            .expression_attribute_names("#sequence", "sequence")
            .expression_attribute_names("#last", "last")
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .set_exclusive_start_key(from.map(|place| place.0))
            .send()
            .await
            .map_err(|error| unavailable("Scan", "everybody", error))?;
        let key = |found| {
            item::read_key(found).ok_or_else(|| {
                let buyer = found.get("buyer").and_then(|buyer| buyer.as_s().ok()).cloned();
                StoreError::Undecodable(Undecodable::Corrupt {
                    buyer: buyer.unwrap_or_default(),
                    sequence: item::sequence_of(found).unwrap_or_default(),
                    part: "item",
                })
            })
        };
        Ok(KeysPage {
            keys: answer.items().iter().map(key).collect::<Result<_, _>>()?,
            read_units: answer
                .consumed_capacity()
                .and_then(ConsumedCapacity::capacity_units)
                .unwrap_or_default(),
            next: answer.last_evaluated_key.filter(|key| !key.is_empty()).map(KeysPlace),
        })
    }
}
