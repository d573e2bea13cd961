//! What the world was told: each e-mail at most once and never too late, each sales message at least once, and in the end
//! everybody believes what is true.

use std::collections::{BTreeMap, BTreeSet};

use effects::leads::{AddressDigest, LedgerEntry, Outcome, Status};
use serde_json::Value;

use super::{Story, Violations};
use crate::platform::{Fate, Mail, Platform};
use crate::rules::Due;

pub(super) fn check(platform: &Platform, stories: &BTreeMap<&str, Story>, violations: &mut Violations) {
    let mut mails: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for mail in &platform.ses.mails {
        let times = mails.entry((&mail.buyer, &mail.key)).or_default();
        // What SES throws away may be tried once more at another address.
        *times += usize::from(mail.fate != Fate::ThrownAway);
    }
    for (mail, times) in &mails {
        violations.must(*times <= 1, || format!("e-mail sent {times} times: {mail:?}"));
    }
    for granted in &platform.granted {
        let seen = usize::try_from(granted.head).unwrap_or(0);
        let story = stories.get(granted.buyer.as_str());
        let then = story.and_then(|story| story.after.get(seen.checked_sub(1)?));
        violations.must(then.is_some_and(|buyer| buyer.calls_for(&granted.key)), || {
            format!("e-mail claimed after the fact that cancels it: {granted:?}")
        });
    }
    let mut told: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for message in &platform.sales.messages {
        let buyer = message.buyer.as_str();
        let key = message.effect_id.strip_prefix(buyer).and_then(|key| key.strip_prefix('/'));
        violations
            .must(key.is_some(), || format!("{buyer}: told under a foreign name: {}", message.effect_id));
        told.entry(buyer).or_default().extend(key);
    }
    let beliefs = beliefs(platform);
    let mut open_doubts = 0;
    for (buyer, story) in stories {
        let Some(items) = platform.leads.buyers.get(*buyer) else {
            violations.must(story.dues.is_empty(), || format!("{buyer}: nothing was ever told"));
            continue;
        };
        let real = story.end().open();
        // What only the former system has announced is its own to tell of.
        let opened = |lead: &String, is_told: bool| {
            let key = format!("opened/{lead}");
            story.dues.iter().any(|due| due.key == key && !(is_told && due.is_shadow))
        };
        let told_of: BTreeSet<String> = real.iter().filter(|lead| opened(lead, true)).cloned().collect();
        let real: BTreeSet<String> = real.into_iter().filter(|lead| opened(lead, false)).collect();
        let listed: BTreeSet<String> =
            items.leads.iter().filter(|(_, lead)| lead.is_open).map(|(name, _)| name.clone()).collect();
        violations.must(listed == real, || {
            format!("{buyer}: the leads table has {listed:?} open, real are {real:?}")
        });
        let kept = items.leads.values().filter(|lead| lead.has_contact && !lead.is_open).count();
        violations.must(kept == 0, || format!("{buyer}: {kept} closed leads keep a contact"));
        let believed = beliefs.get(*buyer).cloned().unwrap_or_default();
        violations.must(believed == told_of, || {
            format!("{buyer}: the sales team believes {believed:?}, real are {told_of:?}")
        });
        let head = story.dues.last().map_or(0, |due| due.sequence);
        violations.must(items.cursor.through.get() >= head, || {
            format!("{buyer}: the cursor is at {}, the last effect at {head}", items.cursor.through)
        });
        check_held(platform, buyer, story, violations);
        open_doubts += items.ledger.values().filter(|entry| entry.status == Status::Unknown).count();
        let told = told.get(buyer).map_or(&[][..], Vec::as_slice);
        check_dues(platform, (buyer, story), told, &mails, violations);
        check_mail(platform, (buyer, story), &mails, violations);
        check_order(buyer, story, told, violations);
        check_heard(platform, buyer, violations);
    }
    violations.must(open_doubts <= platform.doubts, || {
        format!("{open_doubts} e-mails in doubt, {} doubts injected", platform.doubts)
    });
}

