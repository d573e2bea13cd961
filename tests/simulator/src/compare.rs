use std::collections::BTreeMap;

use crate::{Plan, Strategy, many};

/// Kinds of harm, by what the checker says.
const KINDS: [(&str, &[&str]); 5] = [
    ("doubled", &["e-mail sent"]),
    (
        "lost",
        &["lost", "never told", "believes", "open, real are", "nothing was ever told", "the cursor is at"],
    ),
    ("too late or out of order", &["claimed after", "first told after", "out of order"]),
    ("innocent dead-lettered", &["innocent"]),
    ("never ends", &["does not drain"]),
];

/// How many of the seeds end with each kind of harm, ours first: a table in Markdown, per million.
#[must_use]
pub fn compare(from: u64, seeds: u64) -> String {
    let names = KINDS.map(|(kind, _)| kind);
    let mut table =
        format!("| way | {} | any |\n| --- |{}\n", names.join(" | "), " ---: |".repeat(KINDS.len() + 1));
    for strategy in [None].into_iter().chain(Strategy::ALL.map(Some)) {
        let summary = many(from, seeds, false, |seed| Plan { strategy, ..Plan::of(seed) });
        let per_million = |count: u64| (count * 1_000_000 / seeds.max(1)).to_string();
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (kind, signs) in KINDS {
            let has = |found: &&String| signs.iter().any(|sign| found.contains(sign));
            let count =
                summary.found.iter().filter(|violations| violations.iter().any(|one| has(&one))).count();
            counts.insert(kind, count as u64);
        }
        let cells = names.map(|kind| per_million(counts.get(kind).copied().unwrap_or(0)));
        let name = strategy.map_or("Leadstream", Strategy::name);
        table = format!("{table}| {name} | {} | {} |\n", cells.join(" | "), per_million(summary.failed));
    }
    table
}
