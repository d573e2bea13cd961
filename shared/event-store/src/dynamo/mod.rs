//! The event store in DynamoDB, and the conversion of commits to items and back.

mod keys;

use std::collections::HashMap;
use std::error::Error;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use contract::stored::{self, StoredCommit, Undecodable};
use domain::{BuyerId, Sequence};
use jiff::{SignedDuration, Timestamp};

use crate::{Appended, Clearing, Commits, EventStore, Feed, FeedEntry, FeedPartition, Page, StoreError};

pub use keys::{KeysPage, KeysPlace};

/// The streams table.
#[derive(Debug, Clone)]
pub struct DynamoStreams {
    client: Client,
    table: String,
}

impl DynamoStreams {
    /// The streams table with this name. The client should use the retry classifier `platform::RetryConflicts`.
    #[must_use]
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

impl Commits for DynamoStreams {
    /// One strongly consistent `Query`, newest first.
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .expression_attribute_values(":buyer", AttributeValue::S(buyer.to_string()));
        query = match before {
            None => query.key_condition_expression("buyer = :buyer"),
            Some(before) => query
                .key_condition_expression("buyer = :buyer AND #sequence < :before")
                .expression_attribute_names("#sequence", "sequence")
                .expression_attribute_values(":before", AttributeValue::N(before.to_string())),
        };
        let answer = query.send().await.map_err(|error| unavailable("Query", buyer.as_str(), error))?;
        let corrupt = |item| {
            let sequence = sequence_of(item).unwrap_or_default();
            StoreError::Undecodable(Undecodable::Corrupt { buyer: buyer.to_string(), sequence, part: "item" })
        };
        let commits = answer.items().iter().map(|item| read_item(item).ok_or_else(|| corrupt(item)));
        Ok(Page {
            commits: commits.collect::<Result<_, _>>()?,
            has_more: answer.last_evaluated_key().is_some_and(|key| !key.is_empty()),
        })
    }
}

impl EventStore for DynamoStreams {
    /// One `PutItem`. If its condition fails, the answer contains the existing item at no extra charge.
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write_item(commit)))
            .condition_expression("attribute_not_exists(buyer)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else {
            return Ok(Appended::Written);
        };
        let taken = error.as_service_error().and_then(|error| {
            if let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(
                failed,
            ) = error
            {
                Some(failed)
            } else {
                None
            }
        });
        let Some(taken) = taken else {
            return Err(unavailable("PutItem", &commit.buyer, error));
        };
        let corrupt = || {
            StoreError::Undecodable(Undecodable::Corrupt {
                buyer: commit.buyer.clone(),
                sequence: commit.sequence,
                part: "item",
            })
        };
        let stored = taken.item.as_ref().and_then(read_item).ok_or_else(corrupt)?;
        Ok(Appended::Conflict(Box::new(stored)))
    }
}

impl Clearing for DynamoStreams {
    /// One `UpdateItem`.
    async fn clear(&self, cleared: &StoredCommit) -> Result<(), StoreError> {
        let number = |value: u64| AttributeValue::N(value.to_string());
        let written = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("buyer", AttributeValue::S(cleared.buyer.clone()))
            .key("sequence", number(cleared.sequence))
            .update_expression("SET facts = :facts, #format = :format REMOVE #snapshot, because")
            // Never create the key: an empty item would block the next append.
            .condition_expression("attribute_exists(facts)")
            .expression_attribute_names("#format", "format")
            .expression_attribute_names("#snapshot", "snapshot")
            .expression_attribute_values(":facts", AttributeValue::S(cleared.facts.clone()))
            .expression_attribute_values(":format", number(u64::from(cleared.format)))
            .send()
            .await;
        match written {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(unavailable("UpdateItem", &cleared.buyer, error)),
            },
        }
    }
}

