use std::fmt;

use crate::{Plan, Strategy, many};

/// The kinds of harm, each with parts of the checker's violations that identify it.
pub(crate) const KINDS: [(&str, &[&str]); 5] = [
    (
        "lost",
        &["lost", "never announced", "open, expected", "no effect was ever performed", "the cursor is at"],
    ),
    ("doubled", &["e-mail sent"]),
    ("out of order", &["claimed after", "first announced after", "out of order"]),
    ("innocent dead-lettered", &["innocent"]),
    ("never ends", &["does not drain"]),
];

/// The results of several ways to do the same work on the same seeds, ours first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub(crate) from: u64,
    pub(crate) seeds: u64,
    pub(crate) ways: Vec<Way>,
}

/// The number of runs per million in which a way did harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The name of the way, and after a colon a characteristic, if it has one.
    pub name: &'static str,
    /// The runs with each kind of harm: lost, doubled, out of order, an innocent message dead-lettered, never ends.
    pub harm: [u64; KINDS.len()],
    /// The runs with any harm.
    pub any: u64,
}

impl Comparison {
    /// Runs all ways on these seeds.
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

    /// All ways, ours first.
    #[must_use]
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }
}

/// A number with commas between its thousands.
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
    /// Writes a table in Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = KINDS.map(|(kind, _)| kind).join("|");
        writeln!(f, "|way|{names}|any|\n|---|{}", "---:|".repeat(KINDS.len() + 1))?;
        for way in &self.ways {
            let cells = way.harm.map(thousands).join("|");
            writeln!(f, "|{}|{cells}|{}|", way.name, thousands(way.any))?;
        }
        Ok(())
    }
}
