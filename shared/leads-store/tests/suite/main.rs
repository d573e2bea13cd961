//! The leads table: one suite, run against memory and against DynamoDB.
#![expect(clippy::unwrap_used, reason = "test code: a missing value fails the test")]

mod claims;
mod corrections;
mod cursor;
mod held;
mod many;
mod operators;
mod pauses;
mod receipts;
mod requests;
mod settles;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use contract::receipt::Receipt;
use domain::{BuyerId, Event, Sequence};
use event_store::{DynamoStreams, MemoryStreams};
use jiff::Timestamp;
use leads_store::{
    About, AddressDigest, Behind, Claim, Claimed, Cursor, DynamoLeads, DynamoReceipts, KnownLead, LeadsStore,
    LeadsUnavailable, Lease, LedgerEntry, MemoryLeads, Moved, Pauses, Progress, ReceiptOutcome, Receipts,
    Settled, Tables, Verdict, Walked, WorkCount, WorkPage, WorkPlace, WorkShard,
};
use testkit::at;
use testkit::leads::{act, record};

use testkit::engine::{Engine, leads_at, receipts_at, streams_at};

/// A leads table beside a streams table.
#[expect(clippy::large_enum_variant, reason = "a test has only a few of them")]
enum Table {
    Memory { leads: MemoryLeads, streams: Rc<MemoryStreams> },
    Dynamo { leads: DynamoLeads, receipts: DynamoReceipts, streams: DynamoStreams, engine: Engine },
}

/// An empty table of each kind.
async fn both() -> [Table; 2] {
    [memory(), dynamo().await]
}

fn memory() -> Table {
    let (streams, leads) = testkit::leads::tables();
    Table::Memory { leads, streams }
}

async fn dynamo() -> Table {
    let engine = Engine::start().await;
    let (leads, receipts) = (leads_at(&engine.url), receipts_at(&engine.url));
    Table::Dynamo { leads, receipts, streams: streams_at(&engine.url), engine }
}

fn buyer() -> BuyerId {
    testkit::buyer("buyer-7")
}

/// Calls an operation of either kind of table.
macro_rules! either {
    ($table:expr, leads.$operation:ident($($argument:expr),*)) => {
        match $table {
            Table::Memory { leads, .. } => leads.$operation($($argument),*).await,
            Table::Dynamo { leads, .. } => leads.$operation($($argument),*).await,
        }
    };
}

impl Table {
    async fn record(&self, event: Event) {
        match self {
            Self::Memory { streams, .. } => record(&**streams, &buyer(), &[event], at("10:00:00")).await,
            Self::Dynamo { streams, .. } => record(streams, &buyer(), &[event], at("10:00:00")).await,
        };
    }

    /// Schedules an e-mail to be sent again, if its entry is unchanged since it was found.
    async fn resend(&self, key: &str, found: &LedgerEntry, now: Timestamp) -> bool {
        match self {
            Self::Memory { leads, .. } => leads.resend(&buyer(), key, found, now, &act()),
            Self::Dynamo { leads, .. } => leads.resend(&buyer(), key, found, now, &act()).await.unwrap(),
        }
    }

    /// Lifts the stop on these addresses.
    async fn allow(&self, found: &BTreeSet<AddressDigest>) -> bool {
        match self {
            Self::Memory { leads, .. } => leads.allow(&buyer(), found, &act()),
            Self::Dynamo { leads, .. } => leads.allow(&buyer(), found, &act()).await.unwrap(),
        }
    }

    /// The ledger entry of the buyer's e-mail with this key.
    async fn entry(&self, key: &str) -> Option<LedgerEntry> {
        self.contents().await.about.ledger.remove(key)
    }

    /// Makes a claim that must succeed.
    async fn must_claim(&self, claim: &Claim) {
        assert_eq!(self.claim(claim).await.unwrap(), Claimed::Ours, "{self}");
    }

    /// Settles an e-mail of the buyer.
    async fn settles(&self, key: &str, verdict: &Verdict) -> Settled {
        self.settle(&buyer(), key, verdict).await.unwrap()
    }

    /// The contents of the table.
    async fn contents(&self) -> Contents {
        match self {
            Self::Memory { leads, .. } => contents_of(leads.tables()),
            Self::Dynamo { leads, engine, .. } => Contents {
                about: leads.about(&buyer()).await.unwrap(),
                open_leads: kinds(engine, "open-leads"),
                open_work: kinds(engine, "open-work"),
            },
        }
    }
}

/// The contents of a table that has one buyer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Contents {
    about: About,
    /// The names of the leads in the index of open leads.
    open_leads: Vec<String>,
    /// The items in the index of open work: `cursor`, `held` or `email/<key>`.
    open_work: Vec<String>,
}

fn kinds(engine: &Engine, index: &str) -> Vec<String> {
    let kind = |item: &serde_json::Value| item["kind"]["S"].as_str().unwrap().to_owned();
    engine.index(index).iter().map(kind).collect()
}

