//! The command `cold`: measures what a cold start costs, beside peers.
//!
//! Each binary runs with a Runtime API and an AWS in this process, over plain HTTP and over TLS: directly, to measure
//! time and memory, and under callgrind, to count instructions and syscalls.
#![expect(clippy::print_stdout, reason = "a command's output")]

mod aws;
mod figures;
mod life;
mod measure;
mod page;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use figures::{Figures, targets};
use life::Subject;
use measure::Bench;
use serde_json::{Value, json};

use crate::aws::Certificates;
use crate::figures::{Target, limits};
use crate::measure::Callgrind;

/// Measures what a start of the recorder costs, beside a hello-world and the usual wiring.
#[derive(Debug, Parser)]
struct Arguments {
    /// The smallest function that `lambda_runtime` makes
    #[arg(long)]
    hello: PathBuf,
    /// The recorder, wired as the SDK's guide does it
    #[arg(long)]
    usual: PathBuf,
    /// The recorder
    #[arg(long)]
    recorder: PathBuf,
    /// The number of runs per binary that measure time
    #[arg(long, default_value_t = 20)]
    runs: usize,
    /// The number of runs per binary and point under callgrind; the median counts
    #[arg(long, default_value_t = 3)]
    counts: usize,
    /// The file for all figures, as JSON
    #[arg(long)]
    report: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let folder = std::env::temp_dir().join(format!("cold-{}", std::process::id()));
    let measured = measured(Arguments::parse(), folder.clone()).await;
    // The folder may not exist.
    let _ = fs::remove_dir_all(folder);
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cold: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measured(arguments: Arguments, folder: PathBuf) -> Result<(), Box<dyn Error>> {
    let Arguments { hello, usual, recorder, runs, counts, report } = arguments;
    fs::create_dir_all(&folder)?;
    let callgrind = Callgrind::find(&folder)?;
    let bench = Bench { certificates: Certificates::make()?, callgrind, folder, runs, counts };
    let mut all = Vec::new();
    for (name, path, has_roots) in
        [("hello", hello, false), ("usual", usual, false), ("recorder", recorder, true)]
    {
        let figures = bench.figures(&Subject { name, path, has_roots }).await;
        all.push(figures.map_err(|error| format!("{name}: {error}"))?);
    }

    let (targets, limits) = match &*all {
        [hello, _, recorder] => (targets(recorder, hello), limits(recorder, hello)),
        _ => (Vec::new(), Vec::new()),
    };
    print!("{}", page::page(&all, &targets, &limits));
    if let Some(report) = report {
        fs::write(report, format!("{:#}\n", to_json(&bench, &all, &targets, &limits)))?;
    }
    Ok(())
}

fn to_json(bench: &Bench, all: &[Figures], targets: &[Target], limits: &[(&str, f64)]) -> Value {
    let limits = limits.iter().map(|(name, measured)| json!({ "name": name, "measured": measured }));
    json!({
        "counter": bench.callgrind.version,
        "runs": bench.runs,
        "counts": bench.counts,
        "binaries": all.iter().map(Figures::to_json).collect::<Vec<_>>(),
        "targets": targets.iter().map(Target::to_json).collect::<Vec<_>>(),
        "limits": limits.collect::<Vec<_>>(),
    })
}
