//! What must be true in the end, read off the tables and the recorded requests alone.

use std::collections::{BTreeMap, BTreeSet};

use contract::stored::Commit;
use domain::{BuyerId, Effect, Fact, State};
use serde_json::Value;

use crate::aws::{Mail, Told};
use crate::process::Function;
use crate::report::Report;
use crate::tables;
use crate::world::World;

pub(crate) fn check(world: &World, has_ended: bool) -> Report {
    let mut report = Report::default();
    let struck = world.struck();
    for strike in &struck {
        let (function, fault) = (strike.function.name(), strike.fault.name());
        let kind = if strike.fault.kills() { "kills" } else { "other-faults" };
        report.count(kind, 1);
        report.count(format!("{kind}/{function}"), 1);
        report.count(format!("{kind}/{function}/{}/{fault}", strike.operation), 1);
    }
    let kills = struck.iter().filter(|strike| strike.fault.kills()).count();
    if !has_ended {
        report.violation("endless", "something stays open, however often it is called for");
    }
    if world.deaths > kills {
        report.violation("died", &format!("{} processes ended by {kills} kills", world.deaths));
    }

    let mut streams: BTreeMap<BuyerId, Vec<Commit>> = BTreeMap::new();
    for post in &world.posts {
        streams.entry(post.buyer.clone()).or_default();
    }
    for commit in world.commits() {
        streams.entry(commit.buyer.clone()).or_default().push(commit);
    }
    let (items, told) = (tables::leads_items(&world.aws.database), world.aws.told());
    check_refused(&told, &mut report);
    for (buyer, commits) in &streams {
        check_stream(world, buyer, commits, &mut report);
        let items: Vec<&Value> =
            items.iter().filter(|item| tables::text(item, "buyer") == buyer.as_str()).collect();
        check_effects(buyer, commits, &items, &told, &mut report);
    }
    check_dead_letters(world, &told, &mut report);
    // A kill may meet every buyer's claim at once; what is spoiled otherwise, only the mail that it was about.
    let at_claims = struck.iter().filter(|strike| strike.function != Function::Recorder);
    let may_be =
        at_claims
            .map(|strike| {
                if strike.fault.kills() {
                    streams.len()
                } else {
                    usize::from(strike.operation == "SendEmail")
                }
            })
            .sum();
    check_doubt(&items, &told, may_be, &mut report);
    report
}

/// AWS would have taken every request.
pub(crate) fn check_refused(told: &Told, report: &mut Report) {
    for refused in &told.refused {
        report.violation("refused", &refused.to_string());
    }
}

/// Everything sent is recorded once, and no sequence number is skipped.
fn check_stream(world: &World, buyer: &BuyerId, commits: &[Commit], report: &mut Report) {
    let mut next = 1;
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for commit in commits {
        if commit.first.get() != next {
            report.violation("gaps", &format!("{buyer}: {next} is followed by {}", commit.first));
        }
        next = commit.last().get() + 1;
        for event in commit.facts.iter().filter_map(Fact::event) {
            *times.entry(event.id.to_string()).or_default() += 1;
        }
    }
    let sent = world.posts.iter().filter(|post| post.buyer == *buyer);
    let sent: BTreeSet<String> =
        sent.filter_map(|post| post.event.as_ref()).map(|event| event.id.to_string()).collect();
    report.count("events", sent.len());
    for id in &sent {
        match times.remove(id).unwrap_or_default() {
            1 => {}
            0 => report.violation("lost", &format!("{buyer}: event {id}")),
            times => report.violation("doubled", &format!("{buyer}: event {id} {times} times")),
        }
    }
    for id in times.keys() {
        report.violation("invented", &format!("{buyer}: event {id}"));
    }
}

