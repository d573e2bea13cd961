//! The checker: compares the messages sent with the stored items and the effects, and reports every violation.
//!
//! It reads raw stored items by itself, and shares no code with the product.

mod both;
mod effects;
mod story;

use std::collections::{BTreeMap, BTreeSet};

use contract::dead_letter::Reason;
use contract::stored::StoredCommit;
use domain::{HELD_LIMIT, REMEMBERED_DIGESTS};
use story::{check_cleared, read};

use crate::checker::story::{Story, Violations};
use crate::history::{Post, Sent};
use crate::plan::Strategy;
use crate::platform::{Platform, SetAside};
use crate::rules::{Fact, Offer};
use crate::sight::{Sight, Sights};

/// Checks the outcome of a run. Returns all violations, and the sights that the run met.
pub(crate) fn check(platform: &Platform, posts: &[Post]) -> (Vec<String>, Sights) {
    let mut violations = Violations::default();
    let mut stories = BTreeMap::new();
    for (buyer, stream) in &platform.streams.buyers {
        let before =
            |commit: &StoredCommit| platform.streams.cleared.get(&(buyer.clone(), commit.sequence)).cloned();
        let whole: Vec<StoredCommit> =
            stream.values().map(|commit| before(commit).unwrap_or_else(|| commit.clone())).collect();
        check_cleared(buyer, stream.values().zip(&whole), &mut violations);
        if let Some(story) = read(buyer, &whole, platform.former.is_some(), &mut violations) {
            stories.insert(buyer.as_str(), story);
        }
    }
    let sent: BTreeMap<(&str, &str, u32), Vec<&Sent>> =
        posts.iter().filter_map(|post| post.event.as_ref()).fold(BTreeMap::new(), |mut sent, event| {
            sent.entry((event.buyer.as_str(), event.offer.as_str(), event.version)).or_default().push(event);
            sent
        });
    check_messages(platform, posts, &sent, &stories, &mut violations);
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

type SentBySlot<'a> = BTreeMap<(&'a str, &'a str, u32), Vec<&'a Sent>>;

fn check_messages(
    platform: &Platform,
    posts: &[Post],
    sent: &SentBySlot<'_>,
    stories: &BTreeMap<&str, Story>,
    violations: &mut Violations,
) {
    for exhausted in &platform.queue.exhausted {
        let post = platform.queue.posts.get(*exhausted).and_then(|index| posts.get(*index));
        let is_bad = post.is_some_and(|post| {
            let is_odd = |event: &Sent| {
                stories.get(event.buyer.as_str()).is_some_and(|story| contradicts(&story.facts, story, event))
            };
            post.is_breaking() || post.event.as_ref().is_none_or(is_odd)
        });
        // Some of the other ways leave bad messages to SQS.
        let is_meant = is_bad && platform.strategy.is_some_and(Strategy::has_no_letters);
        violations.must(is_meant, || {
            let kind = if is_bad { "bad" } else { "innocent" };
            format!(
                "{kind} message dead-lettered by SQS after too many receives: {:?}",
                post.map(|post| &post.id)
            )
        });
    }
    for (buyer, story) in stories {
        let mut times: BTreeMap<(&str, u32, usize), usize> = BTreeMap::new();
        let erased_at = story.facts.iter().find(|fact| fact.kind == "erased").map(|fact| fact.sequence);
        for fact in story.facts.iter().filter(|fact| fact.is_event()) {
            // No personal data may be recorded for an erased buyer.
            let is_bare = erased_at.is_some_and(|at| at < fact.sequence);
            violations.must(!is_bare || fact.email.is_empty(), || {
                format!("{buyer}: personal data recorded after the erasure: {fact:?}")
            });
            let resets = story.facts.iter().take_while(|other| other.sequence < fact.sequence);
            let resets = resets.filter(|other| other.kind == "reset").count();
            *times.entry((&fact.offer, fact.version, resets)).or_default() += 1;
            let same_slot = sent.get(&(*buyer, fact.offer.as_str(), fact.version));
            let is_sent = same_slot.is_some_and(|events| {
                events.iter().any(|event| event.kind == fact.kind && (is_bare || event.email == fact.email))
            });
            violations.must(is_sent, || format!("{buyer}: recorded, but never sent: {fact:?}"));
        }
        for (slot, times) in times {
            violations.must(times == 1, || format!("{buyer}: {slot:?} is recorded {times} times"));
        }
    }
    check_order(platform, posts, stories, violations);
    let mut set_aside: BTreeMap<usize, &str> = BTreeMap::new();
    for aside in &platform.letters {
        let id = aside.letter.message_id.trim_start_matches('m').parse::<usize>().ok();
        let post = id.and_then(|id| platform.queue.posts.get(id).copied());
        let Some((index, post)) = post.and_then(|index| Some((index, posts.get(index)?))) else {
            violations.must(false, || {
                format!("a dead letter of a message that was never sent: {:?}", aside.letter)
            });
            continue;
        };
        set_aside.insert(index, aside.letter.reason.name());
        violations.must(aside.letter.body == post.body, || {
            format!("the body of a dead letter was changed: {}", post.id)
        });
        let story = stories.get(post.group.as_str());
        let is_right = match (&post.event, aside.letter.reason) {
            (None, Reason::BreaksTheRecorder) => platform.panics > 0,
            (None, reason) => matches!(reason, Reason::NotJson | Reason::WrongGroup | Reason::UnknownType),
            (Some(event), Reason::Contradiction) => {
                story.is_some_and(|story| contradicts(seen(&story.facts, aside), story, event))
            }
            (Some(_), Reason::TooManyHeld) => story.is_some_and(|story| {
                let seen = seen(&story.facts, aside).len();
                story.after.iter().take(seen).any(|buyer| buyer.held >= HELD_LIMIT)
            }),
            (Some(event), Reason::Voided) => story.is_some_and(|story| is_void(story, event)),
            // An injected panic can also hit a valid message that was received often.
            (Some(_), Reason::BreaksTheRecorder) => post.is_breaking() || platform.panics > 0,
            (Some(_), _) => false,
        };
        violations.must(is_right, || {
            format!("innocent message dead-lettered: {} as {}", post.id, aside.letter.reason.name())
        });
    }
    for exhausted in &platform.queue.exhausted {
        set_aside
            .insert(platform.queue.posts.get(*exhausted).copied().unwrap_or(usize::MAX), "too many receives");
    }
    // A repeat within five minutes never entered the queue; the first message stands for it.
    let dead_lettered: BTreeSet<&str> =
        set_aside.keys().filter_map(|index| posts.get(*index)).map(|post| post.id.as_str()).collect();
    for (index, post) in posts.iter().enumerate() {
        let is_posted = platform.queue.posts.contains(&index);
        let is_dead = dead_lettered.contains(post.id.as_str());
        match &post.event {
            None => violations
                .must(is_dead || !is_posted, || format!("bad message not dead-lettered: {}", post.id)),
            Some(event) => {
                let is_recorded = recorded(stories.get(event.buyer.as_str()), event) == Some(true);
                let is_known = || {
                    stories.get(event.buyer.as_str()).is_some_and(|story| {
                        is_known_by_former(story, event) || is_forgotten(story, event, sent)
                    })
                };
                violations.must(!is_posted || is_recorded || is_dead || is_known(), || {
                    format!("event lost: {}", post.id)
                });
            }
        }
    }
}

/// Events must be recorded in the order in which the buyer's queue had them. Exempt are buyers with a dead letter that
/// was delivered again, by a redrive or because the acknowledgement was dropped.
fn check_order(
    platform: &Platform,
    posts: &[Post],
    stories: &BTreeMap<&str, Story>,
    violations: &mut Violations,
) {
    let mut first: BTreeMap<(&str, &str, u32, &str, &str), usize> = BTreeMap::new();
    for (id, post) in platform.queue.posts.iter().enumerate() {
        if let Some(event) = posts.get(*post).and_then(|post| post.event.as_ref()) {
            first.entry((&event.buyer, &event.offer, event.version, event.kind, event.email)).or_insert(id);
        }
    }
    for (buyer, story) in stories {
        let has_another_try = platform.redriven.contains(*buyer)
            || platform.letters.iter().any(|SetAside { letter, .. }| {
                letter.group == *buyer
                    && matches!(letter.reason, Reason::TooManyHeld | Reason::BreaksTheRecorder)
            });
        // After a reset, repeated events may be recorded again.
        let ids = story.facts.iter().take_while(|fact| fact.kind != "reset").filter_map(|fact| {
            let Fact { offer, version, kind, email, .. } = fact;
            first.get(&(*buyer, offer.as_str(), *version, kind.as_str(), email.as_str())).copied()
        });
        violations.must(has_another_try || ids.is_sorted(), || {
            format!("{buyer}: recorded out of order, compared with the queue: {:?}", story.facts)
        });
    }
}

/// The facts that were recorded when the message was dead-lettered.
fn seen<'a>(facts: &'a [Fact], aside: &SetAside) -> &'a [Fact] {
    let length = usize::try_from(aside.head).unwrap_or(usize::MAX);
    &facts[..length.min(facts.len())]
}

