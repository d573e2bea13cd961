//! The messages of the offer system: late, repeated, contradictory and bad ones, and gaps.

use std::fmt::Write as _;

use crate::chance::Chance;

/// A message to the queue of offer events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// The message group, which should be the buyer.
    pub group: String,
    /// The deduplication id, which is the event's id.
    pub id: String,
    /// The event; `None` for a bad message.
    pub event: Option<Sent>,
    /// The message's body.
    pub body: String,
}

/// An event as its sender sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The buyer of the offer.
    pub buyer: String,
    /// The offer's id.
    pub offer: String,
    /// The offer version.
    pub version: u32,
    /// `made`, `accepted`, `acceptance-withdrawn`, `rejected` or `withdrawn`.
    pub kind: &'static str,
    /// The e-mail address, for `made`.
    pub email: &'static str,
    /// Whether the event contradicts another event of its sender.
    pub is_odd: bool,
}

impl Sent {
    /// An event of an honest sender.
    #[must_use]
    pub fn new(buyer: &str, offer: &str, version: u32, kind: &'static str, email: &'static str) -> Self {
        Self { buyer: buyer.to_owned(), offer: offer.to_owned(), version, kind, email, is_odd: false }
    }

    /// The message with this event.
    #[must_use]
    pub fn post(self) -> Post {
        let id = format!(
            "{}-{}-{}-{}{}",
            self.buyer,
            self.offer,
            self.version,
            self.kind,
            if self.is_odd { "-odd" } else { "" }
        );
        let body = self.body(&id);
        Post { group: self.buyer.clone(), id, event: Some(self), body }
    }

    fn body(&self, id: &str) -> String {
        let Self { buyer, offer, version, kind, email, .. } = self;
        let mut body = format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/offers","type":"offer.{kind}.v1","data":{{"buyerId":"{buyer}","offerId":"{offer}","offerVersion":{version}"#
        );
        if *kind == "made" {
            // Writing to a String cannot fail.
            let _ = write!(
                body,
                r#","carId":"car-{offer}","buyer":{{"name":"Ada Canary","email":"{email}","phone":"+61 400 555 0199"}}"#
            );
        }
        body.push_str("}}");
        body
    }
}

/// The end of the id of an event that makes the recorder panic, whatever else its commit contains.
pub(crate) const BREAKS: &str = "-breaks";

