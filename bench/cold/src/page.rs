//! Prints the figures as tables.

use std::time::Duration;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Row, Table};

use crate::aws::Traffic;
use crate::figures::{Figures, Phase, Target, ratio};

/// All figures, with ratios to the first binary (`hello`) where they are meaningful.
pub(crate) fn page(all: &[Figures], targets: &[Target], limits: &[(&str, f64)]) -> String {
    let sizes = all.iter().map(|figures| {
        let beside = all.first().map_or(0, |hello| hello.size);
        let memory = figures.lines.iter().map(|(_, phases)| format!("{} KiB", phases.memory.median));
        let row = [figures.name.to_owned(), figures.size.to_string(), times(ratio(figures.size, beside))];
        row.into_iter().chain(memory).collect::<Vec<_>>()
    });
    let header = ["binary", "bytes", "× hello", "resident, plain", "resident, TLS"];
    let mut page = table(&header, sizes);

    let phases = all.iter().flat_map(|figures| {
        figures.lines.iter().flat_map(move |(line, phases)| {
            let hello = all.first().and_then(|hello| hello.over(*line));
            let beside = hello.map_or(0, |hello| hello.start.instructions);
            phases.named().map(|(name, phase)| {
                vec![
                    figures.name.to_owned(),
                    line.name().to_owned(),
                    name.to_owned(),
                    milliseconds(phase.wall.median),
                    format!("{}–{}", milliseconds(phase.wall.least), milliseconds(phase.wall.most)),
                    about(phase, phase.instructions.to_string()),
                    about(phase, times(ratio(phase.instructions, beside))),
                    phase.syscalls.to_string(),
                    traffic(&phase.traffic),
                ]
            })
        })
    });
    let header = [
        "binary",
        "line",
        "part",
        "ms",
        "least–most",
        "instructions",
        "× hello's start",
        "syscalls",
        "requests to AWS",
    ];
    page.push_str(&table(&header, phases));

    let targets = targets.iter().map(|target| {
        let is_met = if target.is_met() { "met" } else { "not met" };
        vec![target.name.to_owned(), times(target.measured), format!("≤ {}", target.limit), is_met.to_owned()]
    });
    page.push_str(&table(&["recorder", "measured", "target", ""], targets));
    let limits = limits.iter().map(|(name, measured)| vec![(*name).to_owned(), times(*measured)]);
    page.push_str(&table(&["what a start of the recorder includes", "× hello's start"], limits));
    page
}

fn table<R: Into<Row>>(header: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header).add_rows(rows);
    table.trim_fmt() + "\n\n"
}

fn times(ratio: f64) -> String {
    format!("{ratio:.2}")
}

/// Marks a number whose count is uncertain.
fn about(phase: &Phase, number: String) -> String {
    if phase.is_certain() { number } else { format!("~ {number}") }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

fn traffic(traffic: &Traffic) -> String {
    let mut words = traffic.operations.join(" + ");
    if traffic.connections > 0 {
        words = format!("{words} ({} opened)", traffic.connections);
    }
    words
}
