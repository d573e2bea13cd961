//! The checker: reads what was sent, what lies in the tables, what went out, and tells what must not be.
//!
//! It reads raw stored items by itself, and shares no code with the product.

mod input;
mod told;

use std::collections::BTreeMap;

use contract::stored::StoredCommit;
use serde_json::Value;

use crate::history::{Post, Sent};
use crate::logs::is_personal;
use crate::platform::{Platform, SPOILT};
use crate::rules::{Buyer, Due, Fact, effects_of, facts_of, offer_in};
use crate::sight::{Sight, Sights};

/// One buyer's whole story, as the stored items tell it.
pub(crate) struct Story {
    pub(crate) facts: Vec<Fact>,
    /// The buyer after so many facts.
    pub(crate) after: Vec<Buyer>,
    pub(crate) dues: Vec<Due>,
}

impl Story {
    pub(crate) fn end(&self) -> &Buyer {
        static NOBODY: Buyer = Buyer {
            offers: BTreeMap::new(),
            low: None,
            high: BTreeMap::new(),
            held: 0,
            is_reset: false,
            is_erased: false,
            was_invited: false,
        };
        self.after.last().unwrap_or(&NOBODY)
    }

    /// What is in it, for the count of what runs meet.
    fn show(&self, sights: &mut Sights) {
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

/// What must not be.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<String>);

impl Violations {
    pub(crate) fn must(&mut self, holds: bool, words: impl FnOnce() -> String) {
        if !holds {
            self.0.push(words());
        }
    }
}

/// Everything that must not be in what happened, and what was met on the way.
pub(crate) fn check(platform: &Platform, posts: &[Post]) -> (Vec<String>, Sights) {
    let mut violations = Violations::default();
    let mut stories = BTreeMap::new();
    for (buyer, stream) in &platform.streams.buyers {
        let before = |commit: &'_ StoredCommit| {
            platform.streams.emptied.get(&(buyer.clone(), commit.sequence)).cloned()
        };
        let whole: Vec<StoredCommit> =
            stream.values().map(|commit| before(commit).unwrap_or_else(|| commit.clone())).collect();
        let commits: Vec<&StoredCommit> = whole.iter().collect();
        check_emptied(buyer, stream.values().zip(&whole), &mut violations);
        if let Some(story) = read(buyer, &commits, &mut violations) {
            stories.insert(buyer.as_str(), story);
        }
    }
    let sent: BTreeMap<(&str, &str, u32), Vec<&Sent>> =
        posts.iter().filter_map(|post| post.event.as_ref()).fold(BTreeMap::new(), |mut sent, event| {
            sent.entry((event.buyer.as_str(), event.offer.as_str(), event.version)).or_default().push(event);
            sent
        });
    input::check(platform, posts, &sent, &stories, &mut violations);
    told::check(platform, &stories, &mut violations);
    violations.must(platform.leaks.is_empty(), || {
        format!("personal, but not kept to itself: {:?}", platform.leaks)
    });
    violations.must(platform.asked_in_spite.is_empty(), || {
        format!("a mail to an address that was stopped: {:?}", platform.asked_in_spite)
    });
    let mut sights = platform.sights;
    for story in stories.values() {
        story.show(&mut sights);
    }
    (violations.0, sights)
}

/// Sequence numbers without a gap, effects as the rules want them, snapshots that say what the facts say.
fn read(name: &str, commits: &[&StoredCommit], violations: &mut Violations) -> Option<Story> {
    let mut story = Story { facts: Vec::new(), after: Vec::new(), dues: Vec::new() };
    let mut buyer = Buyer::default();
    for commit in commits {
        let Some((facts, effects)) = facts_of(commit).zip(effects_of(commit)) else {
            violations.must(false, || format!("{name}: commit {} cannot be read", commit.sequence));
            return None;
        };
        let first = story.facts.len() as u64 + 1;
        let last = first + facts.len() as u64 - 1;
        violations.must(commit.sequence == first && commit.last == last && !facts.is_empty(), || {
            format!("{name}: commit {}..{} stands at {first}..{last}", commit.sequence, commit.last)
        });
        let texts = [commit.effects.as_deref(), commit.feed.as_deref()];
        violations.must(!texts.into_iter().flatten().any(is_personal), || {
            format!("{name}: something personal beside the facts of commit {first}: {texts:?}")
        });
        let from = story.dues.len();
        for fact in facts {
            story.facts.push(fact);
            let (after, dues) = buyer.after(&story.facts);
            story.dues.extend(dues.into_iter().map(|due| Due { is_shadow: commit.shadow, ..due }));
            let fact = &story.facts[story.facts.len() - 1];
            if let Some(carried) = fact.known.as_ref().filter(|_| fact.kind != "migrated") {
                violations.must(carries(carried, fact.sequence - 1, &after).is_some(), || {
                    format!("{name}: {} carries {carried}, the facts say {after:?}", fact.kind)
                });
            }
            story.after.push(after.clone());
            buyer = after;
        }
        let due = story.dues.iter().skip(from).map(|due| (due.sequence, due.key.clone())).collect();
        violations.must(effects == due, || {
            format!("{name}: commit {first} calls for {effects:?}, the rules for {due:?}")
        });
        if let Some(snapshot) = commit.snapshot.as_ref().filter(|snapshot| *snapshot != SPOILT) {
            violations.must(says(snapshot, last, &buyer).is_some(), || {
                format!("{name}: the snapshot at {last} says {snapshot}, the facts {buyer:?}")
            });
        }
    }
    Some(story)
}

/// An emptied commit keeps all but its facts and snapshot, and names a fact after it that carries what was known.
fn check_emptied<'a>(
    name: &str,
    commits: impl Iterator<Item = (&'a StoredCommit, &'a StoredCommit)>,
    violations: &mut Violations,
) {
    let mut emptied = Vec::new();
    let mut fresh_starts = Vec::new();
    for (now, before) in commits {
        let Some(by) = now.emptied_by else {
            let starts = facts_of(now).into_iter().flatten();
            let is_start = |fact: &Fact| matches!(fact.kind.as_str(), "reset" | "erased");
            fresh_starts.extend(starts.filter(is_start).map(|fact| fact.sequence));
            continue;
        };
        emptied.push(by);
        let expected = StoredCommit {
            facts: String::new(),
            snapshot: None,
            format: 2,
            emptied_by: Some(by),
            ..before.clone()
        };
        violations.must(*now == expected && by > now.last, || format!("{name}: emptied as {now:?}"));
        // One that carries what was known may itself have been emptied by a later one.
        fresh_starts.extend(
            facts_of(before)
                .into_iter()
                .flatten()
                .filter(|fact| fact.known.is_some())
                .map(|fact| fact.sequence),
        );
    }
    violations.must(emptied.iter().all(|by| fresh_starts.contains(by)), || {
        format!("{name}: emptied by {emptied:?}, but only {fresh_starts:?} carry what was known")
    });
}

