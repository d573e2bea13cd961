//! Stored items, read by the names of their fields without the product's types, and the offers that follow from them. All
//! facts between two answers of the former system are evaluated at once, so that their order cannot matter.

use std::collections::{BTreeMap, BTreeSet};

use contract::stored::StoredCommit;
use serde_json::Value;

/// A recorded fact, read from a stored item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) offer: String,
    /// The offer version; for a voided gap, its last version.
    pub(crate) version: u32,
    pub(crate) kind: String,
    pub(crate) email: String,
    pub(crate) sequence: u64,
    /// The former system's answer, if the fact carries one.
    pub(crate) answer: Option<Answer>,
}

/// The former system's answer about a buyer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) offers: BTreeMap<String, Offer>,
    /// The names of the leads open in the former system: the high ones by offer, and the low one.
    pub(crate) high: BTreeMap<String, String>,
    pub(crate) low: Option<String>,
    pub(crate) was_invited: bool,
}

impl Fact {
    /// Whether the fact is an event of the offer system.
    pub(crate) fn is_event(&self) -> bool {
        !matches!(self.kind.as_str(), "migrated" | "handed-over" | "voided" | "reset" | "erased")
    }
}

/// Reads the facts of a stored item; `None` if they are malformed.
pub(crate) fn facts_of(commit: &StoredCommit) -> Option<Vec<Fact>> {
    let facts: Value = serde_json::from_str(&commit.facts).ok()?;
    let text = |fact: &Value, name: &str| fact.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut last_email = String::new();
    facts
        .as_array()?
        .iter()
        .zip(commit.sequence..)
        .map(|(fact, sequence)| {
            let kind = text(fact, "type")?;
            let answers = matches!(kind.as_str(), "migrated" | "handed-over");
            let state = fact.get("state");
            (answers == state.is_some()).then_some(())?;
            let answer = if let Some(state) = state { Some(answer_in(state)?) } else { None };
            let own = text(fact, "email");
            let email = if fact["same"] == true { last_email.clone() } else { own.unwrap_or_default() };
            if kind == "made" && !email.is_empty() {
                last_email.clone_from(&email);
            }
            let is_of_offer = !answers && !matches!(kind.as_str(), "reset" | "erased");
            let version = || u32::try_from(fact.get("version")?.as_u64()?).ok();
            Some(Fact {
                offer: if is_of_offer { text(fact, "offer")? } else { String::new() },
                version: if is_of_offer { version()? } else { 0 },
                kind,
                email,
                sequence,
                answer,
            })
        })
        .collect()
}

fn answer_in(state: &Value) -> Option<Answer> {
    let mut answer = Answer {
        low: state["former"].as_str().map(str::to_owned),
        was_invited: state["invited"] == true,
        ..Answer::default()
    };
    for (id, line) in state["offers"].as_object()? {
        let written = offer_in(line, &state["contacts"])?;
        answer.high.extend(written.lead.map(|lead| (id.clone(), lead)));
        answer.offers.insert(id.clone(), written.offer);
    }
    Some(answer)
}

/// The effects of a stored item, each as sequence number and key.
pub(crate) fn effects_of(commit: &StoredCommit) -> Option<BTreeSet<(u64, String)>> {
    let Some(text) = &commit.effects else { return Some(BTreeSet::new()) };
    text.lines()
        .map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
        })
        .collect()
}

/// An offer in a stored state.
pub(crate) struct Written {
    pub(crate) offer: Offer,
    /// The version that names the offer's lead, while the offer is accepted.
    pub(crate) named_at: u32,
    /// The name of the offer's lead, if the former system opened it.
    pub(crate) lead: Option<String>,
    /// Whether a quote was requested for the offer.
    pub(crate) is_quoted: bool,
}

/// Reads the line of an offer, such as `5a2.4 car-1 0 … /F7`.
pub(crate) fn offer_in(line: &Value, contacts: &Value) -> Option<Written> {
    let mut words = line.as_str()?.split(' ');
    let (head, _car, contact) = (words.next()?, words.next()?, words.next()?);
    let letter = head.chars().find(char::is_ascii_alphabetic)?;
    let (version, at) = head.split_once(letter)?;
    let stage = letter.to_ascii_lowercase();
    let (named_at, accepted_at) = match (stage, at.split_once('.').unwrap_or((at, at))) {
        ('a', (named, since)) => (named.parse().ok()?, since.parse().ok()?),
        _ => (0, 0),
    };
    let contact = contact.parse::<usize>().ok().and_then(|place| contacts.get(place));
    let email = contact.and_then(|contact| contact["email"].as_str()).unwrap_or_default().to_owned();
    Some(Written {
        offer: Offer { stage, version: version.parse().ok()?, accepted_at, email },
        named_at,
        lead: words.find_map(|word| word.strip_prefix('/')).map(str::to_owned),
        is_quoted: letter == stage,
    })
}

