//! The command `sim`: runs seeds, pairs of faults in all scenarios, or other ways to do the same work, and reports what
//! fails.
//!
//! The run of all pairs is long, so it can be divided into shards, and the results are kept scenario by scenario.
#![expect(clippy::print_stdout, reason = "a command's output")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{fmt, fs, io};

use clap::Parser;
use serde_json::{Map, Value};
use simulator::scenarios::SCENARIOS;
use simulator::{
    Comparison, Coverage, Plan, Safeguard, Sight, Strategy, many, rewritten, runs_of_pairs, systematic,
};

/// Runs the product in a simulated AWS, one seed after the other.
#[derive(Parser)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a command")]
struct Arguments {
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// The number of seeds
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// Switches off a safeguard, so that seeds must fail
    #[arg(long, value_parser = safeguard)]
    off: Option<Safeguard>,
    /// Does the work in another way, so that seeds must fail
    #[arg(long, value_parser = strategy)]
    way: Option<Strategy>,
    /// Lets an operator pause effects for an hour in the middle of each run
    #[arg(long)]
    pause: bool,
    /// Prints the first seed's run step by step
    #[arg(long)]
    trace: bool,
    /// Prints the number of runs that met each sight
    #[arg(long)]
    sights: bool,
    /// Instead of seeds: plays every two faults at every two calls of every scenario
    #[arg(long)]
    pairs: bool,
    /// With --pairs: only prints the number of runs and the expected duration
    #[arg(long)]
    estimate: bool,
    /// With --pairs: the file in which results are kept; scenarios in it are not played again unless they were changed
    #[arg(long)]
    report: Option<PathBuf>,
    /// With --pairs: plays only every N-th scenario, beginning with the K-th, written K/N
    #[arg(long, value_parser = Shard::parse, default_value = "0/1")]
    shard: Shard,
    /// With --pairs: further files whose results are added
    #[arg(long, num_args = 1..)]
    add: Vec<PathBuf>,
    /// Instead of seeds: compares other ways to do the same work on the same seeds, in a table
    #[arg(long)]
    compare: bool,
    /// The page into which the table is written
    #[arg(long)]
    page: Option<PathBuf>,
    /// With --compare: the file for a picture of the table
    #[arg(long)]
    picture: Option<PathBuf>,
}

fn safeguard(name: &str) -> Result<Safeguard, String> {
    let found =
        Safeguard::ALL.into_iter().find(|safeguard| format!("{safeguard:?}").eq_ignore_ascii_case(name));
    found.ok_or_else(|| format!("must be one of {:?}", Safeguard::ALL))
}

