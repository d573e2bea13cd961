//! The command `kills`: runs the built functions and kills them at requests chosen by seeds.
#![expect(clippy::print_stdout, reason = "a command's output")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use binaries::{Order, Report, doubtful_mails, many};
use clap::Parser;
use serde_json::{Value, json};
use simulator::rewritten;

/// Kills the built functions at requests chosen by seeds, and checks that nothing is lost or doubled.
#[derive(Debug, Parser)]
struct Arguments {
    /// The minimum number of kills
    #[arg(long, default_value_t = 100)]
    kills: u64,
    /// The number of the first run
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// This machine's share of the runs: 0/4 means runs 0, 4, 8 and so on
    #[arg(long, default_value = "0/1", value_parser = shard)]
    shard: (u64, u64),
    /// The file in which the report is kept; a stopped command continues from it
    #[arg(long)]
    report: Option<PathBuf>,
    /// Also withhold some answers; each takes seconds until the time-out
    #[arg(long)]
    silence: bool,
    /// Instead of kills: send this many mails whose answers are ambiguous
    #[arg(long)]
    ses: Option<usize>,
    /// Instead of kills: add up these reports
    #[arg(long, num_args = 1..)]
    add: Vec<PathBuf>,
    /// The page whose part `report` is replaced by the report
    #[arg(long)]
    page: Option<PathBuf>,
}

fn shard(text: &str) -> Result<(u64, u64), String> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    parts.filter(|(i, n)| i < n).ok_or_else(|| "must be a share such as 0/4".to_owned())
}

fn main() -> io::Result<ExitCode> {
    let Arguments { kills, from, shard, report: file, silence, ses, add, page } = Arguments::parse();
    let report = if !add.is_empty() {
        let mut sum = Report::default();
        for file in &add {
            sum.add(Report::from_json(&read(file)?));
        }
        keep(file.as_deref(), &sum.to_json());
        sum
    } else if let Some(mails) = ses {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut report = runtime.block_on(doubtful_mails(mails))?;
        report.count(if report.violations().is_empty() { "passed" } else { "failed" }, 1);
        keep(file.as_deref(), &report.to_json());
        report
    } else {
        let begun = file.as_deref().and_then(|file| read(file).ok()).unwrap_or_default();
        let from = begun["next"].as_u64().unwrap_or(from);
        let order = Order { kills, from, shard, may_be_silent: silence };
        let kept = Mutex::new(from);
        let (report, _) = many(order, Report::from_json(&begun), |report, next| {
            // Only one thread writes at a time, and an older report never replaces a newer one.
            if let Ok(mut kept) = kept.lock()
                && next > *kept
            {
                *kept = next;
                let mut json = report.to_json();
                json["next"] = json!(next);
                json["shard"] = json!(format!("{}/{}", shard.0, shard.1));
                keep(file.as_deref(), &json);
            }
        });
        report
    };
    if let Some(page) = page {
        let text = rewritten(&fs::read_to_string(&page)?, "report", &report.tables());
        fs::write(page, text.ok_or_else(|| io::Error::other("the page has no part named report"))?)?;
    }
    print!("{report}");
    for violation in report.violations() {
        println!("{violation}");
    }
    let (passed, failed) = (report.of("passed"), report.of("failed"));
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(file: &Path) -> io::Result<Value> {
    serde_json::from_str(&fs::read_to_string(file)?).map_err(io::Error::other)
}

/// Writes the report to a second file and renames it, so that a stopped command leaves a complete file.
fn keep(file: Option<&Path>, json: &Value) {
    let Some(file) = file else { return };
    let beside = file.with_extension("new");
    let written = fs::write(&beside, format!("{json:#}\n")).and_then(|()| fs::rename(&beside, file));
    if let Err(error) = written {
        println!("{}: {error}", file.display());
    }
}
