use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, ReturnConsumedCapacity};
use contract::stored::Undecodable;
use domain::{BuyerId, Sequence};
use jiff::Timestamp;

use super::item::Item;
use super::{DynamoStreams, item, unavailable};
use crate::StoreError;

/// A commit without its contents, as an audit sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitKey {
    /// Whose stream.
    pub buyer: BuyerId,
    /// The sequence number of its first fact.
    pub first: Sequence,
    /// The sequence number of its last fact.
    pub last: Sequence,
    /// When it was recorded, by the recorder's clock.
    pub recorded_at: Timestamp,
    /// Whether it is in the index of commits that call for effects or leave events held.
    pub is_in_feed: bool,
}

/// Where a reading of the whole table goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct KeysPlace(HashMap<String, AttributeValue>);

/// Some commits, in no particular order.
#[derive(Debug, Clone, PartialEq)]
pub struct KeysPage {
    /// The commits.
    pub keys: Vec<CommitKey>,
    /// Where the next page begins, if there is one.
    pub next: Option<KeysPlace>,
    /// What it cost: DynamoDB charges for the whole items, not only for the attributes returned.
    pub read_units: f64,
}

/// The attributes of a [`CommitKey`].
const ATTRIBUTES: &str = "buyer, #sequence, #last, recordedAt, feed";

impl DynamoStreams {
    /// One `Scan` of at most 1 MB over the streams of all buyers: for operators, never for a function.
    ///
    /// A commit that is not among the pages may exist all the same. A `Scan` is eventually consistent, sees no snapshot of the
    /// table, and promises no order; only a `Query` sorts, by the sort key of one partition. Sources: Amazon DynamoDB API
    /// Reference, `Scan` ("does not guarantee that all reads in a scan see a consistent snapshot") and `Query` ("results are
    /// always sorted by the sort key value").
    ///
    /// # Errors
    /// [`StoreError`], also where an item is none that any version wrote.
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
            .map_err(|error| unavailable("Scan", "everybody", error))?;
        page(answer.items(), answer.consumed_capacity(), answer.last_evaluated_key())
    }

    /// The commits of one stream whose first sequence number lies from one number to another, both included; all of them, by
    /// consistent `Query` requests: a commit that is not returned does not exist.
    ///
    /// # Errors
    /// [`StoreError`], also where an item is none that any version wrote.
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
        keys: items.iter().map(key).collect::<Result<_, _>>()?,
        next: next.filter(|key| !key.is_empty()).cloned().map(KeysPlace),
        read_units: consumed.and_then(ConsumedCapacity::capacity_units).unwrap_or_default(),
    })
}