/// The contents in memory in the form that DynamoDB stores: a closed lead has no contact.
fn contents_of(tables: Tables) -> Contents {
    let mut contents = Contents::default();
    let Tables { mut cursors, leads, ledger, settled, mut held, walked: _, lease: _, pauses: _ } = tables;
    contents.about.cursor = cursors.remove(&buyer()).unwrap_or_default();
    if contents.about.cursor.behind.is_some() {
        contents.open_work.push("cursor".to_owned());
    }
    contents.about.held = held.remove(&buyer());
    if contents.about.held.is_some() {
        contents.open_work.push("held".to_owned());
    }
    let is_its = |of: &BuyerId| *of == buyer();
    for ((_, lead), change) in leads.into_iter().filter(|((of, _), _)| is_its(of)) {
        let is_open = change.opened.is_some() && change.closed.is_none();
        if is_open {
            contents.open_leads.push(format!("lead/{lead}"));
        }
        let opened = change.opened;
        let known = KnownLead {
            offer: opened.as_ref().map(|opening| opening.offer.clone()),
            car: opened.as_ref().and_then(|opening| opening.car.clone()),
            contact: opened.as_ref().filter(|_| is_open).map(|opening| opening.contact.clone()),
            opened_at: opened.map(|opening| opening.at),
            closed: change.closed,
        };
        contents.about.leads.insert(lead, known);
    }
    for ((_, key), entry) in ledger.into_iter().filter(|((of, _), _)| is_its(of)) {
        if entry.due.is_some() {
            contents.open_work.push(format!("email/{key}"));
        }
        contents.about.ledger.insert(key, entry);
    }
    for ((_, sequence, key), outcome) in settled.into_iter().filter(|((of, ..), _)| is_its(of)) {
        contents.about.settled.entry(sequence).or_default().insert(key, outcome);
    }
    contents
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory { .. } => "in memory",
            Self::Dynamo { .. } => "in DynamoDB",
        })
    }
}

impl LeadsStore for Table {
    async fn cursor(&self, buyer: &BuyerId) -> Result<Cursor, LeadsUnavailable> {
        either!(self, leads.cursor(buyer))
    }

    async fn cursors(&self, buyers: &[BuyerId]) -> Result<BTreeMap<BuyerId, Cursor>, LeadsUnavailable> {
        either!(self, leads.cursors(buyers))
    }

    async fn move_cursor(
        &self,
        buyer: &BuyerId,
        progress: &Progress,
        mark_to_clear: Option<&str>,
    ) -> Result<Moved, LeadsUnavailable> {
        either!(self, leads.move_cursor(buyer, progress, mark_to_clear))
    }

    async fn mark_behind(&self, buyer: &BuyerId, behind: &Behind) -> Result<(), LeadsUnavailable> {
        either!(self, leads.mark_behind(buyer, behind))
    }

    async fn claim(&self, claim: &Claim) -> Result<Claimed, LeadsUnavailable> {
        either!(self, leads.claim(claim))
    }

    async fn settle(
        &self,
        buyer: &BuyerId,
        key: &str,
        verdict: &Verdict,
    ) -> Result<Settled, LeadsUnavailable> {
        either!(self, leads.settle(buyer, key, verdict))
    }

    async fn due(
        &self,
        shard: WorkShard,
        until: Timestamp,
        after: Option<&WorkPlace>,
        limit: usize,
    ) -> Result<WorkPage, LeadsUnavailable> {
        either!(self, leads.due(shard, until, after, limit))
    }

    async fn count(
        &self,
        shard: WorkShard,
        after: Option<&WorkPlace>,
    ) -> Result<WorkCount, LeadsUnavailable> {
        either!(self, leads.count(shard, after))
    }

    async fn postpone(&self, place: &WorkPlace, until: Timestamp) -> Result<(), LeadsUnavailable> {
        either!(self, leads.postpone(place, until))
    }

    async fn begin(&self, lease: &Lease) -> Result<Option<Option<Walked>>, LeadsUnavailable> {
        either!(self, leads.begin(lease))
    }

    async fn set_walked(&self, walked: Walked) -> Result<(), LeadsUnavailable> {
        either!(self, leads.set_walked(walked))
    }

    async fn end(&self, lease: &Lease) -> Result<(), LeadsUnavailable> {
        either!(self, leads.end(lease))
    }

    async fn pauses(&self) -> Result<Pauses, LeadsUnavailable> {
        either!(self, leads.pauses())
    }
}

impl Receipts for Table {
    async fn apply_receipt(
        &self,
        receipt: &Receipt,
        now: Timestamp,
    ) -> Result<ReceiptOutcome, LeadsUnavailable> {
        match self {
            Self::Memory { leads, .. } => leads.apply_receipt(receipt, now).await,
            Self::Dynamo { receipts, .. } => receipts.apply_receipt(receipt, now).await,
        }
    }
}

/// A progress of the cursor alone, without other items.
fn progress(from: u64, through: u64) -> Progress {
    Progress { from: Sequence::new(from), through: Sequence::new(through), ..Progress::default() }
}

/// Every clause of every condition expression is necessary: without it, some test of this suite fails.
mod clauses {
    use testkit::clauses::{clauses, table};

    #[test]
    fn every_clause_of_every_condition_is_necessary() {
        let clauses = clauses("clauses::");
        let table = table(&clauses);
        eprintln!("{table}");
        assert!(!clauses.is_empty() && clauses.iter().all(|clause| clause.caught_by.is_some()), "{table}");
    }
}
