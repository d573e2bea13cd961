//! Switches off safeguards inside of the product, by changing the data that its adapters pass.

use std::collections::{BTreeMap, BTreeSet};

use contract::stored::StoredCommit;
use domain::{FormerLeadId, Known, Sequence};
use event_store::Page;
use leads_store::{AddressDigest, Claim, Pauses, Taking};
use serde_json::Value;

use crate::call::Machine;
use crate::plan::Safeguard;
use crate::platform::{Platform, Received};
use crate::rules::{Buyer, Due, Fact, facts_of, offers_of};

/// The facts of a buyer up to a sequence number.
fn facts_before(platform: &Platform, buyer: &str, sequence: u64) -> Vec<Fact> {
    let stream = platform.streams.buyers.get(buyer);
    stream
        .into_iter()
        .flat_map(|stream| stream.range(..sequence))
        .filter_map(|(_, commit)| facts_of(commit))
        .flatten()
        .collect()
}

/// Switches off effects per chain: each event of a chain has its own effects, even those that its successor undoes.
pub(crate) fn with_effects_per_step(platform: &Platform, commit: &StoredCommit) -> StoredCommit {
    let mut facts = facts_before(platform, &commit.buyer, commit.sequence);
    let mut buyer = Buyer::default();
    for end in 1..=facts.len() {
        buyer = buyer.after(&facts[..end]).0;
    }
    let mut effects = Vec::new();
    for fact in facts_of(commit).unwrap_or_default() {
        let arrived = fact.clone();
        facts.push(fact);
        let whole = buyer.after(&facts).0;
        let applied = |buyer: &Buyer| buyer.offers.get(&arrived.offer).map_or(0, |offer| offer.version);
        // The versions are applied one after the other, as if their events had arrived in order.
        for version in applied(&buyer) + 1..=applied(&whole) {
            let so_far: Vec<Fact> = facts
                .iter()
                .filter(|fact| fact.offer != arrived.offer || fact.version <= version)
                .map(|fact| Fact { sequence: fact.sequence.min(arrived.sequence), ..fact.clone() })
                .chain([Fact { ..arrived.clone() }])
                .collect();
            let (after, dues) = buyer.after(&so_far);
            effects.extend(dues.iter().map(|due| stored(due, &arrived.offer)));
            buyer = after;
        }
    }
    let effects = (!effects.is_empty()).then(|| effects.join("\n"));
    StoredCommit { effects, ..commit.clone() }
}

fn stored(due: &Due, cause: &str) -> String {
    let line = format!("{} {}", due.sequence, due.key);
    match due.key.split_once('/') {
        Some(("closed", _)) => line + " offer-withdrawn",
        Some(("opened", lead)) if lead.starts_with("low") => format!("{line} {cause}"),
        Some(_) => line,
        None => format!("{line} {cause}"),
    }
}

/// Switches off claims from the head: the address and sequence number of an invitation are those of its effect, or of
/// the ledger entry for a claim of the sweeper. The mail goes to that address.
pub(crate) fn claim_from_effect(machine: &Machine, claim: &Claim) -> Claim {
    let buyer = claim.buyer.as_str();
    if claim.key != "quote-email" || !matches!(claim.taking, Taking::Attempt(_)) {
        return claim.clone();
    }
    if claim.found.is_some() {
        let platform = machine.platform.borrow();
        let entry = platform.leads.entry(buyer, &claim.key);
        return Claim { sequence: entry.map_or(claim.sequence, |entry| entry.sequence), ..claim.clone() };
    }
    let place = machine.invitations_before(buyer, &claim.nonce);
    let mut platform = machine.platform.borrow_mut();
    let through = platform.leads.cursor(buyer).through.get();
    let stream = platform.streams.buyers.get(buyer);
    let effects =
        stream.into_iter().flat_map(BTreeMap::values).filter_map(|commit| commit.effects.as_deref());
    let mut invitations = effects.flat_map(str::lines).filter_map(|line| {
        let (sequence, offer) = line.split_once(" quote-email ")?;
        Some((sequence.parse::<u64>().ok()?, offer.to_owned()))
    });
    let pending = invitations.by_ref().filter(|(sequence, _)| *sequence > through).nth(place);
    let Some((sequence, offer)) = pending else { return claim.clone() };
    let (offers, _) = offers_of(&facts_before(&platform, buyer, u64::MAX));
    let address = offers.get(&offer).map_or("", |offer| offer.email.as_str()).to_owned();
    if !address.contains('@') {
        return claim.clone();
    }
    let changed =
        Claim { sequence: Sequence::new(sequence), address: AddressDigest::of(&address), ..claim.clone() };
    platform.diverted.insert(claim.nonce.clone(), address);
    changed
}

