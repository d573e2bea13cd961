//! The command `work`: does a piece of work several times, for a counter of instructions.
//!
//! - `path N`: N events of the corpus from message to commit, without I/O
//! - `fold N`: N folds of a stream of 10,000 events
//! - `handle URL N`: N events through the whole recorder, one per batch, with the DynamoDB at this URL
//! - `walk URL`: one sweep over the settled commits in the DynamoDB at this URL

use std::collections::BTreeMap;
use std::hint::black_box;

use bench::corpus::{committed, endless};
use bench::recorders::{Ours, Still};
use bench::walk;
use contract::incoming;
use domain::{Arrival, Fact, State};
use event_store::{Appending, Head};
use platform::clock::Clock as _;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["path", times] => path(number(times)),
        ["fold", times] => fold(number(times)),
        ["handle", url, times] => handle(url, number(times)).await,
        ["walk", url] => walk::sweep(url).await,
        other => panic!("unknown arguments: {other:?}"),
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or_else(|_| panic!("not a number: {text}"))
}

fn path(events: usize) {
    let corpus = committed().concat();
    let mut heads: BTreeMap<String, Head> = BTreeMap::new();
    for (at, message) in corpus.iter().cycle().take(events).enumerate() {
        if at % corpus.len() == 0 {
            heads.clear();
        }
        let Ok(incoming) = incoming::decode(&message.body) else { panic!("the corpus was edited by hand") };
        let head = heads.remove(&message.group).unwrap_or_default();
        let mut appending = Appending::onto(head).live();
        assert_eq!(appending.state().arrival_of(&incoming.event), Arrival::Next);
        appending.take(incoming.event.into());
        let written = appending.commit(&incoming.buyer, Still.now());
        let Some((commit, head)) = black_box(written) else { panic!("an event must be written") };
        drop(black_box(commit));
        heads.insert(message.group.clone(), head);
    }
}

fn fold(times: usize) {
    let stream: Vec<_> = endless("offer-1").take(10_000).map(Fact::from).collect();
    for _ in 0..times {
        let mut state = State::default();
        for event in &stream {
            state.fold(black_box(event));
        }
        black_box(state);
    }
}

async fn handle(url: &str, events: usize) {
    let corpus = committed().concat();
    let ours = Ours::at(url);
    for message in corpus.iter().take(events) {
        ours.deliver(std::slice::from_ref(message)).await;
    }
}
