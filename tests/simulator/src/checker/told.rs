//! What the world was told: each e-mail at most once and never too late, each sales message at least once, and in the end
//! everybody believes what is true.

use std::collections::{BTreeMap, BTreeSet};

use leads_store::{AddressDigest, LedgerEntry, Outcome, Status};

use super::{Story, Violations};
use crate::platform::{Announced, Fate, Mail, OfBuyer, Platform, What};
use crate::rules::{Buyer, Due};

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
        let is_live = story.and_then(|story| story.live_from).is_some_and(|from| from <= granted.head);
        violations.must(is_live && then.is_some_and(|buyer| buyer.calls_for(&granted.key)), || {
            format!("e-mail claimed after the fact that cancels it: {granted:?}")
        });
    }
    for mail in &platform.ses.mails {
        check_address(platform, stories, mail, violations);
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
        check_shadow((buyer, story), items, violations);
        // In shadow nothing is ours.
        let end = story.live_from.map(|_| story.end());
        let real = end.map(Buyer::open).unwrap_or_default();
        let ours = end.map(Buyer::open_of_ours).unwrap_or_default();
        let listed: BTreeSet<String> =
            items.leads.iter().filter(|(_, lead)| lead.is_open).map(|(name, _)| name.clone()).collect();
        violations.must(listed == ours, || {
            format!("{buyer}: the leads table has {listed:?} open, real are {ours:?}")
        });
        let kept = items.leads.values().filter(|lead| lead.has_contact && !lead.is_open).count();
        violations.must(kept == 0, || format!("{buyer}: {kept} closed leads keep a contact"));
        let believed = beliefs.get(*buyer).cloned().unwrap_or_default();
        violations.must(believed == real || end.is_none(), || {
            format!("{buyer}: the sales team believes {believed:?}, real are {real:?}")
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

/// A mail goes to the address of its offer as it was when it was claimed; an invitation to that of some offer.
fn check_address(
    platform: &Platform,
    stories: &BTreeMap<&str, Story>,
    mail: &Mail,
    violations: &mut Violations,
) {
    let of_mail = platform.granted.iter().filter(|one| one.buyer == mail.buyer && one.key == mail.key);
    let offer = mail.key.strip_prefix("accepted-email/").and_then(|about| about.split_once('/'));
    let is_right = |head: u64| {
        let seen = usize::try_from(head).unwrap_or(0);
        let story = stories.get(mail.buyer.as_str());
        let then = story.and_then(|story| story.after.get(seen.checked_sub(1)?));
        let mut offers = then.into_iter().flat_map(|buyer| &buyer.offers);
        offers.any(|(id, known)| known.email == mail.to && offer.is_none_or(|(offer, _)| offer == id))
    };
    let is_right = of_mail.map(|granted| granted.head).any(is_right);
    violations
        .must(is_right || platform.strategy.is_some(), || format!("a mail to the wrong address: {mail:?}"));
}

/// Of what is in shadow nothing is written but the cursor.
fn check_shadow((buyer, story): (&str, &Story), items: &OfBuyer, violations: &mut Violations) {
    let is_due = |sequence: u64, key: &str| {
        story.our_dues().any(|due| due.key == key && (sequence == 0 || due.sequence == sequence))
    };
    let settled = items.settled.keys().map(|(sequence, key)| (*sequence, key));
    for (sequence, key) in settled.chain(items.ledger.keys().map(|key| (0, key))) {
        violations.must(is_due(sequence, key), || format!("{buyer}: {key} is written, and not ours to do"));
    }
    let is_opened = |name: &String| story.our_dues().any(|due| due.key.ends_with(&format!("ed/{name}")));
    let foreign = items.leads.keys().find(|name| !is_opened(name));
    violations.must(foreign.is_none(), || format!("{buyer}: a lead that is not ours: {foreign:?}"));
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
    for due in story.our_dues() {
        let settled = items.settled.get(&(due.sequence, due.key.clone())).copied();
        let is_overtaken = settled == Some(Outcome::Superseded);
        if due.email.is_empty() {
            let is_said = said.contains(due.key.as_str());
            let may_be_dropped = match due.key.split_once('/') {
                Some(("quote", _)) => is_overtaken,
                Some(("opened", lead)) => !end.open().contains(lead),
                _ => false,
            };
            violations.must(is_said || may_be_dropped && is_overtaken, || {
                format!("{buyer}: never told: {due:?}, settled as {settled:?}")
            });
            continue;
        }
        // What the ledger says decides; see `check_mail`. What was written beside the cursor must not contradict it.
        let entry = items.ledger.get(&due.key);
        let of_key = || story.our_dues().filter(|other| other.key == due.key);
        let is_right = match settled {
            Some(Outcome::Rejected) => of_key().any(|other| may_be_refused(platform, buyer, other)),
            Some(Outcome::AlreadySent) => mails.contains_key(&(buyer, due.key.as_str())),
            Some(Outcome::Superseded) => true,
            // From its claim on the ledger is responsible.
            None => entry.is_some(),
            Some(
                Outcome::Sent
                | Outcome::Unknown
                | Outcome::Retry
                | Outcome::Abandoned
                | Outcome::Passed
                | Outcome::Suppressed,
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
        story.our_dues().filter(|due| !due.email.is_empty()).map(|due| due.key.as_str()).collect();
    for key in keys {
        let entry = items.ledger.get(key);
        let status = entry.map(|entry| entry.status);
        let is_mailed = mails.contains_key(&(buyer, key));
        violations.must(status != Some(Status::Sent) || is_mailed, || {
            format!("{buyer}: the ledger says that {key} was sent, and SES never took it")
        });
        // The opening that the head calls for; of an acceptance there is only one.
        let opened_at = end.low.as_ref().map(|lead| lead.at);
        let called_for = story
            .our_dues()
            .filter(|due| due.key == key && end.calls_for(key))
            .find(|due| key != "quote-email" || opened_at == Some(due.sequence));
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
                Status::Unknown | Status::Sending | Status::Retry => !platform.has_sweeper(),
                Status::Sent | Status::Superseded | Status::Suppressed => false,
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
        story.our_dues().map(|due| (due.key.as_str(), due.sequence)).collect();
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

/// What a conforming consumer of both systems believes to be open in the end: the same id counts once, and a closed lead never
/// reopens.
fn beliefs(platform: &Platform) -> BTreeMap<&str, BTreeSet<String>> {
    let mut closed = BTreeSet::new();
    let mut open: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for Announced { buyer, what, .. } in &platform.announced {
        match what {
            What::Opened { lead, .. } if !closed.contains(&(buyer, lead)) => {
                open.entry(buyer).or_default().insert(lead.clone());
            }
            What::Closed { lead } => {
                open.entry(buyer).or_default().remove(lead);
                closed.insert((buyer, lead));
            }
            What::Opened { .. } | What::Quoted { .. } | What::Mailed { .. } => {}
        }
    }
    open
}
