//! A meter for capacity units: its wire requests the consumed capacity with every request and reads it from the answer.

use std::ops::Add;

use event_store::DynamoStreams;
use serde_json::{Value, json};
use testkit::wire::{Answer, Exchange, Wire};

use crate::table::{Table, streams_at};

/// A table behind a wire that meters its requests.
pub(crate) struct Meter {
    pub(crate) table: Table,
    wire: Wire,
}

/// The number of requests and the capacity units that they consumed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Bill {
    pub(crate) puts: usize,
    pub(crate) queries: usize,
    /// Write units of the table itself.
    pub(crate) writes: f64,
    /// Write units of the `feed` index.
    pub(crate) feed: f64,
    pub(crate) reads: f64,
}

impl Add for Bill {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            puts: self.puts + other.puts,
            queries: self.queries + other.queries,
            writes: self.writes + other.writes,
            feed: self.feed + other.feed,
            reads: self.reads + other.reads,
        }
    }
}

impl Meter {
    pub(crate) async fn start() -> Self {
        let table = Table::start().await;
        let url = table.url.clone();
        let wire = Wire::start(move |request| {
            let mut body = request.json();
            body["ReturnConsumedCapacity"] = json!("INDEXES");
            request.body = body.to_string().into_bytes();
            Answer::Forward(url.clone())
        })
        .await;
        Self { table, wire }
    }

    /// Streams whose requests are metered.
    pub(crate) fn streams(&self) -> DynamoStreams {
        streams_at(self.wire.url())
    }

    /// Runs `work` and returns its result with the bill for its requests.
    pub(crate) async fn bill_of<T>(&self, work: impl Future<Output = T>) -> (T, Bill) {
        let begin = self.wire.exchanges().len();
        let done = work.await;
        let bill = self.wire.exchanges().iter().skip(begin).map(Bill::of).fold(Bill::default(), Bill::add);
        (done, bill)
    }
}

impl Bill {
    #[track_caller]
    fn of(exchange: &Exchange) -> Self {
        let capacity = exchange.reply.as_ref().unwrap().body_json()["ConsumedCapacity"].take();
        let units = |of: &Value| of["CapacityUnits"].as_f64();
        let of_table = units(&capacity["Table"]).unwrap();
        let feed = units(&capacity["GlobalSecondaryIndexes"]["feed"]).unwrap_or_default();
        match exchange.request.operation() {
            "PutItem" => Self { puts: 1, writes: of_table, feed, ..Self::default() },
            "Query" => Self { queries: 1, reads: of_table, ..Self::default() },
            other => panic!("an append or a load made an unexpected request: {other}"),
        }
    }
}