fn strategy(name: &str) -> Result<Strategy, String> {
    let found = Strategy::ALL.into_iter().find(|strategy| format!("{strategy:?}").eq_ignore_ascii_case(name));
    found.ok_or_else(|| format!("must be one of {:?}", Strategy::ALL))
}

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.compare {
        compare(&arguments)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.estimate {
        estimate(arguments.shard);
        return Ok(ExitCode::SUCCESS);
    }
    let (passed, failed) = if arguments.pairs { run_pairs(&arguments)? } else { run_seeds(&arguments) };
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn compare(arguments: &Arguments) -> io::Result<()> {
    let Arguments { from, seeds, page, picture, .. } = arguments;
    let comparison = Comparison::of(*from, *seeds);
    print!("{comparison}");
    if let Some(picture) = picture {
        fs::write(picture, comparison.picture())?;
    }
    let section = format!("`make sim-compare SEEDS={seeds} FROM={from}`:\n\n{comparison}");
    page.as_deref().map_or(Ok(()), |page| write_part(page, "ways", &section))
}

fn run_seeds(Arguments { from, seeds, off, way, pause, trace, sights, .. }: &Arguments) -> (u64, u64) {
    let template = Plan { off: *off, strategy: *way, has_pause: *pause, ..Plan::default() };
    if *trace {
        print!("{}", Plan { seed: *from, has_trace: true, ..template.clone() }.run().trace);
    }
    let summary = many(*from, *seeds, false, |seed| Plan { seed, ..template.clone() });
    for (seed, report) in &summary.first {
        println!(
            "seed {seed} fails; repeat it with make sim FROM={seed} SEEDS=1\n  {}",
            report.violations.join("\n  ")
        );
    }
    if *sights {
        for (sight, met) in Sight::ALL.iter().zip(summary.met) {
            println!("| {} | {met} |", sight.name());
        }
    }
    (summary.passed, summary.failed)
}

fn run_pairs(Arguments { report, shard, add, page, .. }: &Arguments) -> io::Result<(u64, u64)> {
    let all = play(*shard, report.as_deref(), add)?;
    println!("\n{}", all.coverage);
    if let Some(page) = page {
        write_part(page, "pairs", &all.to_string())?;
    }
    Ok((all.coverage.passed, all.coverage.failed))
}

fn write_part(page: &Path, name: &str, part: &str) -> io::Result<()> {
    let text = rewritten(&fs::read_to_string(page)?, name, part);
    fs::write(page, text.ok_or_else(|| io::Error::other(format!("the page has no part named {name}")))?)
}

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

/// The field of a result that contains the scenario it was played with.
const PLAYED: &str = "scenario";

/// The coverage in a report of a scenario; `None` if it is missing or of another version of the scenario.
fn result(known: &Map<String, Value>, name: &str, scenario: &str) -> Option<Coverage> {
    known.get(name).filter(|result| result[PLAYED] == scenario).and_then(Coverage::of_json)
}

/// Plays the scenarios that are not in the report yet. Returns the coverage of all scenarios.
pub(crate) fn play(shard: Shard, report: Option<&Path>, add: &[PathBuf]) -> io::Result<All> {
    let mut known = Map::new();
    for report in report.into_iter().filter(|path| path.exists()).chain(add.iter().map(PathBuf::as_path)) {
        let read: Map<String, Value> = serde_json::from_str(&fs::read_to_string(report)?)?;
        known.extend(read);
    }
    for (name, scenario) in shard.scenarios() {
        if result(&known, name, scenario).is_some() {
            continue;
        }
        let coverage = systematic(scenario, true);
        println!("{name}: {} passed, {} failed", coverage.passed, coverage.failed);
        for (faults, report) in &coverage.first {
            println!("  {faults:?}\n    {}", report.violations.join("\n    "));
        }
        let mut result = coverage.to_json();
        result[PLAYED] = scenario.into();
        known.insert(name.to_owned(), result);
        keep(report, &known)?;
    }
    keep(report, &known)?;
    let mut all = All { coverage: Coverage::default(), scenarios: 0 };
    for (name, scenario) in SCENARIOS {
        if let Some(coverage) = result(&known, name, scenario) {
            all.coverage.add(coverage);
            all.scenarios += 1;
        }
    }
    Ok(all)
}

fn keep(report: Option<&Path>, known: &Map<String, Value>) -> io::Result<()> {
    report.map_or(Ok(()), |report| fs::write(report, format!("{:#}\n", Value::Object(known.clone()))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_of_another_version_of_a_scenario_do_not_count() {
        let mut known = Map::new();
        known.insert(
            "accepted".to_owned(),
            json!({"passed": 3, "failed": 0, "runs": {}, "scenario": "m0 a0"}),
        );
        known.insert("older".to_owned(), json!({"passed": 3, "failed": 0, "runs": {}}));
        let passed = |name, scenario| result(&known, name, scenario).map(|coverage| coverage.passed);
        assert_eq!(passed("accepted", "m0 a0"), Some(3));
        assert_eq!(passed("accepted", "m0 a0 r0"), None);
        assert_eq!(passed("older", "m0 a0"), None);
        assert_eq!(passed("unknown", "m0 a0"), None);
    }
}