impl Feed for DynamoStreams {
    /// One `Query` of the index, with further pages if the result exceeds 1 MB.
    async fn recorded(
        &self,
        partition: &FeedPartition,
        after: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, StoreError> {
        let mut found = Vec::new();
        let mut from = None;
        loop {
            let left = limit - found.len();
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("feed")
                .key_condition_expression("feed = :feed AND recordedAt BETWEEN :after AND :until")
                .expression_attribute_values(":feed", AttributeValue::S(partition.key().to_owned()))
                // BETWEEN includes both ends. Adding a tick excludes `after`, because stored times have milliseconds.
                .expression_attribute_values(":after", AttributeValue::S(stored::written(tick_after(after))))
                .expression_attribute_values(":until", AttributeValue::S(stored::written(until)))
                .limit(i32::try_from(left).unwrap_or(i32::MAX))
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(|error| unavailable("Query", partition.key(), error))?;
            for item in page.items() {
                let corrupt = || {
                    StoreError::Undecodable(Undecodable::Corrupt {
                        buyer: partition.key().to_owned(),
                        sequence: sequence_of(item).unwrap_or_default(),
                        part: "feed",
                    })
                };
                found.push(read_feed(item).ok_or_else(corrupt)?);
            }
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() || found.len() >= limit {
                return Ok(found);
            }
        }
    }
}

fn tick_after(moment: Timestamp) -> Timestamp {
    moment.saturating_add(SignedDuration::from_millis(1)).unwrap_or(Timestamp::MAX)
}

fn unavailable<E, R>(operation: &'static str, buyer: &str, error: SdkError<E, R>) -> StoreError
where
    E: Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    StoreError::Unavailable { operation, buyer: buyer.to_owned(), source: Box::new(error) }
}

/// A commit without its contents, for audits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitKey {
    /// The buyer to whose stream the commit belongs.
    pub buyer: BuyerId,
    /// The sequence of its first fact.
    pub first: Sequence,
    /// The sequence of its last fact.
    pub last: Sequence,
    /// When the commit was recorded, by the recorder's clock.
    pub recorded_at: Timestamp,
    /// Whether the commit is in the index `feed`.
    pub is_in_feed: bool,
}

type Item = HashMap<String, AttributeValue>;

fn write_item(commit: &StoredCommit) -> Item {
    let text = |value: &String| AttributeValue::S(value.clone());
    let number = |value: u64| AttributeValue::N(value.to_string());
    let mut item = Item::from([
        ("buyer".to_owned(), text(&commit.buyer)),
        ("sequence".to_owned(), number(commit.sequence)),
        ("last".to_owned(), number(commit.last)),
        ("format".to_owned(), number(u64::from(commit.format))),
        ("recordedAt".to_owned(), text(&commit.recorded_at)),
    ]);
    for (name, value) in [
        ("effects", &commit.effects),
        ("snapshot", &commit.snapshot),
        ("feed", &commit.feed),
        ("traces", &commit.traces),
        ("by", &commit.by),
        ("because", &commit.because),
    ] {
        if let Some(value) = value {
            item.insert(name.to_owned(), text(value));
        }
    }
    match commit.emptied_by {
        None => item.insert("facts".to_owned(), text(&commit.facts)),
        Some(by) => item.insert("emptiedBy".to_owned(), number(by)),
    };
    if commit.shadow {
        item.insert("shadow".to_owned(), AttributeValue::Bool(true));
    }
    item
}

fn read_item(item: &Item) -> Option<StoredCommit> {
    let text = |name: &str| item.get(name)?.as_s().ok().cloned();
    let number = |name: &str| item.get(name)?.as_n().ok()?.parse::<u64>().ok();
    let emptied_by = number("emptiedBy");
    Some(StoredCommit {
        buyer: text("buyer")?,
        sequence: sequence_of(item)?,
        last: number("last")?,
        format: u32::try_from(number("format")?).ok()?,
        facts: if emptied_by.is_some() { String::new() } else { text("facts")? },
        effects: text("effects"),
        snapshot: text("snapshot"),
        recorded_at: text("recordedAt")?,
        feed: text("feed"),
        shadow: item.get("shadow").is_some_and(|shadow| shadow.as_bool() == Ok(&true)),
        traces: text("traces"),
        by: text("by"),
        because: text("because"),
        emptied_by,
    })
}

/// Reads an entry of the index `feed`, which contains only keys.
fn read_feed(item: &Item) -> Option<FeedEntry> {
    Some(FeedEntry {
        buyer: BuyerId::parse(item.get("buyer")?.as_s().ok()?).ok()?,
        sequence: Sequence::new(sequence_of(item)?),
        recorded_at: item.get("recordedAt")?.as_s().ok()?.parse().ok()?,
    })
}

/// Reads a commit without its contents, for an audit.
fn read_key(item: &Item) -> Option<CommitKey> {
    let FeedEntry { buyer, sequence, recorded_at } = read_feed(item)?;
    let last = Sequence::new(item.get("last")?.as_n().ok()?.parse().ok()?);
    Some(CommitKey { buyer, first: sequence, last, recorded_at, is_in_feed: item.contains_key("feed") })
}

fn sequence_of(item: &Item) -> Option<u64> {
    item.get("sequence")?.as_n().ok()?.parse().ok()
}
