//! Both tables in memory, and commits recorded in either kind of streams table.

use std::rc::Rc;

use contract::stored::{self, Commit};
use domain::{BuyerId, Event};
use event_store::{Appended, Appending, EventStore, MemoryStreams, load};
use jiff::Timestamp;
use leads_store::MemoryLeads;

/// An empty leads table beside an empty streams table.
pub(crate) fn tables() -> (Rc<MemoryStreams>, MemoryLeads) {
    let streams = Rc::<MemoryStreams>::default();
    let beside = Rc::clone(&streams);
    let leads = MemoryLeads::beside(move |buyer, sequence| {
        let is_it = |(name, number): (&str, u64)| name == buyer.as_str() && number == sequence.get();
        beside.commits().iter().any(|commit| is_it((&commit.buyer, commit.sequence)))
    });
    (streams, leads)
}

/// Records events of a live buyer in one commit.
pub(crate) async fn record(
    streams: &impl EventStore,
    buyer: &BuyerId,
    events: &[Event],
    at: Timestamp,
) -> Commit {
    let mut appending = Appending::onto(load(streams, buyer).await.unwrap()).live();
    for event in events {
        appending.take(event.clone().into());
    }
    let (commit, _) = appending.commit(buyer, at).unwrap();
    assert_eq!(streams.append(&commit).await.unwrap(), Appended::Written);
    stored::decode(&commit).unwrap()
}