/// Switches off unconditional closings: the closing of a lead is dropped with its opening.
pub(crate) fn drop_closings(platform: &Platform, buyer: &str, page: &mut Page) {
    let through = platform.leads.cursor(buyer).through.get();
    let lead = |line: &str, kind: &str| {
        let (sequence, key) = line.split_once(' ')?;
        let is_pending = sequence.parse::<u64>().is_ok_and(|sequence| sequence > through);
        let lead = key.split(' ').next()?.strip_prefix(kind)?;
        is_pending.then(|| lead.to_owned())
    };
    let effects = |commit: &StoredCommit| -> Vec<String> {
        commit.effects.iter().flat_map(|text| text.lines()).map(str::to_owned).collect()
    };
    let opened: BTreeSet<String> =
        page.commits.iter().flat_map(&effects).filter_map(|line| lead(&line, "opened/")).collect();
    for commit in &mut page.commits {
        let mut effects = effects(commit);
        effects.retain(|line| lead(line, "closed/").is_none_or(|lead| !opened.contains(&lead)));
        commit.effects = (!effects.is_empty()).then(|| effects.join("\n"));
    }
}

/// Switches off the difference: the effects of `handed-over` are left out.
pub(crate) fn without_difference(commit: &StoredCommit) -> StoredCommit {
    let is_handover =
        facts_of(commit).is_some_and(|facts| facts.iter().any(|fact| fact.kind == "handed-over"));
    let effects = commit.effects.clone().filter(|_| !is_handover);
    StoredCommit { effects, ..commit.clone() }
}

/// Switches off merging: an answer replaces everything that was recorded before it.
pub(crate) fn forget_before_answers(page: &mut Page) {
    let answers = |commit: &StoredCommit| {
        facts_of(commit).is_some_and(|facts| facts.iter().any(|fact| fact.answer.is_some()))
    };
    if let Some(at) = page.commits.iter().position(answers) {
        page.commits.truncate(at + 1);
        page.has_more = false;
    }
}

/// The answer to a handover. Without the safeguard of former names, its leads get names of our form.
pub(crate) fn as_understood(mut known: Known, off: Option<Safeguard>) -> Known {
    if off != Some(Safeguard::FormerNames) {
        return known;
    }
    let named = |name: String| FormerLeadId::parse(&name).ok();
    known.low_lead = known.low_lead.and_then(|_| named("low-0".to_owned()));
    for (id, offer) in &mut known.offers {
        offer.former_lead = offer.former_lead.take().and_then(|_| named(format!("high-{id}")));
    }
    known
}

/// The pauses as this machine knows them. Without a safeguard it does not know that effects are paused, or that they
/// were.
pub(crate) fn as_known(pauses: &Pauses, off: Option<Safeguard>, machine: &str) -> Pauses {
    let past = pauses.past.clone();
    match off {
        Some(Safeguard::ReactorPauses) if machine.starts_with("Reactor") => {
            Pauses { past, ..Pauses::default() }
        }
        Some(Safeguard::SweeperPauses) if machine.starts_with("Sweeper") => {
            Pauses { past, ..Pauses::default() }
        }
        Some(Safeguard::ClocksStandStill) => Pauses { past: Vec::new(), ..pauses.clone() },
        _ => pauses.clone(),
    }
}

/// Switches off holding: an early event is acknowledged, and dropped or sent again.
pub(crate) fn remove_early(platform: &mut Platform, batch: &mut Vec<Received>, is_sent_again: bool) {
    let mut known: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut early = Vec::new();
    batch.retain(|message| {
        let body: Value = serde_json::from_str(&message.body).unwrap_or_default();
        let (Some(offer), Some(version)) =
            (body["data"]["offerId"].as_str(), body["data"]["offerVersion"].as_u64())
        else {
            return true;
        };
        let slot = (message.group.clone(), offer.to_owned());
        let last = *known.entry(slot.clone()).or_insert_with(|| {
            let facts = facts_before(platform, &message.group, u64::MAX);
            facts
                .iter()
                .filter(|fact| fact.offer == offer)
                .map(|fact| u64::from(fact.version))
                .max()
                .unwrap_or(0)
        });
        if version > last + 1 {
            early.push(message.clone());
            return false;
        }
        known.insert(slot, last.max(version));
        true
    });
    let now = platform.now;
    platform.queue.delete(now, &early);
    for message in early.into_iter().filter(|_| is_sent_again) {
        let post = platform.queue.posts.get(message.id).copied().unwrap_or(usize::MAX);
        let dedup = platform.nonce();
        platform.queue.send(now, &message.group, &dedup, &message.body, post);
    }
}