/// Each effect came to an end that the rules allow.
fn check_dues(
    platform: &Platform,
    (buyer, story): (&str, &Story),
    told: &[&str],
    mails: &BTreeMap<(&str, &str), usize>,
    violations: &mut Violations,
) {
    let Some(items) = platform.leads.buyers.get(buyer) else { return };
    let said: BTreeSet<&str> = told.iter().copied().collect();
    let end = story.end();
    for due in &story.dues {
        let settled = items.settled.get(&(due.sequence, due.key.clone())).copied();
        let is_overtaken = settled == Some(Outcome::Superseded);
        if due.email.is_empty() {
            let is_said = said.contains(due.key.as_str());
            let may_be_dropped = match due.key.split_once('/') {
                Some(("quote", _)) => is_overtaken,
                Some(("opened", lead)) => !end.open().contains(lead),
                _ => false,
            };
            let is_left = due.is_shadow && settled == Some(Outcome::Suppressed) && !is_said;
            let is_told = !due.is_shadow && is_said;
            violations.must(is_told || is_left || may_be_dropped && is_overtaken, || {
                format!("{buyer}: never told: {due:?}, settled as {settled:?}")
            });
            continue;
        }
        // What the ledger says decides; see `check_mail`. What was written beside the cursor must not contradict it.
        let entry = items.ledger.get(&due.key);
        let of_key = || story.dues.iter().filter(|other| other.key == due.key);
        let is_right = match settled {
            Some(Outcome::Suppressed) => entry.is_some_and(|entry| entry.status == Status::Suppressed),
            Some(Outcome::Rejected) => of_key().any(|other| may_be_refused(platform, buyer, other)),
            Some(Outcome::AlreadySent) => mails.contains_key(&(buyer, due.key.as_str())),
            Some(Outcome::Superseded) => true,
            // From its claim on the ledger is responsible.
            None => entry.is_some(),
            Some(
                Outcome::Sent | Outcome::Unknown | Outcome::Retry | Outcome::Abandoned | Outcome::Passed,
            ) => false,
        };
        violations.must(is_right, || {
            format!("{buyer}: mail lost silently: {due:?}, settled as {settled:?}, ledger {entry:?}")
        });
    }
}

/// Each mail that the head calls for was sent, or its entry says why not, and that reason is one of this head.
fn check_mail(
    platform: &Platform,
    (buyer, story): (&str, &Story),
    mails: &BTreeMap<(&str, &str), usize>,
    violations: &mut Violations,
) {
    let Some(items) = platform.leads.buyers.get(buyer) else { return };
    let end = story.end();
    let keys: BTreeSet<&str> =
        story.dues.iter().filter(|due| !due.email.is_empty()).map(|due| due.key.as_str()).collect();
    for key in keys {
        let entry = items.ledger.get(key);
        let status = entry.map(|entry| entry.status);
        let is_mailed = mails.contains_key(&(buyer, key));
        violations.must(status != Some(Status::Sent) || is_mailed, || {
            format!("{buyer}: the ledger says that {key} was sent, and SES never took it")
        });
        // The opening that the head calls for; of an acceptance there is only one.
        let called_for = story
            .dues
            .iter()
            .filter(|due| due.key == key && end.calls_for(key))
            .find(|due| key != "quote-email" || end.low == Some(due.sequence));
        let Some(due) = called_for else { continue };
        let is_right = match entry {
            _ if is_mailed => true,
            Some(entry) => match entry.status {
                Status::Rejected => {
                    entry.address == AddressDigest::of(&due.email) && may_be_refused(platform, buyer, due)
                }
                // Given up: in doubt, or after the last try for this very opening.
                Status::Abandoned if entry.is_unsent => {
                    entry.sequence.get() >= due.sequence && was_tried_for_long(platform, entry)
                }
                Status::Abandoned => platform.doubts > 0 || was_tried_for_long(platform, entry),
                Status::Suppressed => story.dues.iter().any(|other| other.key == key && other.is_shadow),
                Status::Unknown | Status::Sending | Status::Retry => !platform.has_sweeper(),
                Status::Sent | Status::Superseded => false,
            },
            None => false,
        };
        violations.must(is_right, || format!("{buyer}: mail lost: {due:?}, ledger {entry:?}"));
    }
}

