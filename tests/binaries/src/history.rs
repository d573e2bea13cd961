//! The messages that the offer system sends: events about the offers of several buyers, some of them early or repeated,
//! and sometimes an unreadable message. No event is missing at the end.

use domain::{BuyerId, Event};
use simulator::Chance;
use testkit::{acceptance_withdrawn, accepted, body, buyer, made, rejected, withdrawn};

/// A message to the queue of offer events.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) buyer: BuyerId,
    pub(crate) body: String,
    /// The event in the body; `None` if the body can never be recorded.
    pub(crate) event: Option<Event>,
}

impl Post {
    pub(crate) fn new(buyer: &BuyerId, event: Event) -> Self {
        Self { buyer: buyer.clone(), body: body(buyer, &event), event: Some(event) }
    }
}

/// The messages of a run, in the order of posting.
pub(crate) fn history(chance: &mut Chance) -> Vec<Post> {
    let mut lines: Vec<Vec<Post>> = Vec::new();
    for name in ["b0", "b1", "b2"].iter().take(chance.between(2, 3)) {
        let buyer = buyer(name);
        let tracks = ["o0", "o1", "o2"].iter().take(chance.between(1, 3)).map(|offer| track(chance, offer));
        let tracks = tracks.collect();
        let mut line: Vec<Post> =
            merged(chance, tracks).into_iter().map(|event| Post::new(&buyer, event)).collect();
        for at in 0..line.len() {
            if chance.per_mille(150) {
                let early = line.remove(at);
                line.insert(chance.between(0, at), early);
            }
            if chance.per_mille(100) {
                let again = line[at].clone();
                line.insert(chance.between(at + 1, line.len()), again);
            }
        }
        if chance.per_mille(150) {
            let unreadable = Post { buyer: buyer.clone(), body: "no JSON".to_owned(), event: None };
            line.insert(chance.between(0, line.len()), unreadable);
        }
        lines.push(line);
    }
    merged(chance, lines)
}

/// The events of one offer, in order.
fn track(chance: &mut Chance, offer: &str) -> Vec<Event> {
    let mut events = vec![made(offer)];
    let mut is_accepted = false;
    for version in 2..=u32::try_from(chance.between(1, 5)).unwrap_or(1) {
        let event = match (is_accepted, chance.below(5)) {
            (_, 4) => {
                events
                    .push(if chance.per_mille(500) { rejected(offer) } else { withdrawn(offer) }.v(version));
                break;
            }
            (false, _) => accepted(offer),
            (true, _) => acceptance_withdrawn(offer),
        };
        is_accepted = !is_accepted;
        events.push(event.v(version));
    }
    events
}

/// A random interleaving of the lines, each of which keeps its order.
fn merged<T>(chance: &mut Chance, mut lines: Vec<Vec<T>>) -> Vec<T> {
    let mut all = Vec::new();
    loop {
        lines.retain(|line| !line.is_empty());
        if lines.is_empty() {
            return all;
        }
        let at = chance.below(lines.len());
        all.push(lines[at].remove(0));
    }
}