/// Whether the recorded content of this offer version is that of the event; `None` if the version is not recorded.
/// Personal data that must not be recorded are not compared.
fn recorded(story: Option<&Story>, event: &Sent) -> Option<bool> {
    let story = story?;
    story.facts.iter().find_map(|fact| is_same(fact, story, event))
}

/// Whether this offer version is recorded among these facts with other content. After a reset a version may be recorded
/// again; that it was recorded before with the same content does not matter then.
fn contradicts(facts: &[Fact], story: &Story, event: &Sent) -> bool {
    facts.iter().any(|fact| is_same(fact, story, event) == Some(false))
}

/// Whether a fact has the content of the event; `None` if it is not about the same offer version.
fn is_same(fact: &Fact, story: &Story, event: &Sent) -> Option<bool> {
    let is_it = fact.is_event() && fact.offer == event.offer && fact.version == event.version;
    let is_bare = story.end().is_erased && fact.email.is_empty();
    is_it.then(|| fact.kind == event.kind && (is_bare || fact.email == event.email))
}

/// Whether this offer version was voided.
fn is_void(story: &Story, event: &Sent) -> bool {
    let is_it =
        |fact: &Fact| fact.kind == "voided" && fact.offer == event.offer && event.version <= fact.version;
    recorded(Some(story), event).is_none() && story.facts.iter().any(is_it)
}

