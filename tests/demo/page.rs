//! The text that the demo prints, and with `--verbose` tables: each event of a buyer with the leads after it and its
//! effects. Nothing here reaches the stack.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use serde_json::Value;
use tests::{Finding, Guest, Mail, Observed, Person, Played, Recorded, Scenario};

/// The longest line, in columns.
pub(crate) const WIDTH: usize = 100;

/// The README, which has the commands to try next.
const README: &str = include_str!("../../README.md");

/// A scenario that was played.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) number: usize,
    pub(crate) scenario: Scenario,
    pub(crate) person: Person,
    pub(crate) played: Played,
}

/// The numbers of one half of the demo.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    name: String,
    buyers: usize,
    messages: usize,
    leads: usize,
    emails: usize,
    sales: usize,
}

pub(crate) fn heading(text: &str) -> String {
    format!("\n━━ {text}")
}

impl Shown {
    /// The line printed as the scenario ends.
    pub(crate) fn progress(&self) -> String {
        format!("  {} {}. {}", mark(self.played.differences.is_empty()), self.number, self.scenario.name)
    }

    /// Every difference from the expected outcome, with the buyer's id.
    pub(crate) fn differences(&self) -> impl Iterator<Item = String> {
        self.played.differences.iter().map(|difference| format!("{}: {difference}", self.person.buyer))
    }

    /// What happened, in a few lines: the events, then the leads, e-mails and sales messages that followed.
    pub(crate) fn story(&self) -> String {
        let Self { number, scenario, person, played } = self;
        let mark = mark(played.differences.is_empty());
        let mut text = format!("\n{mark} {number}. {} ({})", scenario.name, person.buyer);
        let lines = [
            ("events", events(played)),
            ("leads", leads(played)),
            ("e-mails", emails(&played.emails)),
            ("sales team", played.sales.iter().map(sales_message).collect()),
        ];
        for (label, words) in lines {
            let words = if words.is_empty() { vec!["none".to_owned()] } else { words };
            text.push('\n');
            text.push_str(&wrapped(&format!("    {label:<11} "), words.iter().map(String::as_str), ","));
        }
        text
    }
}

impl Totals {
    pub(crate) fn of_scenarios(shown: &[Shown]) -> Self {
        let mut totals = Self { name: format!("{} scenarios", shown.len()), ..Self::default() };
        for Shown { scenario, played, .. } in shown {
            totals.add(scenario.deliveries.len(), &played.sales, &played.emails);
        }
        totals
    }

    pub(crate) fn of_guests<'a>(guests: &[Guest], observed: impl IntoIterator<Item = &'a Observed>) -> Self {
        let mut totals = Self { name: "buyers at once".to_owned(), ..Self::default() };
        for (guest, Observed { sales, mails, .. }) in guests.iter().zip(observed) {
            totals.add(guest.messages.len(), sales, mails);
        }
        totals
    }

    fn add(&mut self, messages: usize, sales: &[Value], emails: &[Mail]) {
        self.buyers += 1;
        self.messages += messages;
        self.leads += sales.iter().filter(|message| message["type"] == "lead.opened.v1").count();
        self.emails += emails.len();
        self.sales += sales.len();
    }
}

/// The numbers of both halves, and whether everything is as expected.
pub(crate) fn summary(totals: &[Totals], differences: usize) -> String {
    let mut table = table(&["", "buyers", "messages", "leads opened", "e-mails", "sales messages"]);
    for Totals { name, buyers, messages, leads, emails, sales } in totals {
        let numbers = [buyers, messages, leads, emails, sales].map(ToString::to_string);
        table.add_row(std::iter::once(name.clone()).chain(numbers));
    }
    align_numbers(&mut table, 1);
    let verdict = match differences {
        0 => "✓ All as expected.".to_owned(),
        one_or_more => format!("✗ {}, listed at the end.", count(one_or_more, "difference")),
    };
    format!("{}\n{}\n{verdict}", heading("Summary"), table.trim_fmt())
}

/// The line printed when everything of one of many buyers is settled.
pub(crate) fn guest(guest: &Guest, findings: &[Finding]) -> String {
    let is_good = findings.iter().all(|finding| finding.differences.is_empty());
    format!("  {} {}: {} settled", mark(is_good), guest.person.buyer, count(guest.messages.len(), "message"))
}