/// Whether SES, or an address that was stopped, is a reason not to send this.
fn may_be_refused(platform: &Platform, buyer: &str, due: &Due) -> bool {
    let is_thrown_away =
        |mail: &Mail| mail.fate == Fate::ThrownAway && mail.buyer == buyer && mail.key == due.key;
    due.email.starts_with("refused")
        || due.email == "no address"
        || platform.stops.contains_key(&(buyer.to_owned(), due.email.clone()))
        || platform.ses.mails.iter().any(is_thrown_away)
}

/// Whoever asks the table learns of every buyer of whom events are held, and of nobody else of whom all is settled.
fn check_held(platform: &Platform, buyer: &str, story: &Story, violations: &mut Violations) {
    let Some(items) = platform.leads.buyers.get(buyer) else { return };
    if platform.strategy.is_some() {
        return; // They are judged by what they tell the world.
    }
    let (is_held, is_listed) = (story.end().held > 0, items.held.is_some());
    let is_settled = items.cursor.through.get() == story.facts.len() as u64;
    violations
        .must(is_listed || !is_held, || format!("{buyer}: events are held, and the table does not say so"));
    violations.must(is_held || !is_listed || !is_settled, || {
        format!("{buyer}: nothing is held, and the table says since when: {:?}", items.held)
    });
}

/// What SES told of an attempt, its entry says, if it is still that of the attempt.
fn check_heard(platform: &Platform, buyer: &str, violations: &mut Violations) {
    let Some(items) = platform.leads.buyers.get(buyer) else { return };
    for (key, entry) in &items.ledger {
        let Some(is_thrown_away) = platform.heard.get(&entry.nonce) else { continue };
        let expected = if *is_thrown_away { Status::Rejected } else { Status::Sent };
        violations.must(entry.status == expected, || {
            format!("{buyer}: {key} is {:?}, SES said {expected:?}", entry.status)
        });
    }
}

/// Definitely not sent, again and again, and then given up.
fn was_tried_for_long(platform: &Platform, entry: &LedgerEntry) -> bool {
    let tried_for = |first| entry.since.duration_since(first) >= platform.pace.tried_for;
    entry.first_tried_at.is_some_and(tried_for)
}

/// What was told for the first time was told in order, but for what had been overtaken when others went past it.
fn check_order(buyer: &str, story: &Story, told: &[&str], violations: &mut Violations) {
    let sequences: BTreeMap<&str, u64> =
        story.dues.iter().map(|due| (due.key.as_str(), due.sequence)).collect();
    let mut seen = BTreeSet::new();
    let mut furthest = 0;
    for &key in told {
        if !seen.insert(key) {
            continue;
        }
        let Some(sequence) = sequences.get(key).copied() else {
            violations.must(false, || format!("{buyer}: told of what nothing calls for: {key}"));
            continue;
        };
        // Whoever went past it found it overtaken; it may have been called for again after that.
        let since = usize::try_from(sequence).unwrap_or(0);
        let was_over = || {
            story.after.iter().skip(since).any(|buyer| match key.split_once('/') {
                Some(("quote", offer)) => {
                    buyer.offers.get(offer).is_some_and(|offer| offer.stage == 'c' || offer.email.is_empty())
                }
                Some(("opened", lead)) => !buyer.open().contains(lead),
                _ => false,
            })
        };
        violations.must(sequence >= furthest || was_over(), || {
            format!("{buyer}: {key} of {sequence} was first told after {furthest}")
        });
        furthest = furthest.max(sequence);
    }
}

/// What a conforming consumer believes to be open in the end: the same id counts once, and a closed lead never reopens.
fn beliefs(platform: &Platform) -> BTreeMap<String, BTreeSet<String>> {
    let mut seen = BTreeSet::new();
    let mut closed = BTreeSet::new();
    let mut open: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for message in &platform.sales.messages {
        let body: Value = serde_json::from_str(&message.body).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if !seen.insert(text(&body["id"])) {
            continue;
        }
        let (buyer, lead) = (text(&body["data"]["buyerId"]), text(&body["data"]["leadId"]));
        match body["type"].as_str() {
            Some("lead.opened.v1") if !closed.contains(&(buyer.clone(), lead.clone())) => {
                open.entry(buyer).or_default().insert(lead);
            }
            Some("lead.closed.v1") => {
                open.entry(buyer.clone()).or_default().remove(&lead);
                closed.insert((buyer, lead));
            }
            _ => {}
        }
    }
    open
}
