//! The command `bench`: measures what an event costs, with our recorder and with the peers.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a command for a terminal; a measurement that fails ends it"
)]

use std::fs;
use std::path::{Path, PathBuf};

use bench::corpus;
use bench::engine::Engine;
use bench::figures::{self, Baseline, Measured, OURS, Outcome};
use bench::instructions;
use bench::large;
use bench::reactor;
use bench::recorders::database;
use bench::report::{self, Target, targets};
use bench::scenario::{Candidate, Scenario};
use bench::walk;
use clap::{Parser, Subcommand};
use comfy_table::{Table, presets};
use serde_json::Value;

#[derive(Parser)]
#[command(about = "Counts what an event costs")]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Makes the corpus from its seed and prints it
    Corpus,
    /// Prints our own figures, for bench/baseline.json
    Baseline {
        /// The program `work`, as tests build it
        #[arg(long)]
        work: PathBuf,
    },
    /// Measures our recorder and the peers
    Measure {
        /// The peers' program
        #[arg(long)]
        stores: PathBuf,
        /// Castore's program, run by node
        #[arg(long)]
        castore: PathBuf,
        /// The release build of the program `work`, whose instructions are counted
        #[arg(long)]
        work: PathBuf,
        /// The file for all figures
        #[arg(long)]
        report: PathBuf,
    },
    /// Prints what buyers with many offers cost, as a Markdown table
    Large {
        /// The numbers of offers, one buyer for each
        #[arg(default_values_t = [500, 2000, 5000, 20_000])]
        offers: Vec<usize>,
    },
    /// Writes tables and pictures of the figures into the documentation
    Report {
        /// The file written by `measure`
        #[arg(long)]
        figures: PathBuf,
        /// The file written by `cold`
        #[arg(long)]
        start: PathBuf,
        /// The documentation folder
        #[arg(long)]
        docs: PathBuf,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    match Arguments::parse().action {
        Action::Corpus => print!("{}", corpus::make()),
        Action::Baseline { work } => print!("{}", Baseline::measure(&work).await.written()),
        Action::Measure { stores, castore, work, report } => {
            measure(&stores, &castore, &work, &report).await;
        }
        Action::Large { offers } => {
            println!("| {} |", large::COLUMNS.join(" | "));
            println!("|{}", " ---: |".repeat(large::COLUMNS.len()));
            for offers in offers {
                println!("| {} |", large::row(offers).await.join(" | "));
            }
        }
        Action::Report { figures, start, docs } => write(&read(&figures), &read(&start), &docs),
    }
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// The scenarios in which peers also run without idempotency records, so that only the stream reveals a repeat. These
/// scenarios are also timed.
const PLAIN: [Scenario; 4] = [Scenario::Alone, Scenario::Tens, Scenario::TenBuyers, Scenario::Redelivered];

/// Measures everything. Until all figures are complete, they are kept in a file beside the report, so that an
/// interrupted run can continue.
async fn measure(stores: &Path, castore: &Path, work: &Path, report: &Path) {
    let part = report.with_extension("part");
    let mut measured = if part.exists() { Measured(read(&part)) } else { Measured::nothing() };
    let save = |measured: &Measured| {
        fs::write(&part, serde_json::to_string_pretty(&measured.0).unwrap() + "\n").unwrap();
    };
    if measured.0["instructions"].is_null() {
        eprintln!("reactor, instructions");
        measured.add_reactor(&reactor::measure(usize::MAX).await);
        measured.add_instructions(&figures::instructions(work), handler(work).await, walked(work).await);
        save(&measured);
    }
    let stores = vec![stores.display().to_string()];
    let castore = vec!["node".to_owned(), castore.display().to_string()];
    let mut all = vec![(Candidate::Ours, OURS.to_owned(), Scenario::ALL.to_vec())];
    for (command, name) in [
        (&stores, "cqrs-es"),
        (&stores, "cqrs-es-aggregate"),
        (&stores, "cqrs-es-snapshot"),
        (&stores, "event-store-adapter"),
        (&castore, "castore"),
    ] {
        for (name, scenarios) in
            [(name.to_owned(), PLAIN.to_vec()), (format!("{name}+idempotency"), Scenario::ALL.to_vec())]
        {
            all.push((Candidate::Peer(command.clone(), name.clone()), name, scenarios));
        }
    }
    for (candidate, name, scenarios) in all {
        if measured.0["stores"][&name].is_null() {
            measured.add(&name, &run(&candidate, &scenarios).await);
            measure_time(&candidate, &name, &mut measured).await;
            save(&measured);
        }
    }
    fs::rename(part, report).unwrap();
}

async fn run(candidate: &Candidate, scenarios: &[Scenario]) -> Vec<(Scenario, Outcome)> {
    let mut all = Vec::new();
    for scenario in scenarios {
        let name = if let Candidate::Peer(_, name) = candidate { name } else { OURS };
        eprintln!("{name}: {}", scenario.title());
        all.push((*scenario, candidate.measure(*scenario).await));
    }
    all
}

async fn measure_time(candidate: &Candidate, name: &str, measured: &mut Measured) {
    eprintln!("{name}: time and round trips");
    for scenario in PLAIN {
        if let Ok(pace) = candidate.pace(scenario).await {
            measured.add_pace(name, scenario, pace);
        }
        for (temperature, is_cold) in [("cold", true), ("warm", false)] {
            if let Ok(count) = candidate.round_trips(scenario, is_cold).await {
                measured.add_round_trips(name, scenario, temperature, count);
            }
        }
    }
}

/// The instructions of the whole recorder per event, after the first twenty events, which are those of one buyer.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn handler(work: &Path) -> f64 {
    let mut totals = Vec::new();
    for events in ["20", "220"] {
        let engine = Engine::start(database()).await;
        let (work, url) = (work.to_owned(), engine.direct().to_owned());
        // The local DynamoDB must answer meanwhile, so the counting runs on another thread.
        let counting =
            tokio::task::spawn_blocking(move || instructions::of(&work, &["handle", &url, events]));
        totals.push(counting.await.unwrap());
    }
    (totals[1] - totals[0]) as f64 / 200.0
}

