//! What the offer system sends: several buyers' offers at once, some events early, some twice, sometimes what nobody can
//! read. In the end nothing is missing.

use domain::{BuyerId, Event};
use simulator::Chance;
use testkit::{acceptance_withdrawn, accepted, body, buyer, made, rejected, withdrawn};

/// A message as it is posted.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) buyer: BuyerId,
    pub(crate) body: String,
    /// `None`: it can never be recorded.
    pub(crate) event: Option<Event>,
}

impl Post {
    pub(crate) fn new(buyer: &BuyerId, event: Event) -> Self {
        Self { buyer: buyer.clone(), body: body(buyer, &event), event: Some(event) }
    }
}

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
            let poison = Post { buyer: buyer.clone(), body: "no JSON".to_owned(), event: None };
            line.insert(chance.between(0, line.len()), poison);
        }
        lines.push(line);
    }
    merged(chance, lines)
}

/// One offer's life.
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

/// All lines at once, each in its own order.
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
