//! The command `sim`: runs seeds, pairs of faults in all scenarios, or other ways to do the same work, and reports what
//! fails.
#![expect(clippy::print_stdout, reason = "a command's output")]

mod pairs;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use clap::Parser;
use simulator::{Comparison, Plan, Safeguard, Sight, Strategy, many, rewritten};

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
    /// With --pairs: the file in which results are kept; scenarios in it are not played again
    #[arg(long)]
    report: Option<PathBuf>,
    /// With --pairs: plays only every N-th scenario, beginning with the K-th, written K/N
    #[arg(long, value_parser = pairs::Shard::parse, default_value = "0/1")]
    shard: pairs::Shard,
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
        pairs::estimate(arguments.shard);
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

fn run_seeds(Arguments { from, seeds, off, way, trace, sights, .. }: &Arguments) -> (u64, u64) {
    let template = Plan { off: *off, strategy: *way, ..Plan::default() };
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
    let all = pairs::play(*shard, report.as_deref(), add)?;
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
