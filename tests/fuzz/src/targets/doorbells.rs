use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use aws_lambda_events::event::dynamodb::{Event as FeedEvent, EventRecord};
use contract::stored::StoredCommit;
use domain::{BuyerId, Event, Sequence};
use effects::mail::Letterhead;
use effects::outside::MemoryOutside;
use event_store::{
    Appended, Appending, Commits, EventStore as _, Head, MemoryStreams, Page, StoreError, load,
};
use futures::executor::block_on;
use leads_store::{
    Behind, Claim, Claimed, Cursor, Cursors, LeadsUnavailable, Ledger, MemoryLeads, Moved, Progress, Settled,
    Verdict,
};
use reactor::Reactor;

use testkit::doorbell;

use super::{buyer, event, parts};
use crate::clock::{Still, deadline, now};

const BUYERS: [&str; 2] = ["ada", "bob"];

/// The target `doorbells`: events that are recorded, and batches of the change feed. Each part of the input is an
/// event of Ada or Bob in the short form after `a` or `b`, a doorbell as in `!ada 1`, or a record of the change feed
/// as JSON. An empty part ends a batch.
///
/// Properties: whatever records come, each effect is performed once. After a last doorbell for each buyer, everything
/// is settled.
pub(crate) fn take(bytes: &[u8]) {
    let (streams, outside, still) = (Streams::default(), MemoryOutside::default(), Still::default());
    let beside = Rc::clone(&streams.memory);
    let leads = MemoryLeads::beside(move |buyer, sequence| {
        let is_it =
            |commit: &StoredCommit| commit.buyer == buyer.as_str() && commit.sequence == sequence.get();
        beside.commits().iter().any(is_it)
    });
    let leads = Leads(leads);
    let letterhead = Letterhead { site: "cars".to_owned(), site_url: "https://cars.example".to_owned() };
    let reactor = Reactor::new(&streams, &leads, &outside, &still, letterhead);

    let mut records = Vec::new();
    for part in parts(bytes).take(24) {
        let recorded = match part.split_at_checked(1) {
            Some(("a", short)) => event(short).map(|event| (BUYERS[0], event)),
            Some(("b", short)) => event(short).map(|event| (BUYERS[1], event)),
            Some(("!", bell)) => {
                records.extend(bell.split_once(' ').and_then(|(buyer, sequence)| record(buyer, sequence)));
                None
            }
            // Records that Lambda's own types cannot read never reach the reactor.
            _ => {
                records.extend(serde_json::from_str::<EventRecord>(&part));
                None
            }
        };
        if let Some((name, event)) = recorded {
            streams.record(name, event);
        } else if part.is_empty() {
            ring(&reactor, &mut records);
        }
    }
    ring(&reactor, &mut records);

    let heads: Vec<(BuyerId, Sequence)> = BUYERS
        .iter()
        .map(|name| {
            let buyer = buyer(name).unwrap();
            let head = block_on(load(&&streams, &buyer)).unwrap();
            (buyer, head.state.sequence)
        })
        .collect();
    for (buyer, head) in &heads {
        records.extend(record(buyer.as_str(), &head.get().to_string()));
    }
    ring(&reactor, &mut records);
    for (buyer, head) in &heads {
        let cursor = block_on(leads.0.cursor(buyer)).unwrap();
        assert_eq!((cursor.through, cursor.behind), (*head, None), "{buyer}");
    }
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for id in outside.sales().into_iter().map(|message| message.effect_id) {
        *count.entry(id).or_default() += 1;
    }
    for mail in outside.emails() {
        *count.entry(format!("{}/{}", mail.tags[0].1, mail.tags[1].1)).or_default() += 1;
    }
    assert!(count.values().all(|times| *times == 1), "{count:?}");
}

fn record(buyer: &str, sequence: &str) -> Option<EventRecord> {
    serde_json::from_value(doorbell(buyer, sequence)).ok()
}

fn ring(reactor: &Reactor<&Streams, &Leads, &MemoryOutside, &Still>, records: &mut Vec<EventRecord>) {
    let mut batch = FeedEvent::default();
    batch.records = std::mem::take(records);
    block_on(reactor.handle(batch, deadline())).unwrap();
}

#[derive(Debug, Default)]
struct Streams {
    memory: Rc<MemoryStreams>,
    heads: RefCell<BTreeMap<String, Head>>,
}

impl Streams {
    /// In a commit of its own, if it is new.
    fn record(&self, name: &str, event: Event) {
        let mut heads = self.heads.borrow_mut();
        let head = heads.entry(name.to_owned()).or_default();
        let mut appending = Appending::onto(head.clone()).live();
        if matches!(appending.state().arrival_of(&event), domain::Arrival::Next | domain::Arrival::Early) {
            appending.take(event.into());
        }
        if let Some((commit, after)) = appending.commit(&buyer(name).unwrap(), now()) {
            assert_eq!(block_on(self.memory.append(&commit)).unwrap(), Appended::Written);
            *head = after;
        }
    }
}

impl Commits for &Streams {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.memory.page(buyer, before, limit).await
    }
}

struct Leads(MemoryLeads);

impl Cursors for &Leads {
    async fn cursor(&self, buyer: &BuyerId) -> Result<Cursor, LeadsUnavailable> {
        self.0.cursor(buyer).await
    }

    async fn cursors(&self, buyers: &[BuyerId]) -> Result<BTreeMap<BuyerId, Cursor>, LeadsUnavailable> {
        self.0.cursors(buyers).await
    }

    async fn move_cursor(
        &self,
        buyer: &BuyerId,
        progress: &Progress,
        mark: Option<&str>,
    ) -> Result<Moved, LeadsUnavailable> {
        self.0.move_cursor(buyer, progress, mark).await
    }

    async fn mark_behind(&self, buyer: &BuyerId, behind: &Behind) -> Result<(), LeadsUnavailable> {
        self.0.mark_behind(buyer, behind).await
    }
}

impl Ledger for &Leads {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, LeadsUnavailable> {
        self.0.claim(claim).await
    }

    async fn settle(
        &self,
        buyer: &BuyerId,
        key: &str,
        verdict: &Verdict,
    ) -> Result<Settled, LeadsUnavailable> {
        self.0.settle(buyer, key, verdict).await
    }
}
