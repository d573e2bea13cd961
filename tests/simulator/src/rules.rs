//! The rules once more, from the design's text: which offers, which leads, which effects follow from a set of events. It
//! shares no code with the product, and is built the other way round: not an event after the other, but the whole set at
//! once, so that order cannot matter.

use std::collections::{BTreeMap, BTreeSet};

use contract::stored::StoredCommit;
use serde_json::Value;

/// A recorded event, as it lies in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) offer: String,
    pub(crate) version: u32,
    pub(crate) kind: String,
    pub(crate) email: String,
    pub(crate) sequence: u64,
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
}

/// An effect that must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) sequence: u64,
    pub(crate) key: String,
    /// The address of a mail.
    pub(crate) email: String,
}

/// Reads the facts of a stored item. `None`: it is not what may lie there.
pub(crate) fn facts_of(commit: &StoredCommit) -> Option<Vec<Fact>> {
    let facts: Value = serde_json::from_str(&commit.facts).ok()?;
    let text = |fact: &Value, name: &str| fact.get(name).and_then(Value::as_str).map(str::to_owned);
    facts
        .as_array()?
        .iter()
        .zip(commit.sequence..)
        .map(|(fact, sequence)| {
            Some(Fact {
                offer: text(fact, "offer")?,
                version: u32::try_from(fact.get("version")?.as_u64()?).ok()?,
                kind: text(fact, "type")?,
                email: text(fact, "email").unwrap_or_default(),
                sequence,
            })
        })
        .collect()
}

/// The keys of the effects of a stored item, by sequence number.
pub(crate) fn effects_of(commit: &StoredCommit) -> Option<BTreeSet<(u64, String)>> {
    let Some(text) = &commit.effects else { return Some(BTreeSet::new()) };
    let effects: Value = serde_json::from_str(text).ok()?;
    effects
        .as_array()?
        .iter()
        .map(|effect| {
            let text = |name: &str| effect.get(name).and_then(Value::as_str);
            let key = match text("type")? {
                "quote-request" => format!("quote/{}", text("offer")?),
                "quote-invitation" => "quote-email".to_owned(),
                "lead-opened" => format!("opened/{}", text("lead")?),
                "lead-closed" => format!("closed/{}", text("lead")?),
                "accepted-email" => format!("accepted-email/{}/{}", text("offer")?, effect.get("version")?),
                _ => return None,
            };
            Some((effect.get("sequence")?.as_u64()?, key))
        })
        .collect()
}

/// Every offer as the set of its events says.
fn offers(facts: &[Fact]) -> (BTreeMap<String, Offer>, usize) {
    let mut by_slot: BTreeMap<(&str, u32), &Fact> = BTreeMap::new();
    for fact in facts {
        by_slot.entry((&fact.offer, fact.version)).or_insert(fact);
    }
    let mut offers: BTreeMap<String, Offer> = BTreeMap::new();
    let mut held = 0;
    for ((id, version), fact) in by_slot {
        let before = offers.get(id);
        if version != before.map_or(0, |offer| offer.version) + 1 {
            held += 1;
            continue;
        }
        let stage = match fact.kind.as_str() {
            "accepted" => 'a',
            "made" | "acceptance-withdrawn" => 'p',
            _ => 'c',
        };
        let since = before.filter(|offer| offer.stage == 'a').map_or(version, |offer| offer.accepted_at);
        let email = before.map_or_else(|| fact.email.clone(), |offer| offer.email.clone());
        offers.insert(id.to_owned(), Offer { stage, version, accepted_at: since, email });
    }
    (offers, held)
}

impl Buyer {
    /// The buyer once the last of these facts is there too, and what must be done because of it.
    pub(crate) fn after(&self, facts: &[Fact]) -> (Self, Vec<Due>) {
        let (offers, held) = offers(facts);
        let (sequence, cause) = facts.last().map_or((0, ""), |fact| (fact.sequence, fact.offer.as_str()));
        let accepted = offers.iter().filter(|(_, offer)| offer.stage == 'a');
        let high: BTreeMap<String, u32> = accepted
            .map(|(id, offer)| (id.clone(), self.high.get(id).copied().unwrap_or(offer.accepted_at)))
            .collect();
        let is_low = high.is_empty() && offers.values().any(|offer| offer.stage == 'p');
        let low = is_low.then(|| self.low.unwrap_or(sequence));
        let mut dues = Vec::new();
        let mut due = |key: String, email: &str| dues.push(Due { sequence, key, email: email.to_owned() });
        let address = |id: &str| offers.get(id).map_or("", |offer| offer.email.as_str());
        for (id, offer) in &offers {
            if !self.offers.contains_key(id) && offer.stage != 'c' {
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
            due("quote-email".to_owned(), address(cause));
        }
        (Self { offers, low, high, held }, dues)
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
