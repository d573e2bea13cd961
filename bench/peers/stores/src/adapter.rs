//! The peer `event-store-adapter-rs`. It appends one event at a time, so each new event is a transaction of its own.
//!
//! Streams are laid with items as the library writes them (its `src/dynamodb/items.rs` of 5.2.0), but many at a time:
//! the library itself appends the next event only after the last one.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use chrono::Utc;
use event_store_adapter_rs::{AggregateId, DynamoDbOptions, DynamoDbTables, EventEnvelope, EventStoreError, EventStoreForDynamoDB, SeqNr, SnapshotEnvelope};
use serde::Serialize;

use crate::{Failure, Source};
use crate::buyer::{Buyer, OfferEvent};
use crate::tables::{Keyed, self};

/// The tables, as in the library's `docs/DYNAMODB_DATABASE_SCHEMA.md`.
const JOURNAL: Keyed = Keyed { name: "journal", partition: "aid", sort: Some("seq_nr") };
const SNAPSHOT: Keyed = Keyed { name: "snapshot", partition: "aid", sort: Some("skey") };
const SNAPSHOT_HISTORY: Keyed =
    Keyed { name: "snapshot-history", partition: "aid", sort: Some("active_history_seq_nr") };
const HEAD: Keyed = Keyed { name: "head", partition: "aid", sort: None };

/// The number of events between snapshots, as in the example application to which the library's README refers. The
/// library itself has no default.
/// <https://github.com/j5ik2o/cqrs-es-example-rs>
const SNAPSHOT_EVERY: SeqNr = 10;

/// The prefix that the library puts before every buyer.
const TYPE: &str = "Buyer";

pub(crate) struct Adapter {
    client: Client,
    store: EventStoreForDynamoDB<BuyerId, Buyer, OfferEvent>,
}

#[derive(Debug, Clone)]
struct BuyerId(String);

impl AggregateId for BuyerId {
    fn type_name(&self) -> String {
        TYPE.to_owned()
    }

    fn value(&self) -> String {
        self.0.clone()
    }
}

/// A buyer with the number of its last event.
struct Loaded {
    id: BuyerId,
    state: Buyer,
    last: SeqNr,
}

pub(crate) async fn create(client: &Client) -> Result<Vec<&'static str>, Failure> {
    tables::create(client, JOURNAL, None).await?;
    tables::create(client, SNAPSHOT, Some(SNAPSHOT_HISTORY)).await?;
    tables::create(client, HEAD, None).await?;
    Ok(vec![JOURNAL.name, SNAPSHOT.name, HEAD.name])
}

impl Adapter {
    /// Opens the store with one request: the library compares its settings with those in its tables.
    pub(crate) async fn open(client: Client) -> Result<Self, Failure> {
        let tables = DynamoDbTables {
            journal_table_name: JOURNAL.name.to_owned(),
            snapshot_table_name: SNAPSHOT.name.to_owned(),
            head_table_name: HEAD.name.to_owned(),
            snapshot_history_index_name: SNAPSHOT_HISTORY.name.to_owned(),
        };
        let opened = EventStoreForDynamoDB::open(client.clone(), tables, DynamoDbOptions::default()).await;
        Ok(Self { client, store: opened.map_err(|error| Failure::Open { source: error.into() })? })
    }

    pub(crate) async fn record(&self, buyer: &str, events: Vec<OfferEvent>) -> Result<usize, Failure> {
        let mut loaded = self.load(buyer).await.map_err(|error| refused(buyer, error))?;
        let mut recorded = 0;
        for event in events {
            if loaded.state.is_news(&event) {
                self.append(&mut loaded, event).await.map_err(|error| refused(buyer, error))?;
                recorded += 1;
            }
        }
        Ok(recorded)
    }

    /// Stores all events but the last directly. The library appends the last one, and must then find all of them.
    pub(crate) async fn lay(&self, buyer: &str, mut events: Vec<OfferEvent>) -> Result<(), Failure> {
        let Some(last) = events.pop() else { return Ok(()) };
        let laid = events.len();
        let (mut state, mut snapshot) = (Buyer::default(), None);
        for (event, number) in events.iter().zip(1..) {
            state.apply(event.clone());
            if number == laid as SeqNr - laid as SeqNr % SNAPSHOT_EVERY {
                snapshot = Some((state.clone(), number));
            }
        }
        let snapshot = snapshot.as_ref().map(|(state, number)| (state, *number));
        let failed = |source| Failure::Record { buyer: buyer.to_owned(), source };
        lay(&self.client, buyer, &events, snapshot).await.map_err(failed)?;
        self.record(buyer, vec![last]).await?;
        let all = self.store.get_events_by_id_since_seq_nr(&BuyerId(buyer.to_owned()), 1).await;
        match all.map_err(|error| refused(buyer, error))?.len() {
            found if found == laid + 1 => Ok(()),
            found => Err(failed(format!("only {found} of {} events were found", laid + 1).into())),
        }
    }

    /// Loads head and snapshot, and then only the events after the snapshot.
    async fn load(&self, buyer: &str) -> Result<Loaded, EventStoreError> {
        let id = BuyerId(buyer.to_owned());
        let Some(read) = self.store.get_latest_snapshot_by_id(&id).await? else {
            return Ok(Loaded { id, state: Buyer::default(), last: 0 });
        };
        let (snapshot, head) = read.into_parts();
        let last = snapshot.as_ref().map_or(0, SnapshotEnvelope::seq_nr);
        let state = snapshot.map_or_else(Buyer::default, SnapshotEnvelope::into_aggregate);
        let mut loaded = Loaded { id, state, last };
        if last < head {
            for event in self.store.get_events_by_id_since_seq_nr(&loaded.id, last + 1).await? {
                loaded.last = event.seq_nr();
                loaded.state.apply(event.into_payload());
            }
        }
        Ok(loaded)
    }

    async fn append(&self, loaded: &mut Loaded, event: OfferEvent) -> Result<(), EventStoreError> {
        loaded.last += 1;
        loaded.state.apply(event.clone());
        let name = event.change.name();
        let envelope =
            EventEnvelope::new(loaded.id.clone(), loaded.last, Utc::now(), event).with_manifest(name);
        if loaded.last.is_multiple_of(SNAPSHOT_EVERY) {
            let snapshot = SnapshotEnvelope::new(loaded.state.clone(), loaded.last);
            self.store.persist_event_and_snapshot(envelope, snapshot).await
        } else {
            self.store.persist_event(envelope).await
        }
    }
}

fn refused(buyer: &str, error: EventStoreError) -> Failure {
    let buyer = buyer.to_owned();
    match error {
        EventStoreError::OptimisticLock { .. } => Failure::Conflict { buyer },
        other => Failure::Record { buyer, source: other.into() },
    }
}

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