/// An offer after all of its events up to the first gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// `p` pending, `a` accepted, `c` closed.
    pub(crate) stage: char,
    pub(crate) version: u32,
    /// The version of the acceptance, while the offer is accepted: the first of several in a row.
    pub(crate) accepted_at: u32,
    pub(crate) email: String,
}

/// The facts of a stream that count: those after the last reset.
pub(crate) fn counting(facts: &[Fact]) -> &[Fact] {
    let begins = facts.iter().rposition(|fact| fact.kind == "reset").map_or(0, |at| at + 1);
    &facts[begins..]
}

/// All offers that follow from a set of facts, independent of their order, and the number of held events.
pub(crate) fn offers_of(facts: &[Fact]) -> (BTreeMap<String, Offer>, usize) {
    let facts = counting(facts);
    let (mut offers, held) = with_contacts(facts);
    if facts.iter().any(|fact| fact.kind == "erased") {
        for offer in offers.values_mut() {
            offer.email.clear();
        }
    }
    (offers, held)
}

fn with_contacts(facts: &[Fact]) -> (BTreeMap<String, Offer>, usize) {
    let answered = facts.iter().enumerate().rev().find_map(|(at, fact)| Some((at, fact.answer.as_ref()?)));
    let mut offers = answered.map_or_else(BTreeMap::new, |(at, answer)| {
        merged(with_contacts(&facts[..at]).0, answer, facts[at].kind == "migrated")
    });
    let mut by_slot: BTreeMap<(&str, u32), &Fact> = BTreeMap::new();
    let mut voided: BTreeMap<&str, u32> = BTreeMap::new();
    for fact in facts {
        if fact.is_event() {
            by_slot.entry((&fact.offer, fact.version)).or_insert(fact);
        } else if fact.kind == "voided" {
            let through = voided.entry(&fact.offer).or_default();
            *through = fact.version.max(*through);
        }
    }
    let ids: BTreeSet<&str> = by_slot.keys().map(|(id, _)| *id).chain(voided.keys().copied()).collect();
    let mut held = 0;
    for id in ids {
        loop {
            let before = offers.get(id);
            let next = before.map_or(0, |offer| offer.version) + 1;
            let offer = match by_slot.get(&(id, next)) {
                Some(fact) => applied(before, fact),
                None if next <= voided.get(id).copied().unwrap_or(0) => {
                    let unknown = Offer { stage: 'c', version: 0, accepted_at: 0, email: String::new() };
                    Offer { version: next, ..before.cloned().unwrap_or(unknown) }
                }
                None => break,
            };
            offers.insert(id.to_owned(), offer);
        }
        let version = offers.get(id).map_or(0, |offer| offer.version);
        held += by_slot.range((id, version + 1)..=(id, u32::MAX)).count();
    }
    (offers, held)
}

/// Merges an answer into the known offers: for each offer the newer version counts, and a known contact is kept.
fn merged(
    mut ours: BTreeMap<String, Offer>,
    answer: &Answer,
    is_theirs_on_tie: bool,
) -> BTreeMap<String, Offer> {
    for (id, theirs) in &answer.offers {
        let Some(known) = ours.get_mut(id) else {
            ours.insert(id.clone(), theirs.clone());
            continue;
        };
        let is_theirs = theirs.version > known.version || theirs.version == known.version && is_theirs_on_tie;
        let (newer, older) = if is_theirs { (theirs, &*known) } else { (&*known, theirs) };
        let email = if newer.email.is_empty() { &older.email } else { &newer.email };
        *known = Offer { email: email.clone(), ..newer.clone() };
    }
    ours
}

fn applied(before: Option<&Offer>, fact: &Fact) -> Offer {
    let stage = match fact.kind.as_str() {
        "accepted" => 'a',
        "made" | "acceptance-withdrawn" => 'p',
        _ => 'c',
    };
    let since = before.filter(|offer| offer.stage == 'a').map_or(fact.version, |offer| offer.accepted_at);
    let email =
        if fact.kind == "made" { &fact.email } else { before.map_or(&fact.email, |offer| &offer.email) };
    let accepted_at = if stage == 'a' { since } else { 0 };
    Offer { stage, version: fact.version, accepted_at, email: email.clone() }
}
