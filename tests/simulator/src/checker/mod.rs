//! The checker: reads what was sent, what lies in the tables, what went out, and tells what must not be.
//!
//! It reads raw stored items by itself, and shares no code with the product.

mod both;
mod cleared;
mod input;
mod snapshot;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use contract::stored::StoredCommit;

use crate::history::{Post, Sent};
use crate::logs::is_personal;
use crate::platform::{Platform, SPOILT};
use crate::rules::{Buyer, Due, Fact, effects_of, facts_of};
use crate::sight::{Sight, Sights};

/// One buyer's whole story, as the stored items tell it.
pub(crate) struct Story {
    pub(crate) facts: Vec<Fact>,
    /// The buyer after so many facts.
    pub(crate) after: Vec<Buyer>,
    pub(crate) dues: Vec<Due>,
    /// The sequence number of the first fact of the first live commit.
    pub(crate) live_from: Option<u64>,
}

impl Story {
    pub(crate) fn end(&self) -> &Buyer {
        static NOBODY: Buyer = Buyer {
            offers: BTreeMap::new(),
            low: None,
            high: BTreeMap::new(),
            quoted: BTreeSet::new(),
            held: 0,
            is_erased: false,
            is_asked: false,
            was_invited: false,
        };
        self.after.last().unwrap_or(&NOBODY)
    }

    /// What is ours to do.
    pub(crate) fn our_dues(&self) -> impl Iterator<Item = &Due> {
        self.dues.iter().filter(|due| !due.is_shadow)
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
    told::check(platform, &stories, &mut violations);
    both::check(platform, &sent, &stories, &mut violations);
    violations.0.extend(platform.wrongs.iter().cloned());
    violations.must(platform.leaks.is_empty(), || {
        format!("personal, but not kept to itself: {:?}", platform.leaks)
    });
    violations.must(platform.asked_in_spite.is_empty(), || {
        format!("a mail to an address that was stopped: {:?}", platform.asked_in_spite)
    });
    let mut sights = platform.sights;
    for story in stories.values() {
        story.show(&mut sights);
        both::show(story, &mut sights);
    }
    let in_shadow = stories.values().filter(|story| story.live_from.is_none()).count();
    if (1..stories.len()).contains(&in_shadow) {
        sights.add(Sight::SomeInShadow);
    }
    (violations.0, sights)
}

/// Sequence numbers without a gap, effects as the rules want them, snapshots that say what the facts say.
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
            format!("{name}: commit {}..{} stands at {first}..{last}", commit.sequence, commit.last)
        });
        let texts = [commit.effects.as_deref(), commit.feed.as_deref()];
        violations.must(!texts.into_iter().flatten().any(is_personal), || {
            format!("{name}: something personal beside the facts of commit {first}: {texts:?}")
        });
        check_live((name, &mut story), commit, &facts, has_former, violations);
        let from = story.dues.len();
        for fact in facts {
            // What a handover calls for covers all that came before it in its commit.
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
            format!("{name}: commit {first} calls for {effects:?}, the rules for {due:?}")
        });
        if let Some(snapshot) = commit.snapshot.as_ref().filter(|snapshot| *snapshot != SPOILT) {
            violations.must(snapshot::says(snapshot, last, &buyer).is_some(), || {
                format!("{name}: the snapshot at {last} says {snapshot}, the facts {buyer:?}")
            });
        }
    }
    Some(story)
}

/// Live once, live for ever; and live by a handover, or from the beginning where there is no former system. Of whom is live
/// nothing is migrated or reset.
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
        violations
            .must(is_right, || format!("{name}: commit {} of a live buyer: {facts:?}", commit.sequence));
    } else if commit.shadow {
        violations.must(!has(&["handed-over"]), || format!("{name}: handed over in shadow: {facts:?}"));
    } else {
        let is_new = story.facts.is_empty() && !has_former;
        violations.must(hands_over || is_new, || {
            format!("{name}: commit {} makes live without a handover", commit.sequence)
        });
        story.live_from = Some(commit.sequence);
    }
}