/// Whether an answer of the former system contained this offer version.
fn is_known_by_former(story: &Story, event: &Sent) -> bool {
    let answers = story.facts.iter().filter_map(|fact| fact.answer.as_ref());
    let mut offers = answers.filter_map(|answer| answer.offers.get(&event.offer));
    offers.any(|offer| event.version <= offer.version)
}

/// Whether the event counts as a repeat because the content that it contradicts is no longer remembered. The content of
/// the last ten versions is remembered for an open offer, that of the last one for a closed offer, and none for a buyer
/// that was reset or erased.
fn is_forgotten(story: &Story, event: &Sent, sent: &SentBySlot<'_>) -> bool {
    let slot = sent.get(&(event.buyer.as_str(), event.offer.as_str(), event.version));
    let is_contradicted = slot.is_some_and(|sent| sent.iter().any(|event| event.is_odd));
    let is_forgetting = |fact: &Fact| matches!(fact.kind.as_str(), "reset" | "erased");
    let closes = |fact: &&Fact| {
        let is_later = fact.offer == event.offer && fact.version > event.version;
        is_later && matches!(fact.kind.as_str(), "rejected" | "withdrawn")
    };
    let closed_at = story.facts.iter().filter(closes).map(|fact| fact.version).min();
    let is_old = |offer: &Offer| {
        (offer.version - event.version.min(offer.version)) as usize >= REMEMBERED_DIGESTS
            || closed_at.is_some_and(|at| at <= offer.version)
    };
    let is_recorded = recorded(Some(story), event).is_some();
    let mut offers = story.after.iter().filter_map(|buyer| buyer.offers.get(&event.offer));
    is_contradicted && (story.facts.iter().any(is_forgetting) || is_recorded && offers.any(is_old))
}
