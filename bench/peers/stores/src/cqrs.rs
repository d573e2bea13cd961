//! The peer `cqrs-es` with `dynamo-es`. One command contains all new events of a buyer, so one commit writes them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use cqrs_es::{Aggregate, AggregateError, DomainEvent, EventEnvelope, Query};
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{PersistedEventRepository, PersistenceError, SerializedEvent};
use dynamo_es::{DynamoCqrs, DynamoEventRepository, dynamodb_aggregate_cqrs, dynamodb_cqrs, dynamodb_snapshot_cqrs};
use serde_json::json;

use crate::{Failure, Source};
use crate::buyer::{Buyer, OfferEvent};
use crate::tables::{Keyed, self};

/// The tables, as in dynamo-es' `db/create_tables.sh`.
const EVENTS: Keyed =
    Keyed { name: "Events", partition: "AggregateTypeAndId", sort: Some("AggregateIdSequence") };
const SNAPSHOTS: Keyed = Keyed { name: "Snapshots", partition: "AggregateTypeAndId", sort: None };

/// The number of events between snapshots, as in the example of `PersistedEventStore::new_snapshot_store`.
const SNAPSHOT_SIZE: usize = 100;

/// The number of events stored at a time: a transaction takes 25 puts, and snapshots must be at the end of a chunk.
const CHUNK: usize = 20;

/// The source from which the library loads an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    /// All events.
    Events,
    /// The aggregate itself, written with every commit.
    Aggregate,
    /// A snapshot every [`SNAPSHOT_SIZE`] events, and the events since.
    Snapshots,
}

pub(crate) struct Cqrs {
    truth: Truth,
    client: Client,
    framework: DynamoCqrs<Buyer>,
    committed: Committed,
}

/// Counts the committed events, because the framework itself does not report their number.
#[derive(Clone, Default)]
struct Committed(Arc<AtomicUsize>);

pub(crate) async fn create(client: &Client, truth: Truth) -> Result<Vec<&'static str>, Failure> {
    tables::create(client, EVENTS, None).await?;
    if truth == Truth::Events {
        return Ok(vec![EVENTS.name]);
    }
    tables::create(client, SNAPSHOTS, None).await?;
    Ok(vec![EVENTS.name, SNAPSHOTS.name])
}

impl Cqrs {
    pub(crate) fn open(client: Client, truth: Truth) -> Self {
        let committed = Committed::default();
        let queries: Vec<Box<dyn Query<Buyer>>> = vec![Box::new(committed.clone())];
        let framework = match truth {
            Truth::Events => dynamodb_cqrs(client.clone(), queries, ()),
            Truth::Aggregate => dynamodb_aggregate_cqrs(client.clone(), queries, ()),
            Truth::Snapshots => dynamodb_snapshot_cqrs(client.clone(), queries, SNAPSHOT_SIZE, ()),
        };
        Self { truth, client, framework, committed }
    }

    pub(crate) async fn record(&self, buyer: &str, events: Vec<OfferEvent>) -> Result<usize, Failure> {
        self.committed.0.store(0, Ordering::Relaxed);
        self.framework.execute(buyer, events).await.map_err(|error| refused(buyer, error))?;
        Ok(self.committed.0.load(Ordering::Relaxed))
    }

    /// Stores a stream through the library's own repository, which is not limited to what one load reads.
    pub(crate) async fn lay(&self, buyer: &str, events: Vec<OfferEvent>) -> Result<(), Failure> {
        let repository = DynamoEventRepository::new(self.client.clone());
        let last_snapshot = match self.truth {
            Truth::Events => 0,
            Truth::Aggregate => events.len(),
            Truth::Snapshots => events.len() - events.len() % SNAPSHOT_SIZE,
        };
        let mut state = Buyer::default();
        let mut sequence = 0;
        for chunk in events.chunks(CHUNK) {
            let mut serialized = Vec::new();
            for event in chunk {
                sequence += 1;
                state.apply(event.clone());
                serialized.push(serialize(buyer, sequence, event).map_err(|error| unlaid(buyer, error))?);
            }
            let snapshot = if sequence == last_snapshot {
                let commits =
                    if self.truth == Truth::Aggregate { sequence } else { sequence / SNAPSHOT_SIZE };
                let payload = serde_json::to_value(&state).map_err(|error| unlaid(buyer, error))?;
                Some((buyer.to_owned(), payload, commits))
            } else {
                None
            };
            let persisted = repository.persist::<Buyer>(&serialized, snapshot).await;
            persisted.map_err(|error| refused(buyer, error.into()))?;
        }
        Ok(())
    }
}

impl Aggregate for Buyer {
    const TYPE: &'static str = "Buyer";
    type Command = Vec<OfferEvent>;
    type Event = OfferEvent;
    type Error = Infallible;
    type Services = ();

    async fn handle(
        &mut self,
        events: Vec<OfferEvent>,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Infallible> {
        for event in events {
            if self.is_news(&event) {
                sink.write(event, self).await;
            }
        }
        Ok(())
    }

    fn apply(&mut self, event: OfferEvent) {
        Self::apply(self, event);
    }
}

impl DomainEvent for OfferEvent {
    fn event_type(&self) -> String {
        self.change.name().to_owned()
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

#[async_trait]
impl Query<Buyer> for Committed {
    async fn dispatch(&self, _: &str, events: &[EventEnvelope<Buyer>]) {
        self.0.fetch_add(events.len(), Ordering::Relaxed);
    }
}

fn serialize(buyer: &str, sequence: usize, event: &OfferEvent) -> Result<SerializedEvent, serde_json::Error> {
    Ok(SerializedEvent {
        aggregate_id: buyer.to_owned(),
        sequence,
        aggregate_type: Buyer::TYPE.to_owned(),
        event_type: event.event_type(),
        event_version: event.event_version(),
        payload: serde_json::to_value(event)?,
        metadata: json!({}),
    })
}

fn unlaid(buyer: &str, error: serde_json::Error) -> Failure {
    refused(buyer, PersistenceError::from(error).into())
}

fn refused(buyer: &str, error: AggregateError<Infallible>) -> Failure {
    let buyer = buyer.to_owned();
    let source: Source = match error {
        AggregateError::UserError(never) => match never {},
        AggregateError::AggregateConflict => return Failure::Conflict { buyer },
        AggregateError::DatabaseConnectionError(source)
        | AggregateError::DeserializationError(source)
        | AggregateError::UnexpectedError(source) => source,
    };
    Failure::Record { buyer, source }
}
