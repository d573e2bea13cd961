//! `cold`: what starting costs, measured beside peers.
//!
//! Each binary runs under a Runtime API and an AWS of this process, once over plain HTTP and once over TLS: as it is for
//! time and memory, and under callgrind for instructions and syscalls.
#![expect(clippy::print_stdout, reason = "a command's output")]

mod aws;
mod callgrind;
mod figures;
mod life;
mod measure;
mod page;
mod spread;
mod targets;
mod tls;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use callgrind::Callgrind;
use clap::Parser;
use figures::Figures;
use life::Subject;
use measure::Bench;
use serde_json::{Value, json};
use targets::{Target, limits, targets};
use tls::Certificates;

/// Measures what it costs the recorder to start, beside a hello-world and the usual wiring.
#[derive(Debug, Parser)]
struct Arguments {
    /// The smallest function there is.
    #[arg(long)]
    hello: PathBuf,
    /// The recorder, wired as usual.
    #[arg(long)]
    usual: PathBuf,
    /// The recorder.
    #[arg(long)]
    recorder: PathBuf,
    /// How often each runs for its time.
    #[arg(long, default_value_t = 20)]
    runs: usize,
    /// How often each runs under callgrind up to each point; the median counts.
    #[arg(long, default_value_t = 3)]
    counts: usize,
    /// Every figure goes here, as JSON.
    #[arg(long)]
    report: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let folder = std::env::temp_dir().join(format!("cold-{}", std::process::id()));
    let measured = measured(Arguments::parse(), folder.clone()).await;
    // It may be there or not.
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
