//! Checks the outcome of a run by the tables and the recorded requests alone.

use std::collections::{BTreeMap, BTreeSet};
use std::{fmt, iter};

use contract::stored::Commit;
use domain::{BuyerId, Effect, Fact, State};
use serde_json::{Value, json};
use simulator::thousands;
use testkit::append;

use crate::aws::{Mail, Received};
use crate::process::Function;
use crate::tables;
use crate::world::World;

pub(crate) fn check(world: &World, has_ended: bool) -> Report {
    let mut report = Report::default();
    let injected = world.injected();
    for injection in &injected {
        let (function, fault) = (injection.function.name(), injection.fault.name());
        let kind = if injection.fault.kills() { "kills" } else { "other-faults" };
        report.count(kind, 1);
        report.count(format!("{kind}/{function}"), 1);
        report.count(format!("{kind}/{function}/{}/{fault}", injection.operation), 1);
    }
    let kills = injected.iter().filter(|injection| injection.fault.kills()).count();
    if !has_ended {
        report.violation("endless", "the work is not finished within the limit of invocations");
    }
    if world.deaths > kills {
        report.violation("died", &format!("{} processes ended, but only {kills} were killed", world.deaths));
    }

    let mut streams: BTreeMap<BuyerId, Vec<Commit>> = BTreeMap::new();
    for post in &world.posts {
        streams.entry(post.buyer.clone()).or_default();
    }
    for commit in world.commits() {
        streams.entry(commit.buyer.clone()).or_default().push(commit);
    }
    let (items, received) = (tables::leads_items(&world.aws.database), world.aws.received());
    check_refused(&received, &mut report);
    for (buyer, commits) in &streams {
        check_stream(world, buyer, commits, &mut report);
        let items: Vec<&Value> =
            items.iter().filter(|item| tables::text(item, "buyer") == buyer.as_str()).collect();
        check_effects(buyer, commits, &items, &received, &mut report);
    }
    check_dead_letters(world, &received, &mut report);
    // A kill can leave one mail of every buyer in doubt. Any other fault affects only the mail of its own request.
    let outside_recorder = injected.iter().filter(|injection| injection.function != Function::Recorder);
    let may_be = outside_recorder
        .map(|injection| {
            if injection.fault.kills() {
                streams.len()
            } else {
                usize::from(injection.operation == "SendEmail")
            }
        })
        .sum();
    check_doubt(&items, &received, may_be, &mut report);
    report
}

/// AWS must not refuse any request.
pub(crate) fn check_refused(received: &Received, report: &mut Report) {
    for refused in &received.refused {
        report.violation("refused", &refused.to_string());
    }
}

/// Every event sent must be recorded exactly once, and no sequence number skipped.
fn check_stream(world: &World, buyer: &BuyerId, commits: &[Commit], report: &mut Report) {
    let mut next = 1;
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for commit in commits {
        if commit.first.get() != next {
            report.violation("gaps", &format!("{buyer}: expected sequence {next}, found {}", commit.first));
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
            0 => report.violation("lost", &format!("{buyer}: event {id} is not recorded")),
            times => report.violation("doubled", &format!("{buyer}: event {id} is recorded {times} times")),
        }
    }
    for id in times.keys() {
        report.violation("invented", &format!("{buyer}: event {id} was never sent"));
    }
}