/// Whether a snapshot says what the facts say.
fn says(snapshot: &str, last: u64, buyer: &Buyer) -> Option<()> {
    carries(&serde_json::from_str(snapshot).ok()?, last, buyer)
}

/// Whether a state as it is stored says what the facts say.
fn carries(snapshot: &Value, last: u64, buyer: &Buyer) -> Option<()> {
    let is = |holds: bool| holds.then_some(());
    is(snapshot["sequence"] == last)?;
    is(snapshot["low"].get(0).and_then(Value::as_u64) == buyer.low)?;
    is(snapshot["held"].as_array().map_or(0, Vec::len) == buyer.held)?;
    let offers = snapshot["offers"].as_object()?;
    is(offers.len() == buyer.offers.len())?;
    is(snapshot["erased"].as_bool().unwrap_or_default() == buyer.is_erased)?;
    is(snapshot["invited"].as_bool().unwrap_or_default() == buyer.was_invited)?;
    for (id, offer) in &buyer.offers {
        let stored = offer_in(offers.get(id)?, &snapshot["contacts"])?;
        is((stored.version, stored.stage, &stored.email) == (offer.version, offer.stage, &offer.email))?;
        // Of whom nobody can reach there are no leads to be named.
        is(offer.email.is_empty() || stored.accepted_at == buyer.high.get(id).copied().unwrap_or(0))?;
    }
    Some(())
}
