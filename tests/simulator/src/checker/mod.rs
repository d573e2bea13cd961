//! The checker: compares the messages sent with the stored items and the effects, and reports every violation.
//!
//! It reads raw stored items by itself, and shares no code with the product.

mod both;
mod cleared;
mod effects;
mod input;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};

use contract::stored::StoredCommit;

use crate::history::{Post, Sent};
use crate::logs::is_personal;
use crate::platform::{Platform, SPOILT};
use crate::rules::{Buyer, Due, Fact, effects_of, facts_of};
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
    fn note_sights(&self, sights: &mut Sights) {
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
pub(crate) struct Violations(Vec<String>);

impl Violations {
    /// Records a violation unless the condition holds.
    pub(crate) fn must(&mut self, holds: bool, words: impl FnOnce() -> String) {
        if !holds {
            self.0.push(words());
        }
    }
}

/// Checks the outcome of a run. Returns all violations, and the sights that the run met.
pub(crate) fn check(platform: &Platform, posts: &[Post]) -> (Vec<String>, Sights) {
    let mut violations = Violations::default();
    let mut stories = BTreeMap::new();
    for (buyer, stream) in &platform.streams.buyers {
        let before =
            |commit: &StoredCommit| platform.streams.cleared.get(&(buyer.clone(), commit.sequence)).cloned();
        let whole: Vec<StoredCommit> =
            stream.values().map(|commit| before(commit).unwrap_or_else(|| commit.clone())).collect();
        cleared::check(buyer, stream.values().zip(&whole), &mut violations);
        if let Some(story) = read(buyer, &whole, platform.former.is_some(), &mut violations) {
            stories.insert(buyer.as_str(), story);
        }
    }
    let sent: BTreeMap<(&str, &str, u32), Vec<&Sent>> =
        posts.iter().filter_map(|post| post.event.as_ref()).fold(BTreeMap::new(), |mut sent, event| {
            sent.entry((event.buyer.as_str(), event.offer.as_str(), event.version)).or_default().push(event);
            sent
        });
    input::check(platform, posts, &sent, &stories, &mut violations);
    effects::check(platform, &stories, &mut violations);
    both::check(platform, &sent, &stories, &mut violations);
    violations.0.extend(platform.violations.iter().cloned());
    violations.must(platform.leaks.is_empty(), || {
        format!("personal data outside of the facts: {:?}", platform.leaks)
    });
    violations.must(platform.mails_after_stop.is_empty(), || {
        format!("a mail was requested to a stopped address: {:?}", platform.mails_after_stop)
    });
    let mut sights = platform.sights;
    for story in stories.values() {
        story.note_sights(&mut sights);
        both::note_sights(story, &mut sights);
    }
    let in_shadow = stories.values().filter(|story| story.live_from.is_none()).count();
    if (1..stories.len()).contains(&in_shadow) {
        sights.add(Sight::SomeInShadow);
    }
    (violations.0, sights)
}

/// Reads a buyer's commits. Checks that the sequence numbers have no gap, that the effects are those of the rules, and
/// that the snapshots agree with the facts.
fn read(
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
            violations.must(snapshot::agrees(snapshot, last, &buyer).is_some(), || {
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
