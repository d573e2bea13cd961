//! Measures a buyer with very many offers: the size of the state, and the cost of a load and an erasure as DynamoDB
//! counts them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;

use contract::stored::{StoredCommit, encode_snapshot};
use domain::{BuyerId, Event, Sequence};
use event_store::{
    Appended, Appending, Clearing, Commits, EventStore, Head, MemoryStreams, Page, StoreError, erase, load,
};
use platform::clock::Clock as _;
use testkit::{buyer, made, memory, withdrawn};

use crate::recorders::Still;

/// The number of bytes after which a page of a query ends. Source: Amazon DynamoDB Developer Guide, "Query
/// operations", "Paginating".
const LARGEST_PAGE: usize = 1_000_000;

/// Streams that count the units which DynamoDB would charge.
///
/// A read unit is 4 KB of consistent reading, counted over a whole page. A write unit is 1 KB, counted for the larger
/// of the item before and after an update. Source: Amazon DynamoDB Developer Guide, "Read and write capacity".
#[derive(Debug, Default)]
struct Counted {
    streams: MemoryStreams,
    requests: Cell<usize>,
    read_units: Cell<usize>,
    write_units: Cell<usize>,
    /// The size of each item by its sequence number, for the only buyer.
    sizes: RefCell<BTreeMap<u64, usize>>,
}

fn add(cell: &Cell<usize>, more: usize) {
    cell.set(cell.get() + more);
}

impl Commits for Counted {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let mut page = self.streams.page(buyer, before, limit).await?;
        let (mut bytes, mut fitting) = (0, 0);
        while let Some(next) = page.commits.get(fitting).map(StoredCommit::bytes)
            && bytes + next <= LARGEST_PAGE
        {
            (bytes, fitting) = (bytes + next, fitting + 1);
        }
        page.has_more |= fitting < page.commits.len();
        page.commits.truncate(fitting);
        add(&self.requests, 1);
        add(&self.read_units, bytes.div_ceil(4096).max(1));
        Ok(page)
    }
}

impl EventStore for Counted {
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError> {
        add(&self.requests, 1);
        add(&self.write_units, commit.bytes().div_ceil(1024));
        self.sizes.borrow_mut().insert(commit.sequence, commit.bytes());
        self.streams.append(commit).await
    }
}

impl Clearing for Counted {
    async fn clear(&self, cleared: &StoredCommit) -> Result<(), StoreError> {
        let before = self.sizes.borrow_mut().insert(cleared.sequence, cleared.bytes()).unwrap_or(0);
        add(&self.requests, 1);
        add(&self.write_units, before.max(cleared.bytes()).div_ceil(1024));
        self.streams.clear(cleared).await
    }
}

impl Counted {
    fn take(&self) -> (usize, usize, usize) {
        (self.requests.take(), self.read_units.take(), self.write_units.take())
    }
}

/// A row of the table, for a buyer with this number of offers. Each offer is made and withdrawn, with ten events per
/// commit.
///
/// # Panics
/// The loaded state differs from the recorded one.
pub async fn row(offers: usize) -> Vec<String> {
    let counted = Counted::default();
    let ada = buyer("ada");
    let mut head = Head::default();
    let numbers: Vec<usize> = (0..offers).collect();
    for five in numbers.chunks(5) {
        let events = five.iter().flat_map(|number| {
            let offer = format!("offer-{number:0>30}");
            [made(&offer), withdrawn(&offer).v(2)]
        });
        head = appended(&counted, &ada, head, events).await;
    }
    let (_, _, recording) = counted.take();
    let state = encode_snapshot(&head.state).len();
    // Resets the peak of resident memory. Source: proc(5), `/proc/pid/clear_refs`.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = memory("VmRSS");
    let loaded = load(&counted, &ada).await.unwrap();
    let peak = memory("VmHWM").saturating_sub(before);
    assert_eq!(loaded.state, head.state);
    let (load_requests, load_units, _) = counted.take();
    erase(&counted, &Still, &ada).await.unwrap().unwrap();
    let (erase_requests, erase_reads, erase_writes) = counted.take();
    assert!(!format!("{:?}", counted.streams.commits()).to_lowercase().contains("canary"));
    let events = u32::try_from(2 * offers).unwrap();
    vec![
        offers.to_string(),
        format!("{} KB", state / 1000),
        format!("{:.2}", f64::from(u32::try_from(recording).unwrap()) / f64::from(events)),
        format!("{load_requests} / {load_units}"),
        format!("{} MB", peak / 1_000_000),
        format!("{erase_requests} / {erase_reads} / {erase_writes}"),
    ]
}

/// The table's columns.
pub const COLUMNS: [&str; 6] = [
    "offers of one buyer",
    "size of the snapshot",
    "write units per event",
    "cold load: requests / read units",
    "memory of the load",
    "`leads erase`: requests / read units / write units",
];

async fn appended(
    counted: &Counted,
    buyer: &BuyerId,
    head: Head,
    events: impl Iterator<Item = Event>,
) -> Head {
    let mut appending = Appending::onto(head).live();
    for event in events {
        appending.take(event.into());
    }
    let (commit, head) = appending.commit(buyer, Still.now()).unwrap();
    assert_eq!(counted.append(&commit).await.unwrap(), Appended::Written);
    head
}
