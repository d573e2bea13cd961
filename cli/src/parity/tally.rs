//! The result of comparing many buyers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use domain::BuyerId;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::compare::{Class, Difference};
use super::files::{Compared, Known};
use crate::output::{count, moment, or_dash, table};

/// The maximum number of buyers shown as examples of a class.
const EXAMPLES: usize = 10;

/// The maximum number of buyers named that are unknown or could not be compared.
const SHOWN: usize = 10;

/// The counts and examples of one class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The number of differences.
    pub differences: u64,
    /// The number of buyers with such a difference.
    pub buyers: u64,
    /// The first buyers by id, with their differences and the reason that explains each.
    pub examples: BTreeMap<BuyerId, Vec<(Difference, Option<String>)>>,
}

/// The result of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// The number of selected buyers; `None` if the run was interrupted before they were found.
    pub selected: Option<u64>,
    /// The number of buyers compared by this run and earlier ones.
    pub compared: u64,
    /// The number of buyers compared by earlier runs.
    pub earlier: u64,
    /// The number of buyers without a difference.
    pub agreeing: u64,
    /// The differences by class.
    pub found: BTreeMap<Class, Found>,
    /// The number of differences that each reason explains.
    pub reasons: BTreeMap<String, u64>,
    /// Buyers that neither system knows.
    pub unknown: Vec<BuyerId>,
    /// Buyers that could not be compared, each with the error.
    pub failed: BTreeMap<BuyerId, String>,
    /// The number of unexplained differences that are allowed.
    pub allowed: u64,
    /// Whether the run was interrupted.
    pub is_interrupted: bool,
}

impl Tally {
    /// Adds the result of one buyer.
    pub fn add(&mut self, compared: &Compared, known: &[Known]) {
        self.compared += 1;
        if !compared.is_known {
            self.unknown.push(compared.buyer.clone());
            return;
        }
        self.agreeing += u64::from(compared.differences.is_empty());
        let mut by_class: BTreeMap<Class, Vec<(Difference, Option<String>)>> = BTreeMap::new();
        for difference in &compared.differences {
            let reason = known.iter().find(|known| known.explains(&compared.buyer, difference));
            let reason = reason.map(|known| known.reason.clone());
            if let Some(reason) = &reason {
                *self.reasons.entry(reason.clone()).or_default() += 1;
            }
            let class = if reason.is_some() { Class::Explained } else { difference.class };
            by_class.entry(class).or_default().push((difference.clone(), reason));
        }
        for (class, differences) in by_class {
            let found = self.found.entry(class).or_default();
            found.buyers += 1;
            found.differences += differences.len() as u64;
            found.examples.insert(compared.buyer.clone(), differences);
            if found.examples.len() > EXAMPLES {
                found.examples.pop_last();
            }
        }
    }

    /// The number of unexplained differences.
    #[must_use]
    pub fn unexplained(&self) -> u64 {
        let found = self.found.iter().filter(|(class, _)| class.is_unexplained());
        found.map(|(_, found)| found.differences).sum()
    }

