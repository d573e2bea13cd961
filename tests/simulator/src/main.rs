//! Runs seeds, or every fault at every call, and tells what fails.
#![expect(clippy::print_stdout, reason = "a command: its result is what it prints")]

use std::process::ExitCode;

use clap::Parser;
use simulator::scenarios::SCENARIOS;
use simulator::{Coverage, Plan, Safeguard, Strategy, many, systematic};

/// Runs the product in a simulated AWS, one seed after the other.
#[derive(Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// Switches a safeguard off: then seeds must fail.
    #[arg(long, value_parser = safeguard)]
    off: Option<Safeguard>,
    /// Does the work in another way: then seeds must fail.
    #[arg(long, value_parser = strategy)]
    way: Option<Strategy>,
    /// Prints what happened, step by step; for one seed.
    #[arg(long)]
    trace: bool,
    /// Instead of seeds: every two faults at every two calls of every scenario.
    #[arg(long)]
    pairs: bool,
    /// Instead of ours alone: other ways to do the same work, on the same seeds, in a table.
    #[arg(long)]
    compare: bool,
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

fn main() -> ExitCode {
    let Arguments { from, seeds, off, way, trace, pairs, compare } = Arguments::parse();
    if compare {
        print!("{}", simulator::compare(from, seeds));
        return ExitCode::SUCCESS;
    }
    let (passed, failed) = if pairs {
        strike_pairs()
    } else {
        run_seeds(from, seeds, trace, &Plan { off, strategy: way, ..Plan::default() })
    };
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_seeds(from: u64, seeds: u64, trace: bool, like: &Plan) -> (u64, u64) {
    if trace {
        print!("{}", Plan { seed: from, has_trace: true, ..like.clone() }.run().trace);
    }
    let summary = many(from, seeds, false, |seed| Plan { seed, ..like.clone() });
    for (seed, report) in &summary.first {
        println!(
            "seed {seed} fails; make sim FROM={seed} SEEDS=1 repeats it\n  {}",
            report.violations.join("\n  ")
        );
    }
    (summary.passed, summary.failed)
}

fn strike_pairs() -> (u64, u64) {
    let mut all = Coverage::default();
    for (name, scenario) in SCENARIOS {
        let coverage = systematic(scenario, true);
        println!("{name}: {} passed, {} failed", coverage.passed, coverage.failed);
        for (faults, report) in &coverage.first {
            println!("  {faults:?}\n    {}", report.violations.join("\n    "));
        }
        all.add(coverage);
    }
    println!("\n{all}");
    (all.passed, all.failed)
}