/// Every effect must be recorded and performed as the buyer's whole history requires.
fn check_effects(
    buyer: &BuyerId,
    commits: &[Commit],
    items: &[&Value],
    received: &Received,
    report: &mut Report,
) {
    let mut state = State::default();
    let mut due: Vec<Effect> = Vec::new();
    for commit in commits {
        let effects: Vec<Effect> =
            commit.facts.iter().flat_map(|fact| append(&mut state, fact.clone())).collect();
        if effects != commit.effects {
            report.violation(
                "effects",
                &format!("{buyer}: commit {} was recorded with other effects", commit.first),
            );
        }
        due.extend(effects);
    }
    let keys: BTreeSet<String> = due.iter().map(Effect::key).collect();
    report.count("effects", keys.len());
    let messages: BTreeMap<String, BTreeSet<&str>> = sales_bodies(buyer, received);
    for (key, bodies) in &messages {
        if !keys.contains(key) {
            report.violation("invented", &format!("{buyer}: no effect calls for sales message {key}"));
        }
        if bodies.len() > 1 {
            report.violation("changed", &format!("{buyer}: {key} was sent with different contents"));
        }
    }
    let status: BTreeMap<&str, &str> = items
        .iter()
        .filter_map(|item| {
            Some((tables::text(item, "kind").strip_prefix("email/")?, tables::text(item, "status")))
        })
        .collect();
    let taken = |key: &str| is_in(&received.taken_mails, buyer, key);
    for effect in &due {
        let (key, is_called_for) = (effect.key(), state.still_calls_for(&effect.kind));
        let is_lost = if effect.kind.is_email() {
            match status.get(key.as_str()) {
                Some(&"sent") => !taken(&key),
                // A mail in doubt is counted by `check_doubt`.
                Some(&"unknown") => false,
                _ => is_called_for || taken(&key),
            }
        } else {
            is_called_for && !messages.contains_key(&key)
        };
        if is_lost {
            report.violation(
                "lost",
                &format!(
                    "{buyer}: {key} was not performed, its status in the ledger is {:?}",
                    status.get(key.as_str())
                ),
            );
        }
    }
    let listed: BTreeSet<&str> = items
        .iter()
        .filter(|item| item.get("openLeads").is_some())
        .filter_map(|item| tables::text(item, "kind").strip_prefix("lead/"))
        .collect();
    let real: BTreeSet<String> = state.open_leads().map(|lead| lead.to_string()).collect();
    if !listed.iter().copied().eq(real.iter().map(String::as_str)) {
        report.violation(
            "leads",
            &format!("{buyer}: the leads table lists {listed:?} as open, the state has {real:?}"),
        );
    }
    let open_for_sales = open_for_sales(buyer, received);
    if open_for_sales != real {
        report.violation(
            "beliefs",
            &format!("{buyer}: the sales team has {open_for_sales:?} open, the state {real:?}"),
        );
    }
}

/// The bodies of the messages that the sales team was sent, by effect key.
fn sales_bodies<'a>(buyer: &BuyerId, received: &'a Received) -> BTreeMap<String, BTreeSet<&'a str>> {
    let mut bodies: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for request in received.sales.iter().filter(|request| request["MessageGroupId"] == buyer.as_str()) {
        let text = request["MessageBody"].as_str().unwrap_or_default();
        let body: Value = serde_json::from_str(text).unwrap_or_default();
        let id = body["id"].as_str().unwrap_or_default();
        let key = id.strip_prefix(&format!("{buyer}/")).unwrap_or(id);
        bodies.entry(key.to_owned()).or_default().insert(text);
    }
    bodies
}

