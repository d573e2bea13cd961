//! The peer `event-store-adapter-rs`. It appends one event at a time, so each new event is a transaction of its own.

mod laid;

use aws_sdk_dynamodb::Client;
use chrono::Utc;
use event_store_adapter_rs::{
    AggregateId, DynamoDbOptions, DynamoDbTables, EventEnvelope, EventStoreError, EventStoreForDynamoDB,
    SeqNr, SnapshotEnvelope,
};

use crate::buyer::{Buyer, OfferEvent};
use crate::failure::Failure;
use crate::tables::{self, Keyed};

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
        laid::lay(&self.client, buyer, &events, snapshot).await.map_err(failed)?;
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
