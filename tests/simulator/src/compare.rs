use std::fmt;

use crate::{Plan, Strategy, many};

/// Kinds of harm, with what the checker says of them.
pub(crate) const KINDS: [(&str, &[&str]); 5] = [
    (
        "lost",
        &["lost", "never told", "believes", "open, real are", "nothing was ever told", "the cursor is at"],
    ),
    ("doubled", &["e-mail sent"]),
    ("out of order", &["claimed after", "first told after", "out of order"]),
    ("innocent dead-lettered", &["innocent"]),
    ("never ends", &["does not drain"]),
];

/// Ways to do the same work on the same seeds, ours first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub(crate) from: u64,
    pub(crate) seeds: u64,
    pub(crate) ways: Vec<Way>,
}

/// How often, in a million runs, a way did harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The words for it: a name, and perhaps what is special, after a colon.
    pub name: &'static str,
    /// Runs with each kind of harm: lost, doubled, out of order, an innocent message dead-lettered, no end.
    pub harm: [u64; KINDS.len()],
    /// Runs with any.
    pub any: u64,
}

impl Comparison {
    /// Runs every way on these seeds.
    #[must_use]
    pub fn of(from: u64, seeds: u64) -> Self {
        let ways = [None].into_iter().chain(Strategy::ALL.map(Some)).map(|strategy| {
            let summary = many(from, seeds, false, |seed| Plan { strategy, ..Plan::of(seed) });
            let per_million = |count: u64| count * 1_000_000 / seeds.max(1);
            let harm = KINDS.map(|(_, signs)| {
                let has = |found: &String| signs.iter().any(|sign| found.contains(sign));
                per_million(summary.found.iter().filter(|found| found.iter().any(has)).count() as u64)
            });
            Way {
                name: strategy.map_or("Leadstream", Strategy::name),
                harm,
                any: per_million(summary.failed),
            }
        });
        Self { from, seeds, ways: ways.collect() }
    }

    /// The ways, ours first.
    #[must_use]
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }
}

/// With commas.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl fmt::Display for Comparison {
    /// A table in Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = KINDS.map(|(kind, _)| kind).join(" | ");
        writeln!(f, "| way | {names} | any |\n| --- |{}", " ---: |".repeat(KINDS.len() + 1))?;
        for way in &self.ways {
            let cells = way.harm.map(thousands).join(" | ");
            writeln!(f, "| {} | {cells} | {} |", way.name, thousands(way.any))?;
        }
        Ok(())
    }
}
