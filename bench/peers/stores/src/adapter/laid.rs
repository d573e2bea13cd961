//! Writes items as `event-store-adapter-rs` 5.2.0 does (its `src/dynamodb/items.rs`), but many at a time: the library
//! appends one event per transaction, and the next only after that.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use chrono::Utc;
use event_store_adapter_rs::SeqNr;
use serde::Serialize;

use super::{HEAD, JOURNAL, SNAPSHOT, TYPE};
use crate::buyer::{Buyer, OfferEvent};
use crate::failure::Source;

type Item = HashMap<String, AttributeValue>;

/// The number of items that one request takes.
const BATCH: usize = 25;

/// Stores all events with their head, and the snapshot if there is one.
pub(super) async fn lay(
    client: &Client,
    buyer: &str,
    events: &[OfferEvent],
    snapshot: Option<(&Buyer, SeqNr)>,
) -> Result<(), Source> {
    let aid = text(&format!("{TYPE}-{buyer}"));
    let mut puts = Vec::new();
    for (event, number) in events.iter().zip(1..) {
        let stored = stored(event, number)?;
        if number == events.len() {
            let head =
                [("type_name", text(TYPE)), ("seq_nr", numeric(number)), ("events", only(stored.clone()))];
            puts.push((HEAD.name, item(&aid, head)));
        }
        puts.push((JOURNAL.name, item(&aid, []).into_iter().chain(stored).collect()));
    }
    if let Some((state, number)) = snapshot {
        let current = [
            ("skey", numeric(0)),
            ("seq_nr", numeric(number)),
            ("manifest", text("")),
            ("payload", json(state)?),
            ("last_updated_at", numeric(Utc::now().timestamp_millis())),
        ];
        puts.push((SNAPSHOT.name, item(&aid, current)));
    }
    for batch in puts.chunks(BATCH) {
        put(client, batch).await?;
    }
    Ok(())
}

async fn put(client: &Client, items: &[(&'static str, Item)]) -> Result<(), Source> {
    let mut pending: HashMap<String, Vec<WriteRequest>> = HashMap::new();
    for (table, item) in items {
        let put = PutRequest::builder().set_item(Some(item.clone())).build()?;
        pending
            .entry((*table).to_owned())
            .or_default()
            .push(WriteRequest::builder().put_request(put).build());
    }
    while !pending.is_empty() {
        let written = client.batch_write_item().set_request_items(Some(pending)).send().await?;
        pending = written.unprocessed_items.unwrap_or_default();
    }
    Ok(())
}

fn stored(event: &OfferEvent, number: usize) -> Result<Item, Source> {
    let occurred_at = Utc::now().timestamp_nanos_opt().ok_or("the clock is beyond 2262")?;
    Ok(Item::from([
        ("seq_nr".to_owned(), numeric(number)),
        ("occurred_at".to_owned(), numeric(occurred_at)),
        ("manifest".to_owned(), text(event.change.name())),
        ("payload".to_owned(), json(event)?),
    ]))
}

fn item<const N: usize>(aid: &AttributeValue, attributes: [(&str, AttributeValue); N]) -> Item {
    let named = attributes.map(|(name, value)| (name.to_owned(), value));
    named.into_iter().chain([("aid".to_owned(), aid.clone())]).collect()
}

fn only(member: Item) -> AttributeValue {
    AttributeValue::L(vec![AttributeValue::M(member)])
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn numeric(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn json(value: &impl Serialize) -> Result<AttributeValue, Source> {
    Ok(AttributeValue::B(Blob::new(serde_json::to_vec(value)?)))
}