/// The instructions of a whole sweep per settled commit that it walks over. One slice of the index has some 8,000
/// commits.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn walked(work: &Path) -> f64 {
    const FEW: u32 = 8_000;
    const MANY: u32 = 24_000;
    let mut totals = Vec::new();
    for commits in [FEW, MANY] {
        let engine = walk::settled(commits).await;
        let (work, url) = (work.to_owned(), engine.direct().to_owned());
        // The local DynamoDB must answer meanwhile, so the counting runs on another thread.
        let counting = tokio::task::spawn_blocking(move || instructions::of(&work, &["walk", &url]));
        totals.push(counting.await.unwrap());
    }
    (totals[1] - totals[0]) as f64 / f64::from(MANY - FEW)
}

fn write(figures: &Value, start: &Value, docs: &Path) {
    let measured = Measured(figures.clone());
    let targets = targets(&measured, start);
    let parts = [
        ("aims", report::aims(&targets)),
        ("scenarios", report::scenarios(&measured)),
        ("round-trips", report::round_trips(&measured, &PLAIN)),
        ("pace", report::pace(&measured, &PLAIN)),
        ("reactor", report::reactor(&measured)),
        ("instructions", report::instructions(&measured)),
        ("start", report::start(start)),
    ];
    rewrite(&docs.join("bench/README.md"), &parts);
    rewrite(
        &docs.join("cost.md"),
        &[("dollars", report::dollars(&measured)), ("beside", report::dollars_beside(&measured))],
    );
    fs::write(docs.join("bench/recording.svg"), report::picture(&measured)).unwrap();
    fs::write(docs.join("bench/dollars.svg"), report::dollars_picture(&measured)).unwrap();
    println!("{}", on_a_terminal(&targets));
}

fn rewrite(page: &Path, parts: &[(&str, String)]) {
    let mut text = fs::read_to_string(page).unwrap();
    for (name, part) in parts {
        text = simulator::rewritten(&text, name, part)
            .unwrap_or_else(|| panic!("{} has no part {name}", page.display()));
    }
    fs::write(page, text).unwrap();
}

fn on_a_terminal(targets: &[Target]) -> Table {
    let mut shown = Table::new();
    shown.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(["aim", "at most", "measured", ""]);
    for target in targets {
        let met = if target.is_met() { "met" } else { "not met" };
        let (aim, found) = (target.aim.to_string(), format!("{:.3}", target.found));
        shown.add_row([target.what.as_str(), aim.as_str(), found.as_str(), met]);
    }
    shown
}
