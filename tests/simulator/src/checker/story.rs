//! The story of each buyer, read from its stored commits, and what each commit must be: without a gap, with the effects of
//! the rules, with a snapshot that agrees with the facts, and cleared if the buyer is erased.

use std::collections::{BTreeMap, BTreeSet};

use contract::stored::StoredCommit;
use serde_json::Value;

use crate::logs::is_personal;
use crate::platform::SPOILT;
use crate::rules::{Buyer, Due, Fact, Lead, effects_of, facts_of, offer_in};
use crate::sight::{Sight, Sights};

/// The whole history of one buyer, read from the stored items.
pub(crate) struct Story {
    pub(crate) facts: Vec<Fact>,
    /// The buyer's state after each fact.
    pub(crate) after: Vec<Buyer>,
    /// The effects that the rules call for.
    pub(crate) dues: Vec<Due>,
    /// The sequence number of the first fact of the first live commit.
    pub(crate) live_from: Option<u64>,
}

impl Story {
    pub(crate) fn end(&self) -> &Buyer {
        static EMPTY: Buyer = Buyer {
            offers: BTreeMap::new(),
            low: None,
            high: BTreeMap::new(),
            quoted: BTreeSet::new(),
            held: 0,
            is_erased: false,
            is_asked: false,
            was_invited: false,
        };
        self.after.last().unwrap_or(&EMPTY)
    }

    /// The effects that Leadstream must perform, without those of shadow commits.
    pub(crate) fn our_dues(&self) -> impl Iterator<Item = &Due> {
        self.dues.iter().filter(|due| !due.is_shadow)
    }

    /// Records the sights that this history shows.
    pub(super) fn note_sights(&self, sights: &mut Sights) {
        if self.after.iter().any(|buyer| buyer.held > 0) {
            sights.add(Sight::Held);
        }
        if self.end().held > 0 {
            sights.add(Sight::GapStays);
        }
        for ((before, after), arrived) in
            self.after.iter().zip(self.after.iter().skip(1)).zip(self.facts.iter().skip(1))
        {
            let Some(offer) = after.offers.get(&arrived.offer).filter(|offer| offer.stage != 'a') else {
                continue;
            };
            let known = before.offers.get(&arrived.offer).map_or(0, |offer| offer.version);
            let is_undone = |fact: &Fact| {
                fact.offer == arrived.offer
                    && fact.kind == "accepted"
                    && fact.version > known
                    && fact.version < offer.version
            };
            if offer.version > known + 1 && self.facts.iter().any(is_undone) {
                sights.add(Sight::Undone);
            }
        }
    }
}

/// The violations found so far.
#[derive(Debug, Default)]
pub(crate) struct Violations(pub(super) Vec<String>);

impl Violations {
    /// Records a violation unless the condition holds.
    pub(crate) fn must(&mut self, holds: bool, words: impl FnOnce() -> String) {
        if !holds {
            self.0.push(words());
        }
    }
}

/// Reads a buyer's commits. Checks that the sequence numbers have no gap, that the effects are those of the rules, and
/// that the snapshots agree with the facts.
pub(super) fn read(
    name: &str,
    commits: &[StoredCommit],
    has_former: bool,
    violations: &mut Violations,
) -> Option<Story> {
    let mut story = Story { facts: Vec::new(), after: Vec::new(), dues: Vec::new(), live_from: None };
    let mut buyer = Buyer::default();
    for commit in commits {
        let Some((facts, effects)) = facts_of(commit).zip(effects_of(commit)) else {
            violations.must(false, || format!("{name}: commit {} cannot be read", commit.sequence));
            return None;
        };
        let first = story.facts.len() as u64 + 1;
        let last = first + facts.len() as u64 - 1;
        violations.must(commit.sequence == first && commit.last == last && !facts.is_empty(), || {
            format!("{name}: commit {}..{} is at position {first}..{last}", commit.sequence, commit.last)
        });
        let texts = [commit.effects.as_deref(), commit.feed.as_deref()];
        violations.must(!texts.into_iter().flatten().any(is_personal), || {
            format!("{name}: personal data outside of the facts of commit {first}: {texts:?}")
        });
        check_live((name, &mut story), commit, &facts, has_former, violations);
        let from = story.dues.len();
        for fact in facts {
            // The effects of a handover replace those of the facts before it in the same commit.
            if fact.kind == "handed-over" {
                story.dues.truncate(from);
            }
            story.facts.push(fact);
            let (after, dues) = buyer.after(&story.facts);
            story.dues.extend(dues.into_iter().map(|due| Due { is_shadow: commit.shadow, ..due }));
            story.after.push(after.clone());
            buyer = after;
        }
        let due = story.dues.iter().skip(from).map(|due| (due.sequence, due.key.clone())).collect();
        violations.must(effects == due, || {
            format!("{name}: commit {first} calls for {effects:?}, the rules call for {due:?}")
        });
        if let Some(snapshot) = commit.snapshot.as_ref().filter(|snapshot| *snapshot != SPOILT) {
            violations.must(agrees(snapshot, last, &buyer).is_some(), || {
                format!("{name}: the snapshot at {last} is {snapshot}, the facts yield {buyer:?}")
            });
        }
    }
    Some(story)
}

