//! The rules once more, from the design's text: which offers, which leads, which effects follow from a set of events. It
//! shares no code with the product, and is built the other way round: not an event after the other, but the whole set at
//! once, so that order cannot matter.

use std::collections::{BTreeMap, BTreeSet};

use contract::stored::StoredCommit;
use serde_json::Value;

/// A recorded fact, as it lies in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) offer: String,
    /// Of a gap that is void, its last version.
    pub(crate) version: u32,
    pub(crate) kind: String,
    pub(crate) email: String,
    pub(crate) sequence: u64,
    /// What it says is known, if it is no event but carries a state.
    pub(crate) known: Option<Value>,
}

impl Fact {
    /// Whether the offer system told it.
    pub(crate) fn is_event(&self) -> bool {
        !matches!(self.kind.as_str(), "migrated" | "voided" | "reset" | "erased")
    }
}

/// An offer after all of its events that follow each other without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// `p`ending, `a`ccepted, `c`losed.
    pub(crate) stage: char,
    pub(crate) version: u32,
    /// The version that accepted it, while it is accepted.
    pub(crate) accepted_at: u32,
    pub(crate) email: String,
}

/// A buyer after some facts, with the names of the open leads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Buyer {
    pub(crate) offers: BTreeMap<String, Offer>,
    /// The sequence number at which the low lead opened.
    pub(crate) low: Option<u64>,
    /// The version of the acceptance, by offer.
    pub(crate) high: BTreeMap<String, u32>,
    pub(crate) held: usize,
    /// Whether the last fact gave it back to the former system.
    pub(crate) is_reset: bool,
    pub(crate) is_erased: bool,
    /// Whether the former system has invited it to a quote.
    pub(crate) was_invited: bool,
}

/// An effect that must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) sequence: u64,
    pub(crate) key: String,
    /// The address of a mail.
    pub(crate) email: String,
    /// Whether another system performs it.
    pub(crate) is_shadow: bool,
}

/// Reads the facts of a stored item. `None`: it is not what may lie there.
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
            let known = fact.get("state").cloned();
            let carries = matches!(kind.as_str(), "migrated" | "reset" | "erased");
            (carries == known.is_some()).then_some(())?;
            let own = text(fact, "email");
            let email = if fact["same"] == true { last_email.clone() } else { own.unwrap_or_default() };
            if kind == "made" && !email.is_empty() {
                last_email.clone_from(&email);
            }
            Some(Fact {
                offer: if carries { String::new() } else { text(fact, "offer")? },
                version: if carries { 0 } else { u32::try_from(fact.get("version")?.as_u64()?).ok()? },
                kind,
                email,
                sequence,
                known,
            })
        })
        .collect()
}

/// The keys of the effects of a stored item, by sequence number.
pub(crate) fn effects_of(commit: &StoredCommit) -> Option<BTreeSet<(u64, String)>> {
    let Some(text) = &commit.effects else { return Some(BTreeSet::new()) };
    text.lines()
        .map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
        })
        .collect()
}

/// Every offer as the set of its facts says, whatever their order; and how many events wait.
pub(crate) fn offers_of(facts: &[Fact]) -> (BTreeMap<String, Offer>, usize) {
    let mut offers =
        facts.iter().rev().find(|fact| fact.kind == "migrated").map(handed_over).unwrap_or_default();
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
            let next = offers.get(id).map_or(0, |offer| offer.version) + 1;
            let before = offers.get(id);
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
    if facts.iter().any(|fact| fact.kind == "erased") {
        for offer in offers.values_mut() {
            offer.email.clear();
        }
    }
    (offers, held)
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
    Offer { stage, version: fact.version, accepted_at: since, email: email.clone() }
}

/// An offer as it stands in a stored state: `3a2 car-1 0 …`.
pub(crate) fn offer_in(line: &Value, contacts: &Value) -> Option<Offer> {
    let mut words = line.as_str()?.split(' ');
    let (head, _car, contact) = (words.next()?, words.next()?, words.next()?);
    let stage = head.chars().find(char::is_ascii_alphabetic)?;
    let (version, at) = head.split_once(stage)?;
    let contact = contact.parse::<usize>().ok().and_then(|place| contacts.get(place));
    Some(Offer {
        stage,
        version: version.parse().ok()?,
        accepted_at: if stage == 'a' { at.parse().ok()? } else { 0 },
        email: contact.and_then(|contact| contact["email"].as_str()).unwrap_or_default().to_owned(),
    })
}

