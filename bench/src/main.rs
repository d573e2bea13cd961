//! `bench`: what an event costs, ours beside the peers.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for people at a terminal; what cannot be measured ends it"
)]

use std::fs;
use std::path::{Path, PathBuf};

use bench::baseline::{self, Baseline};
use bench::corpus;
use bench::engine::Engine;
use bench::figures::{Found, Measured, OURS};
use bench::instructions;
use bench::large;
use bench::ours::database;
use bench::reactor;
use bench::report;
use bench::scenario::{Scenario, Who};
use bench::targets::{Target, targets};
use bench::walk;
use clap::{Parser, Subcommand};
use comfy_table::{Table, presets};
use serde_json::Value;

#[derive(Parser)]
#[command(about = "What an event costs, counted")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Prints the corpus, made anew.
    Corpus,
    /// Prints our own figures, for bench/baseline.json.
    Baseline {
        /// Our `work`, as tests build it.
        #[arg(long)]
        work: PathBuf,
    },
    /// Measures ours and the peers.
    Measure {
        /// The peers' program.
        #[arg(long)]
        stores: PathBuf,
        /// Castore's program, for node.
        #[arg(long)]
        castore: PathBuf,
        /// Our `work`, as it is released: its instructions are counted.
        #[arg(long)]
        work: PathBuf,
        /// Every figure goes here.
        #[arg(long)]
        report: PathBuf,
    },
    /// Prints what buyers with so many offers take, as a table for docs/cost.md.
    Large {
        /// How many offers each buyer has.
        #[arg(default_values_t = [500, 2000, 5000, 20_000])]
        offers: Vec<usize>,
    },
    /// Writes tables and pictures of what was measured into pages.
    Report {
        /// What `measure` wrote.
        #[arg(long)]
        figures: PathBuf,
        /// What `cold` wrote.
        #[arg(long)]
        start: PathBuf,
        /// The folder with the pages.
        #[arg(long)]
        docs: PathBuf,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    match Arguments::parse().what {
        What::Corpus => print!("{}", corpus::make()),
        What::Baseline { work } => print!("{}", Baseline::measure(&work).await.written()),
        What::Measure { stores, castore, work, report } => {
            measure(&stores, &castore, &work, &report).await;
        }
        What::Large { offers } => {
            println!("| {} |", large::COLUMNS.join(" | "));
            println!("|{}", " ---: |".repeat(large::COLUMNS.len()));
            for offers in offers {
                println!("| {} |", large::row(offers).await.join(" | "));
            }
        }
        What::Report { figures, start, docs } => write(&read(&figures), &read(&start), &docs),
    }
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Scenarios in which peers run without records of their own too: there a repeat is dropped only by what they read anyway.
/// They are also run by the clock.
const PLAIN: [Scenario; 4] = [Scenario::Alone, Scenario::Tens, Scenario::TenBuyers, Scenario::Redelivered];

/// What is measured stays in a file beside the report until all of it is: a run that is broken off goes on where it was.
async fn measure(stores: &Path, castore: &Path, work: &Path, report: &Path) {
    let part = report.with_extension("part");
    let mut measured = if part.exists() { Measured(read(&part)) } else { Measured::nothing() };
    let save = |measured: &Measured| {
        fs::write(&part, serde_json::to_string_pretty(&measured.0).unwrap() + "\n").unwrap();
    };
    if measured.0["instructions"].is_null() {
        eprintln!("reactor, instructions");
        measured.add_reactor(&reactor::measure(usize::MAX).await);
        measured.add_instructions(&baseline::instructions(work), handler(work).await, walked(work).await);
        save(&measured);
    }
    let stores = vec![stores.display().to_string()];
    let castore = vec!["node".to_owned(), castore.display().to_string()];
    let mut all = vec![(Who::Ours, OURS.to_owned(), Scenario::ALL.to_vec())];
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
            all.push((Who::Peer(command.clone(), name.clone()), name, scenarios));
        }
    }
    for (who, name, scenarios) in all {
        if measured.0["stores"][&name].is_null() {
            measured.add(&name, &run(&who, &scenarios).await);
            by_the_clock(&who, &name, &mut measured).await;
            save(&measured);
        }
    }
    fs::rename(part, report).unwrap();
}

async fn run(who: &Who, scenarios: &[Scenario]) -> Vec<(Scenario, Found)> {
    let mut all = Vec::new();
    for scenario in scenarios {
        let name = if let Who::Peer(_, name) = who { name } else { OURS };
        eprintln!("{name}: {}", scenario.title());
        all.push((*scenario, who.measure(*scenario).await));
    }
    all
}

async fn by_the_clock(who: &Who, name: &str, measured: &mut Measured) {
    eprintln!("{name}: by the clock");
    for scenario in PLAIN {
        if let Ok(pace) = who.pace(scenario).await {
            measured.add_pace(name, scenario, pace);
        }
        for (temperature, is_cold) in [("cold", true), ("warm", false)] {
            if let Ok(count) = who.round_trips(scenario, is_cold).await {
                measured.add_round_trips(name, scenario, temperature, count);
            }
        }
    }
}

/// Of the whole recorder, for each event after the first twenty, which are one buyer's.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn handler(work: &Path) -> f64 {
    let mut totals = Vec::new();
    for events in ["20", "220"] {
        let engine = Engine::start(database()).await;
        let (work, url) = (work.to_owned(), engine.direct().to_owned());
        // The engine answers meanwhile.
        let counting =
            tokio::task::spawn_blocking(move || instructions::of(&work, &["handle", &url, events]));
        totals.push(counting.await.unwrap());
    }
    (totals[1] - totals[0]) as f64 / 200.0
}

/// Of a whole sweep, for each settled commit that it walks over. A slice of the index is some 8,000 of them.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn walked(work: &Path) -> f64 {
    const FEW: u32 = 8_000;
    const MANY: u32 = 24_000;
    let mut totals = Vec::new();
    for commits in [FEW, MANY] {
        let engine = walk::settled(commits).await;
        let (work, url) = (work.to_owned(), engine.direct().to_owned());
        // The engine answers meanwhile.
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
    let both = serde_json::json!({ "recording": figures, "start": start });
    fs::write(docs.join("bench/report.json"), serde_json::to_string_pretty(&both).unwrap() + "\n").unwrap();
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
