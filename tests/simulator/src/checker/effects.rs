//! Checks the effects: each e-mail is sent at most once and never after the fact that cancels it, each sales message is
//! sent at least once, and at the end the sales team and the leads table have the right leads open.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use leads_store::{AddressDigest, LedgerEntry, Outcome, Status};

use super::story::{Story, Violations};
use crate::platform::{Announced, Content, Fate, GivenUp, Mail, OfBuyer, Platform};
use crate::rules::{Buyer, Due};
use crate::sight::Sight;

pub(super) fn check(platform: &Platform, stories: &BTreeMap<&str, Story>, violations: &mut Violations) {
    let mut mails: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for mail in &platform.ses.mails {
        let times = mails.entry((&mail.buyer, &mail.key)).or_default();
        // A mail that SES threw away may be tried once more at another address.
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
    check_given_up(platform, violations);
    let mut announced: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for message in &platform.sales.messages {
        let buyer = message.buyer.as_str();
        let key = message.effect_id.strip_prefix(buyer).and_then(|key| key.strip_prefix('/'));
        violations.must(key.is_some(), || {
            format!("{buyer}: a sales message has an id of another buyer: {}", message.effect_id)
        });
        announced.entry(buyer).or_default().extend(key);
    }
    let open_for_sales = open_for_sales(platform);
    let mut open_doubts = 0;
    for (buyer, story) in stories {
        let Some(items) = platform.leads.buyers.get(*buyer) else {
            violations.must(story.dues.is_empty(), || format!("{buyer}: no effect was ever performed"));
            continue;
        };
        check_shadow((buyer, story), items, violations);
        // Leadstream has no leads of a buyer in shadow.
        let end = story.live_from.map(|_| story.end());
        let real = end.map(Buyer::open).unwrap_or_default();
        let ours = end.map(Buyer::open_of_ours).unwrap_or_default();
        let listed: BTreeSet<String> =
            items.leads.iter().filter(|(_, lead)| lead.is_open).map(|(name, _)| name.clone()).collect();
        violations.must(listed == ours, || {
            format!("{buyer}: the leads table has {listed:?} open, expected {ours:?}")
        });
        let kept = items.leads.values().filter(|lead| lead.has_contact && !lead.is_open).count();
        violations.must(kept == 0, || format!("{buyer}: {kept} closed leads still have a contact"));
        let at_sales = open_for_sales.get(*buyer).cloned().unwrap_or_default();
        violations.must(at_sales == real || end.is_none(), || {
            format!("{buyer}: the sales team has {at_sales:?} open, expected {real:?}")
        });
        let head = story.dues.last().map_or(0, |due| due.sequence);
        violations.must(items.cursor.through.get() >= head, || {
            format!("{buyer}: the cursor is at {}, the last effect is at {head}", items.cursor.through)
        });
        check_held(platform, buyer, story, violations);
        open_doubts += items.ledger.values().filter(|entry| entry.status == Status::Unknown).count();
        let announced = announced.get(buyer).map_or(&[][..], Vec::as_slice);
        check_dues(platform, (buyer, story), announced, &mails, violations);
        check_mail(platform, (buyer, story), &mails, violations);
        check_order(buyer, story, announced, violations);
        check_receipts(platform, buyer, violations);
    }
    violations.must(open_doubts <= platform.doubts, || {
        format!("{open_doubts} e-mails are in doubt, the faults explain {}", platform.doubts)
    });
}

/// A mail must go to the address that its offer had when the mail was claimed; an invitation, to that of any offer.
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
    violations.must(is_right || platform.strategy.is_some(), || {
        format!("a mail was sent to the wrong address: {mail:?}")
    });
}

/// For shadow commits, nothing but the cursor may be written.
fn check_shadow((buyer, story): (&str, &Story), items: &OfBuyer, violations: &mut Violations) {
    let is_due = |sequence: u64, key: &str| {
        story.our_dues().any(|due| due.key == key && (sequence == 0 || due.sequence == sequence))
    };
    let settled = items.settled.keys().map(|(sequence, key)| (*sequence, key));
    for (sequence, key) in settled.chain(items.ledger.keys().map(|key| (0, key))) {
        violations.must(is_due(sequence, key), || {
            format!("{buyer}: {key} is written although no live commit calls for it")
        });
    }
    let is_opened = |name: &String| story.our_dues().any(|due| due.key.ends_with(&format!("ed/{name}")));
    let foreign = items.leads.keys().find(|name| !is_opened(name));
    violations.must(foreign.is_none(), || {
        format!("{buyer}: a lead is written that no live commit calls for: {foreign:?}")
    });
}