/// The offers that the former system handed over.
fn handed_over(fact: &Fact) -> BTreeMap<String, Offer> {
    let Some(known) = &fact.known else { return BTreeMap::new() };
    let offers = known["offers"].as_object().into_iter().flatten();
    offers.filter_map(|(id, line)| Some((id.clone(), offer_in(line, &known["contacts"])?))).collect()
}

impl Buyer {
    /// The buyer once the last of these facts is there too, and what must be done because of it.
    pub(crate) fn after(&self, facts: &[Fact]) -> (Self, Vec<Due>) {
        let (offers, held) = offers_of(facts);
        let Some(last) = facts.last() else { return (Self::default(), Vec::new()) };
        let (sequence, cause) = (last.sequence, last.offer.as_str());
        let can_be_reached = |offer: &Offer| !offer.email.is_empty();
        let accepted = offers.iter().filter(|(_, offer)| offer.stage == 'a' && can_be_reached(offer));
        let high: BTreeMap<String, u32> = accepted
            .map(|(id, offer)| (id.clone(), self.high.get(id).copied().unwrap_or(offer.accepted_at)))
            .collect();
        let is_pending = |offer: &&Offer| offer.stage == 'p' && can_be_reached(offer);
        let is_low = high.is_empty() && offers.values().any(|offer| is_pending(&offer));
        let low = is_low.then(|| self.low.unwrap_or(sequence));
        let invites = |fact: &Fact| fact.known.as_ref().is_some_and(|known| known["invited"] == true);
        let was_invited = self.was_invited || last.kind == "migrated" && invites(last);
        let mut dues = Vec::new();
        let mut due = |key: String, email: &str| {
            dues.push(Due { sequence, key, email: email.to_owned(), is_shadow: false });
        };
        let address = |id: &str| offers.get(id).map_or("", |offer| offer.email.as_str());
        for (id, offer) in &offers {
            if !self.offers.contains_key(id) && offer.stage != 'c' && can_be_reached(offer) {
                due(format!("quote/{id}"), "");
            }
        }
        for (id, at) in self.high.iter().filter(|(id, _)| !high.contains_key(*id)) {
            due(format!("closed/high/{id}/{at}"), "");
        }
        if let (Some(at), None) = (self.low, low) {
            due(format!("closed/low/{at}"), "");
        }
        for (id, at) in high.iter().filter(|(id, _)| !self.high.contains_key(*id)) {
            due(format!("opened/high/{id}/{at}"), "");
            due(format!("accepted-email/{id}/{at}"), address(id));
        }
        if let (None, Some(at)) = (self.low, low) {
            due(format!("opened/low/{at}"), "");
            let pending = offers.values().find(is_pending).map_or("", |offer| offer.email.as_str());
            let email = if address(cause).is_empty() { pending } else { address(cause) };
            if !was_invited {
                due("quote-email".to_owned(), email);
            }
        }
        // What the former system hands over it has announced; after a reset, what was known before was announced by us.
        if last.kind == "migrated" && !self.is_reset {
            dues.clear();
        }
        let is_erased = self.is_erased || last.kind == "erased";
        (Self { offers, low, high, held, is_reset: last.kind == "reset", is_erased, was_invited }, dues)
    }

    /// The names of the open leads.
    pub(crate) fn open(&self) -> BTreeSet<String> {
        let high = self.high.iter().map(|(id, at)| format!("high/{id}/{at}"));
        self.low.map(|at| format!("low/{at}")).into_iter().chain(high).collect()
    }

    /// Whether the reason for a mail still holds.
    pub(crate) fn calls_for(&self, key: &str) -> bool {
        match key.strip_prefix("accepted-email/") {
            Some(acceptance) => self.high.iter().any(|(id, at)| acceptance == format!("{id}/{at}")),
            None => self.low.is_some(),
        }
    }
}