    /// Whether every selected buyer was compared.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.is_interrupted && self.selected == Some(self.compared)
    }

    /// All classes, each with its numbers of buyers and differences.
    pub(super) fn classes(&self) -> impl Iterator<Item = (Class, u64, u64)> {
        Class::ALL.into_iter().map(|class| {
            let found = self.found.get(&class);
            let number = |of: fn(&Found) -> u64| found.map(of).unwrap_or_default();
            (class, number(|found| found.buyers), number(|found| found.differences))
        })
    }

    /// The examples as rows: class, buyer, offer, here, there, explanation.
    pub(super) fn examples(&self) -> impl Iterator<Item = [String; 6]> {
        let found = Class::ALL.into_iter().filter_map(|class| Some((class, self.found.get(&class)?)));
        found.flat_map(|(class, found)| {
            found.examples.iter().flat_map(move |(buyer, differences)| {
                differences.iter().map(move |(difference, reason)| {
                    let kind = match reason {
                        Some(reason) => format!("{}: {}", difference.class.name(), reason),
                        None => "-".to_owned(),
                    };
                    [
                        class.name().to_owned(),
                        buyer.to_string(),
                        or_dash(difference.offer.as_ref()),
                        difference.here.to_string(),
                        difference.there.to_string(),
                        crate::output::harmless(&kind),
                    ]
                })
            })
        })
    }

    /// The summary as sentences.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut sentences = vec![format!(
            "{}: {} compared{}, {} without a difference.",
            count(self.selected.unwrap_or_default(), "buyer"),
            self.compared,
            if self.earlier > 0 { format!(" ({} by an earlier run)", self.earlier) } else { String::new() },
            self.agreeing,
        )];
        let unexplained = count(self.unexplained(), "unexplained difference");
        sentences.push(format!("{unexplained}, at most {} allowed.", self.allowed));
        let explained = self.reasons.iter().map(|(reason, number)| format!("{number} explained: {reason}."));
        sentences.extend(explained.map(|text| crate::output::harmless(&text)));
        if !self.unknown.is_empty() {
            let names: Vec<&str> = self.unknown.iter().take(SHOWN).map(BuyerId::as_str).collect();
            let more = if self.unknown.len() > SHOWN { ", …" } else { "" };
            let number = count(self.unknown.len() as u64, "buyer");
            sentences.push(format!("{number} unknown to both sides: {}{more}.", names.join(", ")));
        }
        for (buyer, why) in self.failed.iter().take(SHOWN) {
            sentences.push(format!("Not compared: {buyer}: {why}"));
        }
        if self.failed.len() > SHOWN {
            sentences.push(format!("{} more not compared.", self.failed.len() - SHOWN));
        }
        if self.is_interrupted {
            sentences.push(
                "INTERRUPTED: not every buyer was compared. With --state, run it again to continue."
                    .to_owned(),
            );
        }
        sentences
    }

    /// The result as text.
    #[must_use]
    pub fn text(&self) -> String {
        let rows = self.classes().map(|(class, buyers, differences)| {
            [class.name().to_owned(), buyers.to_string(), differences.to_string()]
        });
        let mut parts = vec![table(&["class", "buyers", "differences"], rows)];
        if !self.found.is_empty() {
            let header = ["class", "buyer", "offer", "here", "there", "explained by"];
            parts.push(table(&header, self.examples()));
        }
        parts.extend(self.sentences());
        parts.join("\n")
    }

    /// The result as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let example = |(buyer, differences): (&BuyerId, &Vec<(Difference, Option<String>)>)| {
            let differences = differences.iter().map(|(difference, reason)| {
                let mut row = difference.json();
                row["reason"] = json!(reason);
                row
            });
            json!({ "buyerId": buyer.as_str(), "differences": differences.collect::<Vec<_>>() })
        };
        let classes = self.classes().map(|(class, buyers, differences)| {
            let examples = self.found.get(&class).map(|found| &found.examples);
            let examples: Vec<Value> = examples.into_iter().flatten().map(example).collect();
            let row = json!({ "buyers": buyers, "differences": differences, "examples": examples });
            (class.name().to_owned(), row)
        });
        let classes: serde_json::Map<String, Value> = classes.collect();
        json!({
            "isComplete": self.is_complete(),
            "buyers": self.selected,
            "compared": self.compared,
            "comparedEarlier": self.earlier,
            "agreeing": self.agreeing,
            "unexplained": self.unexplained(),
            "allowed": self.allowed,
            "classes": classes,
            "reasons": self.reasons,
            "unknown": self.unknown.iter().map(BuyerId::as_str).collect::<Vec<_>>(),
            "failed": self.failed.iter().map(|(buyer, why)| json!({ "buyerId": buyer.as_str(), "why": why })).collect::<Vec<_>>(),
        })
    }
}

