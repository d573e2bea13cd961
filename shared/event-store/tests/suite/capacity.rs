//! The cost of appends and loads, in requests on the wire and in the capacity units that the table reports. A meter for
//! capacity units: its wire requests the consumed capacity with every request and reads it from the answer.

use std::ops::Add;

use contract::stored::StoredCommit;
use domain::Event;
use event_store::{Appended, Commits as _, DynamoStreams, EventStore as _, load};
use serde_json::{Value, json};
use testkit::wire::{Answer, Exchange, Wire};
use testkit::{accepted, made, rejected, withdrawn};

use crate::streams::{Snapshot, Story, Table, endless, of_length, streams_at};

/// The read units of a consistent query for these commits: their total size in steps of 4 KB.
fn read_units(commits: &[StoredCommit]) -> f64 {
    let bytes: usize = commits.iter().map(StoredCommit::bytes).sum();
    f64::from(u32::try_from(bytes.div_ceil(4096)).unwrap())
}

#[tokio::test]
async fn the_meter_agrees_with_aws_on_a_query_of_a_megabyte() {
    let meter = Meter::start().await;
    let story = of_length("buyer-7", 2000, Snapshot::Always);
    meter.table.lay(&story.commits);
    let streams = meter.streams();
    let (page, bill) = meter.bill_of(streams.page(&story.buyer, None, 2048)).await;
    let page = page.unwrap();
    assert!(page.has_more, "a page ends at one megabyte");
    assert!(bill.reads >= 128.0, "{bill:?}");
    assert_eq!(bill, Bill { queries: 1, reads: read_units(&page.commits), ..Bill::default() });
}

#[tokio::test]
async fn an_append_costs_one_write_unit_and_one_more_if_it_is_indexed() {
    let meter = Meter::start().await;
    let streams = meter.streams();
    let mut story = Story::of("buyer-7");
    let one_put = Bill { puts: 1, writes: 1.0, ..Bill::default() };
    for (event, feed) in [
        (made("car-1"), 1.0),
        (accepted("car-1").v(2), 1.0),
        (made("car-2"), 1.0),
        (rejected("car-2").v(2), 0.0),
        (withdrawn("car-1").v(4), 1.0),
    ] {
        let commit = story.append_one(event);
        let (appended, bill) = meter.bill_of(streams.append(&commit)).await;
        assert_eq!(appended.unwrap(), Appended::Written);
        assert_eq!(bill, Bill { feed, ..one_put }, "{commit:?}");
    }
}

/// Loads the stream and appends one event, for each of the events. Returns the total cost.
async fn load_and_append(meter: &Meter, story: &mut Story, events: impl Iterator<Item = Event>) -> Bill {
    let streams = meter.streams();
    let work = async {
        for event in events {
            let head = load(&streams, &story.buyer).await.unwrap();
            assert_eq!(head, story.head);
            assert_eq!(head.state, story.state);
            let commit = story.append_one(event);
            assert_eq!(streams.append(&commit).await.unwrap(), Appended::Written);
        }
    };
    meter.bill_of(work).await.1
}

#[tokio::test]
async fn loading_10000_events_costs_the_same_as_loading_10() {
    let meter = Meter::start().await;
    for (name, length) in [("short", 10), ("long", 10_000)] {
        let mut story = of_length(name, length, Snapshot::ByPolicy);
        meter.table.lay(&story.commits);
        let next = endless("car-1").skip(length).take(1);
        let bill = load_and_append(&meter, &mut story, next).await;
        assert_eq!(bill, Bill { queries: 1, reads: 1.0, puts: 1, writes: 1.0, feed: 1.0 }, "{name}");
    }
}

/// Endless events of several offers in turn.
fn round_robin(offers: usize) -> impl Iterator<Item = Event> {
    let mut histories: Vec<_> = (0..offers).map(|offer| endless(&format!("car-{offer}"))).collect();
    (0..offers).cycle().map(move |offer| histories[offer].next().unwrap())
}

/// A story of `length` commits that is already in the table, and the events that follow.
fn begin(meter: &Meter, offers: usize, length: usize) -> (Story, impl Iterator<Item = Event> + use<>) {
    let mut story = Story::of(&format!("buyer-{length}"));
    let mut events = round_robin(offers);
    for event in events.by_ref().take(length) {
        story.append_one(event);
    }
    meter.table.lay(&story.commits);
    (story, events)
}

/// The snapshot takes more than one write unit, so the cost of single commits varies. Their total does not.
#[tokio::test]
async fn a_buyer_with_20_offers_costs_the_same_after_240_and_3000_events() {
    let meter = Meter::start().await;
    let mut bills = Vec::new();
    for length in [240, 3000] {
        let (mut story, events) = begin(&meter, 20, length);
        bills.push(load_and_append(&meter, &mut story, events.take(60)).await);
    }
    let [short, long] = bills.try_into().unwrap();
    assert!(long.writes <= short.writes * 1.05 && long.reads <= short.reads * 1.05, "{short:?} {long:?}");
    assert_eq!(short.puts, long.puts);
    assert!(long.queries * 20 <= short.queries * 21, "{short:?} {long:?}");
}

#[tokio::test]
async fn a_buyer_with_500_offers_costs_little_more_than_one_unit_per_commit() {
    let meter = Meter::start().await;
    let streams = meter.streams();
    let (mut story, events) = begin(&meter, 500, 500);
    let commits: Vec<_> = events.take(300).map(|event| story.append_one(event)).collect();
    let work = async {
        for commit in &commits {
            assert_eq!(streams.append(commit).await.unwrap(), Appended::Written);
        }
    };
    let ((), bill) = meter.bill_of(work).await;
    assert_eq!(bill.puts, 300);
    assert!(bill.writes / 300.0 <= 1.15, "{bill:?}");
    let (head, bill) = meter.bill_of(load(&streams, &story.buyer)).await;
    assert_eq!(head.unwrap(), story.head);
    let with_snapshot = story.commits.iter().rposition(|commit| commit.snapshot.is_some()).unwrap();
    let needed = read_units(&story.commits[with_snapshot..]);
    assert!(bill.reads <= 3.0 * needed, "{bill:?}, although {needed} read units are enough");
}

/// A table behind a wire that meters its requests.
struct Meter {
    table: Table,
    wire: Wire,
}

/// The number of requests and the capacity units that they consumed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Bill {
    puts: usize,
    queries: usize,
    /// Write units of the table itself.
    writes: f64,
    /// Write units of the `feed` index.
    feed: f64,
    reads: f64,
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
    async fn start() -> Self {
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
    fn streams(&self) -> DynamoStreams {
        streams_at(self.wire.url())
    }

    /// Runs `work` and returns its result with the bill for its requests.
    async fn bill_of<T>(&self, work: impl Future<Output = T>) -> (T, Bill) {
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
