//! Offers computed from sets of facts. All facts between two answers of the former system are evaluated at once, so
//! that their order cannot matter.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Fact};

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