/// Every effect is settled as the buyer's whole history calls for.
fn check_effects(buyer: &BuyerId, commits: &[Commit], items: &[&Value], told: &Told, report: &mut Report) {
    let mut state = State::default();
    let mut due: Vec<Effect> = Vec::new();
    for commit in commits {
        let effects: Vec<Effect> = commit.facts.iter().flat_map(|fact| state.fold_fact(fact)).collect();
        if effects != commit.effects {
            report.violation("effects", &format!("{buyer}: {} was recorded with others", commit.first));
        }
        due.extend(effects);
    }
    let keys: BTreeSet<String> = due.iter().map(Effect::key).collect();
    report.count("effects", keys.len());
    let messages: BTreeMap<String, BTreeSet<&str>> = said_to(buyer, told);
    for (key, bodies) in &messages {
        if !keys.contains(key) {
            report.violation("invented", &format!("{buyer}: sales message {key}"));
        }
        if bodies.len() > 1 {
            report.violation("changed", &format!("{buyer}: {key} was told in several ways"));
        }
    }
    let status: BTreeMap<&str, &str> = items
        .iter()
        .filter_map(|item| {
            Some((tables::text(item, "kind").strip_prefix("email/")?, tables::text(item, "status")))
        })
        .collect();
    let taken = |key: &str| is_in(&told.taken_mails, buyer, key);
    for effect in &due {
        let (key, is_called_for) = (effect.key(), state.still_calls_for(&effect.kind));
        let is_lost = if effect.kind.is_email() {
            match status.get(key.as_str()) {
                Some(&"sent") => !taken(&key),
                // In doubt: counted elsewhere.
                Some(&"unknown") => false,
                _ => is_called_for || taken(&key),
            }
        } else {
            is_called_for && !messages.contains_key(&key)
        };
        if is_lost {
            report.violation("lost", &format!("{buyer}: {key}, ledger {:?}", status.get(key.as_str())));
        }
    }
    let listed: BTreeSet<&str> = items
        .iter()
        .filter(|item| item.get("openLeads").is_some())
        .filter_map(|item| tables::text(item, "kind").strip_prefix("lead/"))
        .collect();
    let real: BTreeSet<String> = state.open_leads().map(|lead| lead.to_string()).collect();
    if !listed.iter().copied().eq(real.iter().map(String::as_str)) {
        report.violation("leads", &format!("{buyer}: the table has {listed:?}, real are {real:?}"));
    }
    let believed = believed(buyer, told);
    if believed != real {
        report.violation("beliefs", &format!("{buyer}: sales believe {believed:?}, real are {real:?}"));
    }
}

/// The bodies that the sales team was sent, by effect key.
fn said_to<'a>(buyer: &BuyerId, told: &'a Told) -> BTreeMap<String, BTreeSet<&'a str>> {
    let mut said: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for request in told.sales.iter().filter(|request| request["MessageGroupId"] == buyer.as_str()) {
        let text = request["MessageBody"].as_str().unwrap_or_default();
        let body: Value = serde_json::from_str(text).unwrap_or_default();
        let id = body["id"].as_str().unwrap_or_default();
        let key = id.strip_prefix(&format!("{buyer}/")).unwrap_or(id);
        said.entry(key.to_owned()).or_default().insert(text);
    }
    said
}

/// The leads that a conforming consumer believes open: an id counts once, a closed lead never reopens.
fn believed(buyer: &BuyerId, told: &Told) -> BTreeSet<String> {
    let (mut open, mut closed) = (BTreeSet::new(), BTreeSet::new());
    for request in told.sales.iter().filter(|request| request["MessageGroupId"] == buyer.as_str()) {
        let body: Value =
            serde_json::from_str(request["MessageBody"].as_str().unwrap_or_default()).unwrap_or_default();
        let lead = body["data"]["leadId"].as_str().unwrap_or_default().to_owned();
        match body["type"].as_str() {
            Some("lead.opened.v1") if !closed.contains(&lead) => {
                open.insert(lead);
            }
            Some("lead.closed.v1") => {
                open.remove(&lead);
                closed.insert(lead);
            }
            _ => {}
        }
    }
    open
}

/// What nobody can read is set aside, and nothing else.
fn check_dead_letters(world: &World, told: &Told, report: &mut Report) {
    let dead: BTreeSet<&str> =
        told.dead_letters.iter().filter_map(|letter| letter["MessageDeduplicationId"].as_str()).collect();
    for (number, post) in world.posts.iter().enumerate() {
        let is_dead = dead.contains(format!("m{number}").as_str());
        match (&post.event, is_dead) {
            (None, true) => report.count("dead-letters", 1),
            (Some(_), false) => {}
            (None, false) => report.violation("lost", &format!("dead letter m{number}")),
            (Some(event), true) => report.violation("lost", &format!("{} is a dead letter", event.id)),
        }
    }
}

/// No mail was asked for twice, and no more are in doubt than faults can explain.
pub(crate) fn check_doubt(items: &[Value], told: &Told, may_be: usize, report: &mut Report) {
    let mut asked: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for mail in &told.asked_mails {
        *asked.entry((&mail.buyer, &mail.effect)).or_default() += 1;
    }
    report.count("mails/asked-for", asked.len());
    for (mail, times) in asked.iter().filter(|(_, times)| **times > 1) {
        report.violation("doubled", &format!("{mail:?} was asked for {times} times"));
    }
    let mut doubtful = 0;
    for item in items.iter().filter(|item| tables::text(item, "status") == "unknown") {
        let key = tables::text(item, "kind").trim_start_matches("email/");
        let is_taken = told
            .taken_mails
            .iter()
            .any(|mail| mail.buyer == tables::text(item, "buyer") && mail.effect == key);
        report.count(if is_taken { "mails/doubtful/taken" } else { "mails/doubtful/not-taken" }, 1);
        doubtful += 1;
    }
    report.count("mails/doubtful", doubtful);
    if doubtful > may_be {
        report.violation("doubt", &format!("{doubtful} mails in doubt, faults explain {may_be}"));
    }
}

fn is_in(mails: &[Mail], buyer: &BuyerId, key: &str) -> bool {
    mails.iter().any(|mail| mail.buyer == buyer.as_str() && mail.effect == key)
}