/// What was posted for many buyers, and how each invariant holds.
pub(crate) fn crowd(guests: &[Guest], sums: &[Finding]) -> String {
    let messages: usize = guests.iter().map(|guest| guest.messages.len()).sum();
    let events: usize = guests.iter().map(|guest| guest.events.len()).sum();
    let repeats: usize = guests.iter().map(|guest| guest.repeats).sum();
    let mut bad: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in guests.iter().flat_map(|guest| &guest.bad) {
        *bad.entry(reason).or_default() += 1;
    }
    let reasons: Vec<String> = bad.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let posted = format!(
        "{messages} messages: {events} events, some of them late; {repeats} repeats; {} bad ones ({})",
        bad.values().sum::<usize>(),
        reasons.join(", ")
    );
    let mut table = table(&["", "what must hold", "expected", "found"]);
    for Finding { invariant, expected, found, differences } in sums {
        let mark = mark(differences.is_empty()).to_owned();
        table.add_row([mark, (*invariant).to_owned(), expected.to_string(), found.to_string()]);
    }
    align_numbers(&mut table, 2);
    format!("{}\n{}", wrapped("", posted.split(' '), ""), table.trim_fmt())
}

/// The last lines: the differences and how to look into them, or what to try next.
pub(crate) fn verdict(differences: &[String]) -> String {
    if differences.is_empty() {
        let commands = commands(README);
        return format!(
            "\nEverything is as expected.\n\nTo try it yourself on a stack that keeps running:\n{commands}"
        );
    }
    let mut text = heading("Differences");
    for difference in differences {
        let _ = write!(text, "\n{}", wrapped("✗ ", difference.split(' '), ""));
    }
    let buyer = differences.first().and_then(|one| one.split(':').next()).unwrap_or_default();
    let _ = write!(
        text,
        "\n\nTo look into them, play the demo on a stack that keeps running, and read a buyer's history:\n    \
         make up\n    . .local/stack.env\n    target/local/demo --verbose\n    \
         target/local/leads history {buyer}\n    make down\n\n{}.",
        count(differences.len(), "difference")
    );
    text
}

/// The commands in the README that begin with `make up`, indented.
fn commands(readme: &str) -> String {
    let block = readme.split("```").find(|block| block.starts_with("sh\nmake up")).unwrap_or_default();
    block.lines().skip(1).map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// The events in the order of arrival. The offer's id stands before its first event in a row.
fn events(played: &Played) -> Vec<String> {
    let mut last = "";
    let mut words = Vec::new();
    for event in &played.recorded {
        let offer = if event.offer == last { String::new() } else { format!("{} ", event.offer) };
        let is_held = event.outcome.held.contains(&(event.offer.clone(), event.version));
        let note = if is_held { " (early: held)" } else { "" };
        words.push(format!("{offer}{}{note}", kind(&event.kind).replace('-', " ")));
        last = &event.offer;
    }
    words
}

/// The open leads after each event, where they changed.
fn leads(played: &Played) -> Vec<String> {
    let mut states: Vec<String> = Vec::new();
    for event in &played.recorded {
        let low = event.outcome.low.then(|| "low".to_owned());
        let high = &event.outcome.high;
        let high = (!high.is_empty()).then(|| format!("high for {}", high.join(" and ")));
        let open: Vec<String> = low.into_iter().chain(high).collect();
        let state = if open.is_empty() { "none".to_owned() } else { open.join(" and ") };
        if states.last() != Some(&state) {
            states.push(state);
        }
    }
    (0..).zip(states).map(|(index, state)| if index == 0 { state } else { format!("then {state}") }).collect()
}

/// The subjects of the e-mails, each with its number if there are several.
fn emails(mails: &[Mail]) -> Vec<String> {
    let mut subjects: Vec<(&str, usize)> = Vec::new();
    for mail in mails {
        match subjects.iter_mut().find(|(subject, _)| *subject == mail.subject) {
            Some((_, count)) => *count += 1,
            None => subjects.push((&mail.subject, 1)),
        }
    }
    let words = subjects.into_iter().map(|(subject, count)| match count {
        1 => format!("“{subject}”"),
        several => format!("“{subject}” ({several} times)"),
    });
    words.collect()
}

/// A sales message in words.
fn sales_message(message: &Value) -> String {
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let offer = match text("/subject").split('/').collect::<Vec<_>>().as_slice() {
        ["high", offer, _] => format!(" for {offer}"),
        _ => String::new(),
    };
    match text("/type") {
        "quote.requested.v1" => format!("quote requested for {}", text("/data/offerId")),
        "lead.opened.v1" => format!("{} lead opened{offer}", text("/data/priority")),
        "lead.closed.v1" => format!("{} lead closed{offer}", text("/data/priority")),
        other => other.to_owned(),
    }
}

/// The words, each followed by a separator except the last, in lines of at most `WIDTH` columns. The first line begins
/// with `label`, the others are indented as deep.
pub(crate) fn wrapped<'a>(label: &str, words: impl IntoIterator<Item = &'a str>, separator: &str) -> String {
    let indent = label.chars().count();
    let mut text = label.to_owned();
    let mut column = indent;
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let separator = if words.peek().is_some() { separator } else { "" };
        let length = word.chars().count() + separator.len();
        if column > indent && column + 1 + length > WIDTH {
            text = format!("{text}\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            text.push(' ');
            column += 1;
        }
        text = format!("{text}{word}{separator}");
        column += length;
    }
    text
}