/// The leads open for a conforming consumer: an id counts once, and a closed lead never reopens.
fn open_for_sales(buyer: &BuyerId, received: &Received) -> BTreeSet<String> {
    let (mut open, mut closed) = (BTreeSet::new(), BTreeSet::new());
    for request in received.sales.iter().filter(|request| request["MessageGroupId"] == buyer.as_str()) {
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

/// Exactly the unreadable messages must be dead letters.
fn check_dead_letters(world: &World, received: &Received, report: &mut Report) {
    let dead: BTreeSet<&str> =
        received.dead_letters.iter().filter_map(|letter| letter["MessageDeduplicationId"].as_str()).collect();
    for (number, post) in world.posts.iter().enumerate() {
        let is_dead = dead.contains(format!("m{number}").as_str());
        match (&post.event, is_dead) {
            (None, true) => report.count("dead-letters", 1),
            (Some(_), false) => {}
            (None, false) => report.violation("lost", &format!("message m{number} is no dead letter")),
            (Some(event), true) => report.violation("lost", &format!("event {} is a dead letter", event.id)),
        }
    }
}

/// No mail may be requested twice, and no more mails be in doubt than the faults explain.
pub(crate) fn check_doubt(items: &[Value], received: &Received, may_be: usize, report: &mut Report) {
    let mut asked: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for mail in &received.requested_mails {
        *asked.entry((&mail.buyer, &mail.effect)).or_default() += 1;
    }
    report.count("mails/asked-for", asked.len());
    for (mail, times) in asked.iter().filter(|(_, times)| **times > 1) {
        report.violation("doubled", &format!("{mail:?} was requested {times} times"));
    }
    let mut doubtful = 0;
    for item in items.iter().filter(|item| tables::text(item, "status") == "unknown") {
        let key = tables::text(item, "kind").trim_start_matches("email/");
        let is_taken = received
            .taken_mails
            .iter()
            .any(|mail| mail.buyer == tables::text(item, "buyer") && mail.effect == key);
        report.count(if is_taken { "mails/doubtful/taken" } else { "mails/doubtful/not-taken" }, 1);
        doubtful += 1;
    }
    report.count("mails/doubtful", doubtful);
    if doubtful > may_be {
        report.violation("doubt", &format!("{doubtful} mails are in doubt, the faults explain {may_be}"));
    }
}

fn is_in(mails: &[Mail], buyer: &BuyerId, key: &str) -> bool {
    mails.iter().any(|mail| mail.buyer == buyer.as_str() && mail.effect == key)
}

/// Counts by name (for example `kills/recorder/PutItem/killed-after`) and the first violations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    counts: BTreeMap<String, u64>,
    violations: Vec<String>,
}

/// The number of violations that are kept.
const KEPT: usize = 20;

impl Report {
    /// Adds to a count.
    pub fn count(&mut self, name: impl Into<String>, times: usize) {
        *self.counts.entry(name.into()).or_default() += u64::try_from(times).unwrap_or(u64::MAX);
    }

    /// The count of a name; 0 if it was never counted.
    #[must_use]
    pub fn of(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// Counts a violation of this kind and keeps its description while fewer than `KEPT` are kept.
    pub fn violation(&mut self, name: &str, detail: &str) {
        self.count(name, 1);
        if self.violations.len() < KEPT {
            self.violations.push(format!("{name}: {detail}"));
        }
    }

    /// The violations that were kept.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Adds another report's counts and violations.
    pub fn add(&mut self, other: Self) {
        for (name, times) in other.counts {
            *self.counts.entry(name).or_default() += times;
        }
        self.violations.extend(other.violations);
        self.violations.truncate(KEPT);
    }

    /// Two tables in Markdown: the faults of each function's requests, and all other counts.
    #[must_use]
    pub fn tables(&self) -> String {
        let mut requests: BTreeMap<String, BTreeMap<&str, u64>> = BTreeMap::new();
        let mut others = row(["count".to_owned(), String::new()]) + "|---|---:|\n";
        for (name, times) in &self.counts {
            if let [_, function, request, fault] = name.split('/').collect::<Vec<_>>()[..] {
                requests.entry(format!("{function}, {request}")).or_default().insert(fault, *times);
            } else {
                others += &row([name.clone(), thousands(*times)]);
            }
        }
        let faults: BTreeSet<&str> = requests.values().flat_map(BTreeMap::keys).copied().collect();
        let mut table = row(iter::once("request").chain(faults.iter().copied()).map(str::to_owned));
        table += &row(iter::once("---").chain(faults.iter().map(|_| "---:")).map(str::to_owned));
        for (request, times) in &requests {
            let cells = faults.iter().map(|fault| thousands(times.get(fault).copied().unwrap_or_default()));
            table += &row(iter::once(request.clone()).chain(cells));
        }
        format!("{table}\n{others}")
    }

    /// The report in the format of its file.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "counts": self.counts, "violations": self.violations })
    }

    /// Reads the output of [`Report::to_json`]. Any other JSON yields an empty report.
    #[must_use]
    pub fn from_json(json: &Value) -> Self {
        let counts = json["counts"].as_object().into_iter().flatten();
        let violations = json["violations"].as_array().into_iter().flatten();
        Self {
            counts: counts.filter_map(|(name, times)| Some((name.clone(), times.as_u64()?))).collect(),
            violations: violations.filter_map(|text| text.as_str().map(str::to_owned)).collect(),
        }
    }
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    format!("|{}|\n", cells.into_iter().collect::<Vec<_>>().join("|"))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, times) in &self.counts {
            writeln!(f, "{times:>8}  {name}")?;
        }
        Ok(())
    }
}