/// Checks that a live buyer stays live, and that it became live by a handover, or at its first commit if there is no
/// former system. A live buyer must not be migrated or reset.
fn check_live(
    (name, story): (&str, &mut Story),
    commit: &StoredCommit,
    facts: &[Fact],
    has_former: bool,
    violations: &mut Violations,
) {
    let hands_over = facts.last().is_some_and(|fact| fact.kind == "handed-over");
    let has = |kinds: &[&str]| facts.iter().any(|fact| kinds.contains(&fact.kind.as_str()));
    if story.live_from.is_some() {
        let is_right = !commit.shadow && !has(&["handed-over", "migrated", "reset"]);
        violations.must(is_right, || {
            format!("{name}: commit {} must not follow a live commit: {facts:?}", commit.sequence)
        });
    } else if commit.shadow {
        violations.must(!has(&["handed-over"]), || {
            format!("{name}: a shadow commit contains a handover: {facts:?}")
        });
    } else {
        let is_new = story.facts.is_empty() && !has_former;
        violations.must(hands_over || is_new, || {
            format!("{name}: commit {} makes the buyer live without a handover", commit.sequence)
        });
        story.live_from = Some(commit.sequence);
    }
}

/// Whether a snapshot agrees with the facts: `Some(())` if it does.
pub(super) fn agrees(snapshot: &str, last: u64, buyer: &Buyer) -> Option<()> {
    let snapshot: Value = serde_json::from_str(snapshot).ok()?;
    let is = |holds: bool| holds.then_some(());
    let flag = |name: &str| snapshot[name].as_bool().unwrap_or_default();
    is(snapshot["sequence"] == last)?;
    is(snapshot["low"].get(0).and_then(Value::as_u64) == buyer.low.as_ref().map(|lead| lead.at))?;
    is(snapshot["former"].as_str() == former(buyer.low.as_ref()))?;
    is(snapshot["held"].as_array().map_or(0, Vec::len) == buyer.held)?;
    is(flag("erased") == buyer.is_erased)?;
    is(flag("invited") == buyer.was_invited)?;
    is(flag("asked") == buyer.is_asked)?;
    let offers: BTreeMap<&String, &Value> = snapshot["offers"].as_object()?.iter().collect();
    is(offers.len() == buyer.offers.len())?;
    for (id, offer) in &buyer.offers {
        let stored = offer_in(offers.get(id)?, &snapshot["contacts"])?;
        let high = buyer.high.get(id);
        is(stored.offer == *offer)?;
        is(stored.lead.as_deref() == former(high))?;
        is(stored.is_quoted == buyer.quoted.contains(id))?;
        // An offer without contact has no lead, so its name does not matter.
        is(offer.email.is_empty() || u64::from(stored.named_at) == high.map_or(0, |lead| lead.at))?;
    }
    Some(())
}

fn former(lead: Option<&Lead>) -> Option<&str> {
    lead.filter(|lead| lead.is_former).map(|lead| lead.name.as_str())
}

/// The fields of a fact that identify a person or are free text.
const PERSONAL: [&str; 5] = ["name", "email", "phone", "same", "reason"];

/// A cleared commit must keep everything except personal data and its snapshot. All commits before an erasure must be
/// cleared, and no others. Commits after it must contain no personal data.
pub(super) fn check_cleared<'a>(
    name: &str,
    commits: impl Iterator<Item = (&'a StoredCommit, &'a StoredCommit)>,
    violations: &mut Violations,
) {
    let mut commits: Vec<_> = commits.collect();
    commits.reverse();
    let mut is_erased = false;
    for (now, before) in commits {
        let Some((read, whole)) = facts(now).zip(facts(before)) else {
            violations.must(false, || format!("{name}: commit {} cannot be read", now.sequence));
            continue;
        };
        let is_older = is_erased;
        is_erased |= whole.iter().any(|fact| fact["type"] == "erased");
        if now != before {
            let expected = StoredCommit {
                facts: now.facts.clone(),
                format: before.format.max(if lacks_contact(&read) { 2 } else { 1 }),
                snapshot: None,
                ..before.clone()
            };
            let is_right = is_older && *now == expected && read == cleared(whole);
            violations.must(is_right, || format!("{name}: cleared wrongly, {before:?} became {now:?}"));
        } else if is_older {
            let is_bare = now.snapshot.is_none() && read == cleared(whole);
            violations.must(is_bare, || format!("{name}: not cleared although the buyer is erased: {now:?}"));
        }
    }
}

fn facts(commit: &StoredCommit) -> Option<Vec<Value>> {
    serde_json::from_str(&commit.facts).ok()
}

fn lacks_contact(facts: &[Value]) -> bool {
    facts.iter().any(|fact| fact["type"] == "made" && fact["email"].is_null())
}

fn cleared(mut facts: Vec<Value>) -> Vec<Value> {
    for fact in &mut facts {
        let Some(fields) = fact.as_object_mut() else { continue };
        fields.retain(|field, _| !PERSONAL.contains(&field.as_str()));
        let Some(state) = fields.get_mut("state").and_then(Value::as_object_mut) else { continue };
        state.remove("contacts");
        for line in state.get_mut("offers").and_then(Value::as_object_mut).into_iter().flatten() {
            let words = line.1.as_str().unwrap_or_default().split(' ').enumerate();
            let bare: Vec<&str> = words.map(|(at, word)| if at == 2 { "/" } else { word }).collect();
            *line.1 = Value::String(bare.join(" "));
        }
    }
    facts
}