impl Post {
    /// The same message, but with an event that makes the recorder panic.
    pub(crate) fn breaking(mut self) -> Self {
        let id = format!("{}{BREAKS}", self.id);
        self.body = self.body.replace(&format!(r#""id":"{}""#, self.id), &format!(r#""id":"{id}""#));
        self.id = id;
        self
    }

    /// Whether the event makes the recorder panic.
    pub(crate) fn is_breaking(&self) -> bool {
        self.id.ends_with(BREAKS)
    }
}

/// The buyers of a run.
const BUYERS: [&str; 3] = ["b0", "b1", "b2"];
const OFFERS: [&str; 3] = ["o0", "o1", "o2"];
const ADDRESSES: [&str; 6] = [
    "ada@example.com",
    "bob@example.com",
    "eve@example.com",
    "bounces@example.com",
    "refused@example.com",
    "no address",
];

/// Random messages in the order of posting, and the events that are never sent.
pub(crate) fn history(chance: &mut Chance, is_about_mail: bool) -> (Vec<Post>, Vec<Sent>) {
    let mut lines: Vec<Vec<Post>> = Vec::new();
    let (mut fillers, mut unsent) = (Vec::new(), Vec::new());
    for buyer in BUYERS.iter().take(chance.between(1, 3)) {
        let opens_again = is_about_mail && chance.per_mille(800);
        let mut line = if opens_again { openings(chance, buyer) } else { line(chance, buyer) };
        if chance.per_mille(300) && line.len() > 2 {
            let gap = line.remove(chance.below(line.len()));
            if chance.per_mille(600) {
                fillers.push(gap.post());
            } else {
                unsent.push(gap);
            }
        }
        let mut posts: Vec<Post> = line.into_iter().map(Sent::post).collect();
        if chance.per_mille(15) && !posts.is_empty() {
            let post = posts.remove(chance.below(posts.len()));
            posts.insert(chance.below(posts.len() + 1), post.breaking());
        }
        disturb(chance, buyer, &mut posts);
        posts.reverse();
        lines.push(posts);
    }
    let mut merged = Vec::new();
    loop {
        lines.retain(|line| !line.is_empty());
        if lines.is_empty() {
            break;
        }
        let at = chance.below(lines.len());
        merged.extend(lines.get_mut(at).and_then(Vec::pop));
    }
    merged.extend(fillers);
    (merged, unsent)
}

/// Events of one offer after the other, each with its own address, so that the low lead opens, closes and opens again.
fn openings(chance: &mut Chance, buyer: &str) -> Vec<Sent> {
    let mut line = Vec::new();
    for number in 0..chance.between(2, 5) {
        let offer = &format!("o{number}");
        let address =
            chance.pick(&["ada@example.com", "ada@example.com", "bob@example.com", "refused@example.com"]);
        line.push(Sent::new(buyer, offer, 1, "made", address));
        line.push(Sent::new(buyer, offer, 2, chance.pick(&["withdrawn", "rejected"]), ""));
    }
    if chance.per_mille(900) {
        line.pop();
    }
    line
}

/// The events of one buyer, in a possible order of arrival.
fn line(chance: &mut Chance, buyer: &str) -> Vec<Sent> {
    let offers = chance.between(1, 3);
    let is_flood = chance.per_mille(2);
    let mut tracks: Vec<Vec<Sent>> =
        OFFERS.iter().take(offers).map(|offer| track(chance, buyer, offer, is_flood)).collect();
    let mut line = Vec::new();
    loop {
        tracks.retain(|track| !track.is_empty());
        if tracks.is_empty() {
            break;
        }
        let at = chance.below(tracks.len());
        line.extend(tracks.get_mut(at).map(|track| track.remove(0)));
    }
    for at in 0..line.len() {
        if chance.per_mille(250) {
            let late = line.remove(at);
            line.insert((at + chance.between(1, 4)).min(line.len()), late);
        }
    }
    if is_flood {
        line.reverse();
    }
    line
}

/// The events of one offer, in order.
fn track(chance: &mut Chance, buyer: &str, offer: &str, is_flood: bool) -> Vec<Sent> {
    let mut events = vec![Sent::new(buyer, offer, 1, "made", chance.pick(&ADDRESSES))];
    let length = if is_flood { 40 } else { chance.between(1, 6) };
    let mut kind = "made";
    for version in 2..=u32::try_from(length).unwrap_or(1) {
        kind = match kind {
            "made" | "acceptance-withdrawn" => {
                chance.pick(&["accepted", "accepted", "accepted", "rejected", "withdrawn"])
            }
            "accepted" => chance.pick(&[
                "acceptance-withdrawn",
                "acceptance-withdrawn",
                "rejected",
                "withdrawn",
                "accepted",
            ]),
            _ if chance.per_mille(850) && !is_flood => break,
            _ => "accepted",
        };
        events.push(Sent::new(buyer, offer, version, kind, ""));
    }
    events
}

/// Adds repeats, contradictions and bad messages.
fn disturb(chance: &mut Chance, buyer: &str, line: &mut Vec<Post>) {
    for number in 0..chance.between(0, 3) {
        if line.is_empty() {
            return;
        }
        let at = chance.below(line.len());
        let later = chance.between(at + 1, line.len());
        let kind = chance.below(4);
        let Some(post) = line.get(at).cloned() else { return };
        match post.event {
            Some(event) if kind == 2 => line.insert(later, contradiction(event).post()),
            Some(event) if kind == 3 => line.insert(later, bad_message(chance, buyer, number, &event)),
            _ => line.insert(later, post),
        }
    }
}

/// An event with the same offer version and other content.
fn contradiction(event: Sent) -> Sent {
    let (kind, email) = match event.kind {
        "made" => ("made", "other@example.com"),
        "rejected" => ("withdrawn", ""),
        _ => ("rejected", ""),
    };
    Sent { kind, email, is_odd: true, ..event }
}

/// A message that is no event, is in the wrong group, or has an unknown type.
fn bad_message(chance: &mut Chance, buyer: &str, number: usize, event: &Sent) -> Post {
    let id = format!("{buyer}-poison-{number}");
    let body = match chance.below(3) {
        0 => format!("not json {id}"),
        1 => event.body(&id).replace(&format!(r#""buyerId":"{buyer}""#), r#""buyerId":"someone-else""#),
        _ => event.body(&id).replace(".v1", ".v9"),
    };
    Post { group: buyer.to_owned(), id, event: None, body }
}