const STYLE: &str = "\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2b34; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #d5dde2; }
td { overflow-wrap: anywhere; } svg { width: 100%; height: auto; } .verdict { font-size: 1.3rem; font-weight: 600; }
.good { color: #1a7f4b; } .bad { color: #b3261e; }";

/// The height of one bar of the chart in SVG units.
const BAR: u64 = 34;

/// Renders the page.
#[must_use]
pub fn html(tally: &Tally, at: Timestamp) -> String {
    let unexplained = tally.unexplained();
    let is_good = unexplained <= tally.allowed && tally.failed.is_empty();
    let (class, verdict) = match (tally.is_complete(), is_good) {
        (true, true) if unexplained == 0 => ("good", "No unexplained difference"),
        (true, true) => ("good", "Unexplained differences, but no more than allowed"),
        (false, true) => ("bad", "Incomplete"),
        (_, false) => ("bad", "The systems differ, or could not be compared"),
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Parity</title>\n<style>\n{STYLE}\n</style>\n\
         </head>\n<body>\n<h1>Leadstream beside the former system</h1>\n<p class=\"verdict {class}\">{verdict}</p>\n\
         <p>{}</p>\n",
        moment(at)
    );
    for sentence in tally.sentences() {
        page.extend(["<p>", &escaped(&sentence), "</p>\n"]);
    }
    page.push_str("<h2>Buyers by class</h2>\n");
    page.push_str(&chart(tally));
    page.push_str("<h2>Differences by class</h2>\n");
    let rows = tally.classes().map(|(class, buyers, differences)| {
        [class.name().to_owned(), buyers.to_string(), differences.to_string()]
    });
    page.push_str(&html_table(&["class", "buyers", "differences"], rows));
    page.push_str("<h2>Examples</h2>\n");
    let header = ["class", "buyer", "offer", "here", "there", "explained by"];
    page.push_str(&html_table(&header, tally.examples()));
    page.push_str("</body>\n</html>\n");
    page
}

/// A bar chart of buyers: one bar for those without a difference, and one for each class.
fn chart(tally: &Tally) -> String {
    let agreeing = ("no difference", tally.agreeing, "#1a7f4b");
    let classes = tally.classes().map(|(class, buyers, _)| (class.name(), buyers, colour(class)));
    let bars: Vec<(&str, u64, &str)> = std::iter::once(agreeing).chain(classes).collect();
    let most = bars.iter().map(|(_, buyers, _)| *buyers).max().unwrap_or_default().max(1);
    let height = bars.len() as u64 * BAR;
    let mut svg = format!(
        "<svg viewBox=\"0 0 800 {height}\" role=\"img\" aria-label=\"Buyers by class of difference\" \
         font-family=\"system-ui, sans-serif\" font-size=\"14\">\n"
    );
    for (place, (name, buyers, colour)) in (0..).zip(bars) {
        let top = place * BAR;
        // Rounded up, so that even one buyer is visible.
        let width = (buyers * 520).div_ceil(most);
        let (text, end) = (top + 20, 175 + width);
        let _ = writeln!(
            svg,
            "<text x=\"160\" y=\"{text}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"170\" y=\"{}\" width=\"{width}\" height=\"22\" fill=\"{colour}\"/>\
             <text x=\"{end}\" y=\"{text}\">{buyers}</text>",
            top + 4
        );
    }
    svg + "</svg>\n"
}

const fn colour(class: Class) -> &'static str {
    match class {
        Class::Lag => "#c8892b",
        Class::Explained => "#6b8796",
        Class::MissingHere
        | Class::MissingThere
        | Class::OtherStage
        | Class::OtherContact
        | Class::HandedOverThere
        | Class::OtherLead => "#b3261e",
    }
}

fn html_table<const N: usize>(header: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = "<table>\n<tr>".to_owned();
    table.extend(header.iter().map(|cell| format!("<th>{cell}</th>")));
    table.push_str("</tr>\n");
    for row in rows {
        table.push_str("<tr>");
        table.extend(row.iter().map(|cell| format!("<td>{}</td>", escaped(cell))));
        table.push_str("</tr>\n");
    }
    table + "</table>\n"
}

/// Escapes untrusted text for HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
