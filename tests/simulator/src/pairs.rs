//! Plays all pairs of faults in all scenarios. The run is long, so it can be divided into shards, and the results are
//! kept scenario by scenario.
#![expect(clippy::print_stdout, reason = "a command's output")]

use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fmt, fs, io};

use serde_json::{Map, Value};
use simulator::scenarios::SCENARIOS;
use simulator::{Coverage, runs_of_pairs, systematic};

/// Every `of`-th scenario, beginning with scenario `from`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shard {
    from: usize,
    of: usize,
}

impl Shard {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once('/').and_then(|(from, of)| Some((from.parse().ok()?, of.parse().ok()?)));
        let found = numbers.filter(|(from, of)| from < of).map(|(from, of)| Self { from, of });
        found.ok_or_else(|| "must be K/N, with K from 0 to N-1".to_owned())
    }

    fn scenarios(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        SCENARIOS.into_iter().skip(self.from).step_by(self.of)
    }
}

/// The coverage of all scenarios together.
pub(crate) struct All {
    pub(crate) coverage: Coverage,
    scenarios: usize,
}

impl fmt::Display for All {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { coverage, scenarios } = self;
        let (passed, failed) = (coverage.passed, coverage.failed);
        writeln!(
            f,
            "{scenarios} of {} scenarios: {passed} passed, {failed} failed.\n\n{coverage}",
            SCENARIOS.len()
        )
    }
}

/// Prints the number of runs and their expected duration on this machine, estimated from one scenario.
pub(crate) fn estimate(shard: Shard) {
    let mut all = 0;
    for (name, scenario) in shard.scenarios() {
        let runs = runs_of_pairs(scenario);
        println!("{name}: {runs} runs");
        all += runs;
    }
    let began = Instant::now();
    let played = systematic("m0 a0", true).passed;
    let per_second = u128::from(played) * 1000 / began.elapsed().as_millis().max(1);
    let minutes = u128::from(all) / per_second.max(1) / 60 + 1;
    println!("{all} runs; at {per_second} per second on this machine they take {minutes} minutes");
}

/// Plays the scenarios that are not in the report yet. Returns the coverage of all scenarios.
pub(crate) fn play(shard: Shard, report: Option<&Path>, add: &[PathBuf]) -> io::Result<All> {
    let mut known = Map::new();
    for report in report.into_iter().filter(|path| path.exists()).chain(add.iter().map(PathBuf::as_path)) {
        let read: Map<String, Value> = serde_json::from_str(&fs::read_to_string(report)?)?;
        known.extend(read);
    }
    for (name, scenario) in shard.scenarios() {
        if known.contains_key(name) {
            continue;
        }
        let coverage = systematic(scenario, true);
        println!("{name}: {} passed, {} failed", coverage.passed, coverage.failed);
        for (faults, report) in &coverage.first {
            println!("  {faults:?}\n    {}", report.violations.join("\n    "));
        }
        known.insert(name.to_owned(), coverage.to_json());
        keep(report, &known)?;
    }
    keep(report, &known)?;
    let mut all = All { coverage: Coverage::default(), scenarios: 0 };
    for (name, _) in SCENARIOS {
        if let Some(coverage) = known.get(name).and_then(Coverage::of_json) {
            all.coverage.add(coverage);
            all.scenarios += 1;
        }
    }
    Ok(all)
}

fn keep(report: Option<&Path>, known: &Map<String, Value>) -> io::Result<()> {
    report.map_or(Ok(()), |report| fs::write(report, format!("{:#}\n", Value::Object(known.clone()))))
}
