use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use aws_lambda_events::event::dynamodb::{Event as FeedEvent, EventRecord};
use domain::{BuyerId, Event, Sequence};
use effects::mail::Letterhead;
use effects::outside::MemoryOutside;
use event_store::{Appended, Appending, EventStore as _, Head, MemoryStreams, load};
use futures::executor::block_on;
use leads_store::LeadsStore as _;
use reactor::Reactor;
use testkit::leads::tables;
use testkit::{Hooked, TestClock, at, doorbell};

use crate::corpus::{buyer, event, parts};

const BUYERS: [&str; 2] = ["ada", "bob"];

/// The target `doorbells`: events that are recorded, and batches of the change feed. Each part of the input is an
/// event of Ada or Bob in the short form after `a` or `b`, a doorbell as in `!ada 1`, or a record of the change feed
/// as JSON. An empty part ends a batch.
///
/// Properties: whatever records come, each effect is performed once. After a last doorbell for each buyer, everything
/// is settled.
pub(crate) fn doorbells(bytes: &[u8]) {
    let ((memory, leads), outside, clock) = (tables(), MemoryOutside::default(), TestClock::default());
    let streams = Streams { memory, heads: RefCell::default() };
    let (read, deadline) = (Hooked::plain(&*streams.memory), clock.deadline_in(60));
    let letterhead = Letterhead { site: "cars".to_owned(), site_url: "https://cars.example".to_owned() };
    let reactor = Reactor::new(read, Hooked::plain(&leads), &outside, clock, letterhead);

    let ring = |records: &mut Vec<EventRecord>| {
        let mut batch = FeedEvent::default();
        batch.records = std::mem::take(records);
        block_on(reactor.handle(batch, deadline)).unwrap();
    };
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
            ring(&mut records);
        }
    }
    ring(&mut records);

    let heads: Vec<(BuyerId, Sequence)> = BUYERS
        .iter()
        .map(|name| {
            let buyer = buyer(name).unwrap();
            let head = block_on(load(&*streams.memory, &buyer)).unwrap();
            (buyer, head.state.sequence)
        })
        .collect();
    for (buyer, head) in &heads {
        records.extend(record(buyer.as_str(), &head.get().to_string()));
    }
    ring(&mut records);
    for (buyer, head) in &heads {
        let cursor = block_on(leads.cursor(buyer)).unwrap();
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

/// The streams, with the head of each.
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
        if let Some((commit, after)) = appending.commit(&buyer(name).unwrap(), at("10:00:00")) {
            assert_eq!(block_on(self.memory.append(&commit)).unwrap(), Appended::Written);
            *head = after;
        }
    }
}
