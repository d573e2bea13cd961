//! What a table charges: the wire asks for the bill with every request, and reads it in the answer.

use std::ops::Add;

use event_store::DynamoStreams;
use serde_json::{Value, json};
use testkit::wire::{Answer, Exchange, Wire};

use crate::table::{Table, streams_at};

/// A table behind a wire that counts.
pub(crate) struct Meter {
    pub(crate) table: Table,
    wire: Wire,
}

/// What some requests came to, in capacity units.
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

    /// Streams whose requests are counted.
    pub(crate) fn streams(&self) -> DynamoStreams {
        streams_at(self.wire.url())
    }

    /// What is done while `work` runs, with what it comes to.
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
            other => panic!("an append and a load make no {other}"),
        }
    }
}