/// An empty table within the width.
fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    let width = u16::try_from(WIDTH).unwrap_or(u16::MAX);
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(comfy_table::ContentArrangement::Dynamic)
        .set_width(width)
        .set_header(header);
    table
}

/// Aligns the columns with numbers to the right: all from `first` on.
fn align_numbers(table: &mut Table, first: usize) {
    for column in table.column_iter_mut().skip(first) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// An event type without its version.
fn kind(event_type: &str) -> &str {
    event_type.strip_prefix("offer.").and_then(|rest| rest.strip_suffix(".v1")).unwrap_or(event_type)
}

const fn mark(is_good: bool) -> &'static str {
    if is_good { "✓" } else { "✗" }
}

fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// The table of a scenario, and the beginning of each e-mail.
pub(crate) fn scenario_table(shown: &Shown) -> String {
    let Shown { scenario, person, played, .. } = shown;
    let mut expected = scenario.deliveries.iter().map(|delivery| &delivery.expected);
    let marked = played.recorded.iter().map(|event| (mark(expected.next() == Some(&event.outcome)), event));
    let mut page = events_table(marked);
    for mail in &played.emails {
        let _ = write!(page, "\n  e-mail to {}: {}", person.email(), mail.subject);
        let first = mail.text.lines().filter(|text| !text.is_empty()).skip(1).take(2);
        for line in first {
            let _ = write!(page, "\n    {line}");
        }
    }
    page
}

/// The table of one of many buyers.
pub(crate) fn guest_table(guest: &Guest, observed: &Observed) -> String {
    let Observed { recorded, dead, open, .. } = observed;
    let open: Vec<String> = open.iter().map(ToString::to_string).collect();
    let title = format!(
        "{}: {} messages, {} repeats; dead letters: {}; open at the end: {}",
        guest.person.buyer,
        guest.messages.len(),
        guest.repeats,
        or_none(dead),
        or_none(&open)
    );
    let events = events_table(recorded.iter().map(|event| ("", event)));
    format!("\n{}\n{events}", wrapped("", title.split(' '), ""))
}

/// A row for each event, which begins with its mark.
fn events_table<'a>(rows: impl Iterator<Item = (&'a str, &'a Recorded)>) -> String {
    let mut table = table(&["", "event", "leads after it", "effects, and how each was settled"]);
    for (mark, Recorded { kind: event_type, offer, version, outcome }) in rows {
        let low = outcome.low.then(|| "low".to_owned());
        let high = outcome.high.iter().map(|offer| format!("high {offer}"));
        let held = outcome.held.iter().map(|(offer, version)| format!("(held: {offer} v{version})"));
        let leads: Vec<String> = low.into_iter().chain(high).chain(held).collect();
        let effects = outcome.effects.iter().map(|(key, settled)| format!("{key}: {settled}"));
        table.add_row([
            mark.to_owned(),
            format!("{} {offer} v{version}", kind(event_type)),
            or_none(&leads),
            or_none(&effects.collect::<Vec<_>>()),
        ]);
    }
    table.trim_fmt()
}

fn or_none(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
