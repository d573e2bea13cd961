use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, ReturnConsumedCapacity};
use contract::stored::Undecodable;
use domain::{BuyerId, Sequence};

use super::{CommitKey, DynamoStreams, Item, read_key, sequence_of, unavailable};
use crate::StoreError;

/// The place at which a scan of the whole table continues.
#[derive(Debug, Clone, PartialEq)]
pub struct KeysPlace(HashMap<String, AttributeValue>);

/// A page of commits, in no particular order.
#[derive(Debug, Clone, PartialEq)]
pub struct KeysPage {
    /// The keys of the commits.
    pub keys: Vec<CommitKey>,
    /// The start of the next page, or `None` after the last one.
    pub next: Option<KeysPlace>,
    /// The read units consumed. DynamoDB charges for the whole items, not only for the returned attributes.
    pub read_units: f64,
}

/// The attributes that are read to build a [`CommitKey`].
const ATTRIBUTES: &str = "buyer, #sequence, #last, recordedAt, feed";

impl DynamoStreams {
    /// One `Scan` request of at most 1 MB over the streams of all buyers. For operators' tools, never for a function.
    ///
    /// A commit can exist without being on any page: a `Scan` is eventually consistent, does not see a snapshot of the
    /// table, and promises no order. Only a `Query` sorts, by the sort key within one partition. Sources: Amazon
    /// DynamoDB API Reference, `Scan` ("does not guarantee that all reads in a scan see a consistent snapshot") and
    /// `Query` ("results are always sorted by the sort key value").
    ///
    /// # Errors
    /// [`StoreError`], also if an item has a form that no version wrote.
    pub async fn keys(&self, from: Option<KeysPlace>) -> Result<KeysPage, StoreError> {
        let answer = self
            .client
            .scan()
            .table_name(&self.table)
            .projection_expression(ATTRIBUTES)
            .expression_attribute_names("#sequence", "sequence")
            .expression_attribute_names("#last", "last")
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .set_exclusive_start_key(from.map(|place| place.0))
            .send()
            .await
            .map_err(|error| unavailable("Scan", "all buyers", error))?;
        page(answer.items(), answer.consumed_capacity(), answer.last_evaluated_key())
    }

    /// All commits of one stream whose first sequence is between `from` and `to`, inclusive. The `Query` requests are
    /// strongly consistent: a commit that is not returned does not exist.
    ///
    /// # Errors
    /// [`StoreError`], also if an item has a form that no version wrote.
    pub async fn keys_within(
        &self,
        buyer: &BuyerId,
        from: Sequence,
        to: Sequence,
    ) -> Result<KeysPage, StoreError> {
        let number = |sequence: Sequence| AttributeValue::N(sequence.to_string());
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("buyer = :buyer AND #sequence BETWEEN :from AND :to")
            .projection_expression(ATTRIBUTES)
            .expression_attribute_names("#sequence", "sequence")
            .expression_attribute_names("#last", "last")
            .expression_attribute_values(":buyer", AttributeValue::S(buyer.to_string()))
            .expression_attribute_values(":from", number(from))
            .expression_attribute_values(":to", number(to))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let mut found = KeysPage { keys: Vec::new(), next: None, read_units: 0.0 };
        let mut answers = query.into_paginator().send();
        while let Some(answer) = answers.next().await {
            let answer = answer.map_err(|error| unavailable("Query", buyer.as_str(), error))?;
            let page = page(answer.items(), answer.consumed_capacity(), None)?;
            found.keys.extend(page.keys);
            found.read_units += page.read_units;
        }
        Ok(found)
    }
}

fn page(
    items: &[Item],
    consumed: Option<&ConsumedCapacity>,
    next: Option<&Item>,
) -> Result<KeysPage, StoreError> {
    let key = |found| {
        read_key(found).ok_or_else(|| {
            let buyer = found.get("buyer").and_then(|buyer| buyer.as_s().ok()).cloned();
            StoreError::Undecodable(Undecodable::Corrupt {
                buyer: buyer.unwrap_or_default(),
                sequence: sequence_of(found).unwrap_or_default(),
                part: "item",
            })
        })
    };
    Ok(KeysPage {
        keys: items.iter().map(key).collect::<Result<_, _>>()?,
        next: next.filter(|key| !key.is_empty()).cloned().map(KeysPlace),
        read_units: consumed.and_then(ConsumedCapacity::capacity_units).unwrap_or_default(),
    })
}