/// Each effect must have an outcome that the rules allow.
fn check_dues(
    platform: &Platform,
    (buyer, story): (&str, &Story),
    announced: &[&str],
    mails: &BTreeMap<(&str, &str), usize>,
    violations: &mut Violations,
) {
    let Some(items) = platform.leads.buyers.get(buyer) else { return };
    let messages: BTreeSet<&str> = announced.iter().copied().collect();
    let end = story.end();
    for due in story.our_dues() {
        let settled = items.settled.get(&(due.sequence, due.key.clone())).copied();
        let is_overtaken = settled == Some(Outcome::Superseded);
        if due.email.is_empty() {
            let is_announced = messages.contains(due.key.as_str());
            let may_be_dropped = match due.key.split_once('/') {
                Some(("quote", _)) => is_overtaken,
                Some(("opened", lead)) => !end.open().contains(lead),
                _ => false,
            };
            violations.must(is_announced || may_be_dropped && is_overtaken, || {
                format!("{buyer}: never announced: {due:?}, settled as {settled:?}")
            });
            continue;
        }
        // The ledger decides, see `check_mail`; the outcome written with the cursor must not contradict it.
        let entry = items.ledger.get(&due.key);
        let of_key = || story.our_dues().filter(|other| other.key == due.key);
        let is_right = match settled {
            Some(Outcome::Rejected) => of_key().any(|other| may_be_refused(platform, buyer, other)),
            Some(Outcome::AlreadySent) => mails.contains_key(&(buyer, due.key.as_str())),
            Some(Outcome::Superseded) => true,
            // Once a mail is claimed, only its ledger entry counts.
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

/// Each mail that the head calls for must be sent, or its ledger entry must have a reason that applies to this head.
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
            format!("{buyer}: {key} is sent by the ledger, but SES never took it")
        });
        // The opening that the head calls for. An acceptance has only one.
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
                // The mail was given up: in doubt, or after the last attempt for this very opening.
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

/// Whether SES or a stopped address is a reason not to send this mail.
fn may_be_refused(platform: &Platform, buyer: &str, due: &Due) -> bool {
    let is_thrown_away =
        |mail: &Mail| mail.fate == Fate::ThrownAway && mail.buyer == buyer && mail.key == due.key;
    due.email.starts_with("refused")
        || due.email == "no address"
        || platform.stops.contains_key(&(buyer.to_owned(), due.email.clone()))
        || platform.ses.mails.iter().any(is_thrown_away)
}

/// The leads table must list every buyer with held events, and no settled buyer without them.
fn check_held(platform: &Platform, buyer: &str, story: &Story, violations: &mut Violations) {
    let Some(items) = platform.leads.buyers.get(buyer) else { return };
    if platform.strategy.is_some() {
        return; // Other ways are judged by their effects alone.
    }
    let (is_held, is_listed) = (story.end().held > 0, items.held.is_some());
    let is_settled = items.cursor.through.get() == story.facts.len() as u64;
    violations.must(is_listed || !is_held, || {
        format!("{buyer}: events are held, but the table does not list them")
    });
    violations.must(is_held || !is_listed || !is_settled, || {
        format!("{buyer}: no event is held, but the table lists {:?}", items.held)
    });
}

/// A ledger entry must agree with what SES reported on its attempt, unless a later attempt replaced it.
fn check_receipts(platform: &Platform, buyer: &str, violations: &mut Violations) {
    let Some(items) = platform.leads.buyers.get(buyer) else { return };
    for (key, entry) in &items.ledger {
        let Some(is_thrown_away) = platform.reported.get(&entry.nonce) else { continue };
        let expected = if *is_thrown_away { Status::Rejected } else { Status::Sent };
        violations.must(entry.status == expected, || {
            format!("{buyer}: {key} is {:?}, SES reported {expected:?}", entry.status)
        });
    }
}

/// The time by which the clocks of the product may be ahead in a pause, because a worker relies on what it read.
const READ_BEFORE: SignedDuration = SignedDuration::from_secs(60);

/// Whether a mail that was certainly never sent was tried long enough before it was given up. The time of pauses does
/// not count.
fn was_tried_for_long(platform: &Platform, entry: &LedgerEntry) -> bool {
    let last = platform.granted.iter().find(|granted| granted.nonce == entry.nonce);
    let (last, now) = last.map_or((entry.since, 0), |granted| granted.at);
    let long = platform.pace.tried_for - READ_BEFORE;
    entry.first_tried_at.is_some_and(|first| platform.pauses.running((first, last), now) >= long)
}

/// A doubtful mail must wait for an hour for its receipt before it is given up. The time of pauses does not count.
fn check_given_up(platform: &Platform, violations: &mut Violations) {
    // A clock that went back makes the times useless.
    if platform.sights.has(Sight::ClockWentBack) {
        return;
    }
    for given_up in &platform.given_up {
        let GivenUp { buyer, key, doubtful_since, at: (at, now) } = given_up;
        let waited = platform.pauses.running((*doubtful_since, *at), *now);
        violations.must(waited >= SignedDuration::from_hours(1) - READ_BEFORE, || {
            format!("{buyer}: {key} was given up after {} minutes of doubt", waited.as_mins())
        });
    }
}

/// Sales messages must be sent in order when they are first sent, except effects that were overtaken when the cursor
/// passed them.
fn check_order(buyer: &str, story: &Story, announced: &[&str], violations: &mut Violations) {
    let sequences: BTreeMap<&str, u64> =
        story.our_dues().map(|due| (due.key.as_str(), due.sequence)).collect();
    let mut seen = BTreeSet::new();
    let mut furthest = 0;
    for &key in announced {
        if !seen.insert(key) {
            continue;
        }
        let Some(sequence) = sequences.get(key).copied() else {
            violations.must(false, || format!("{buyer}: no effect calls for the sales message {key}"));
            continue;
        };
        // The worker that passed the effect found it overtaken; it may have been called for again after that.
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
            format!("{buyer}: {key} of {sequence} was first announced after {furthest}")
        });
        furthest = furthest.max(sequence);
    }
}

/// The leads open for a conforming consumer of both systems at the end: the same id counts once, and a closed lead
/// never reopens.
fn open_for_sales(platform: &Platform) -> BTreeMap<&str, BTreeSet<String>> {
    let mut closed = BTreeSet::new();
    let mut open: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for Announced { buyer, content, .. } in &platform.announced {
        match content {
            Content::Opened { lead, .. } if !closed.contains(&(buyer, lead)) => {
                open.entry(buyer).or_default().insert(lead.clone());
            }
            Content::Closed { lead } => {
                open.entry(buyer).or_default().remove(lead);
                closed.insert((buyer, lead));
            }
            Content::Opened { .. } | Content::Quoted { .. } | Content::Mailed { .. } => {}
        }
    }
    open
}
