//! Conversion of commits to DynamoDB items and back.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use contract::stored::StoredCommit;
use domain::{BuyerId, Sequence};

use super::CommitKey;
use crate::FeedEntry;

pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn write(commit: &StoredCommit) -> Item {
    let text = |value: &String| AttributeValue::S(value.clone());
    let number = |value: u64| AttributeValue::N(value.to_string());
    let mut item = Item::from([
        ("buyer".to_owned(), text(&commit.buyer)),
        ("sequence".to_owned(), number(commit.sequence)),
        ("last".to_owned(), number(commit.last)),
        ("format".to_owned(), number(u64::from(commit.format))),
        ("recordedAt".to_owned(), text(&commit.recorded_at)),
    ]);
    for (name, value) in
        [("effects", &commit.effects), ("snapshot", &commit.snapshot), ("feed", &commit.feed)]
    {
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

pub(super) fn read(item: &Item) -> Option<StoredCommit> {
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
        emptied_by,
    })
}

/// Reads an entry of the index `feed`, which contains only keys.
pub(super) fn read_feed(item: &Item) -> Option<FeedEntry> {
    Some(FeedEntry {
        buyer: BuyerId::parse(item.get("buyer")?.as_s().ok()?).ok()?,
        sequence: Sequence::new(sequence_of(item)?),
        recorded_at: item.get("recordedAt")?.as_s().ok()?.parse().ok()?,
    })
}

/// Reads a commit without its contents, for an audit.
pub(super) fn read_key(item: &Item) -> Option<CommitKey> {
    let FeedEntry { buyer, sequence, recorded_at } = read_feed(item)?;
    let last = Sequence::new(item.get("last")?.as_n().ok()?.parse().ok()?);
    Some(CommitKey { buyer, first: sequence, last, recorded_at, is_in_feed: item.contains_key("feed") })
}

pub(super) fn sequence_of(item: &Item) -> Option<u64> {
    item.get("sequence")?.as_n().ok()?.parse().ok()
}
