//! Presents the figures as tables and pictures, with the aims and whether they are met.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cost::{Traffic, only_recording, ours};
use crate::figures::{Measured, OURS};
use crate::picture::{Panel, bars, short};
use crate::scenario::Scenario::{self, Alone, Length, Offers, Redelivered, Tens};

/// The figures shown for each store in each scenario, with their titles.
const SHOWN: [(&str, &str); 5] = [
    ("requests", "requests"),
    ("writes", "writes"),
    ("indexWrites", "index"),
    ("reads", "reads"),
    ("wireBytes", "wire"),
];

fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().collect();
    format!("|{}|\n", cells.join("|"))
}

fn head(cells: &[&str]) -> String {
    let rule = cells.iter().enumerate().map(|(at, _)| if at == 0 { "---" } else { "---:" }.to_owned());
    row(cells.iter().map(|&cell| cell.to_owned())) + &row(rule)
}

/// The table of one scenario: a row per store, with cold/warm where they differ.
fn scenario(measured: &Measured, scenario: Scenario) -> String {
    let title = scenario.title();
    let mut names = vec![title.as_str()];
    names.extend(SHOWN.map(|(_, title)| title));
    names.push("stored");
    let mut table = head(&names);
    for store in measured.stores() {
        if let Some(cannot) = measured.cannot(store, scenario) {
            let _ = writeln!(table, "|{store}|cannot: {}||||||", cannot.replace('|', "/"));
            continue;
        }
        let figure =
            |temperature: &str, name: &str| measured.of(store, scenario, &format!("{temperature}.{name}"));
        let cell = |name: &str| match (figure("cold", name), figure("warm", name)) {
            (Some(cold), Some(warm)) if (cold - warm).abs() > 0.02 * cold.max(warm) => {
                format!("{}/{}", short(cold), short(warm))
            }
            (Some(same), _) => short(same),
            (None, _) => String::new(),
        };
        if figure("cold", "requests").is_none() {
            continue;
        }
        let stored = measured.of(store, scenario, "storedBytes").map(short).unwrap_or_default();
        let name = if store == OURS { format!("**{store}**") } else { store.to_owned() };
        table += &row([name].into_iter().chain(SHOWN.map(|(name, _)| cell(name))).chain([stored]));
    }
    table + "\n"
}

/// The tables of all scenarios.
#[must_use]
pub fn scenarios(measured: &Measured) -> String {
    Scenario::ALL.map(|each| scenario(measured, each)).concat()
}

/// A table with a row for each store and a column for each scenario.
fn by_scenario(
    measured: &Measured,
    title: &str,
    scenarios: &[Scenario],
    cell: impl Fn(&str, Scenario) -> Option<String>,
) -> String {
    let titles: Vec<String> = scenarios.iter().map(|scenario| scenario.title()).collect();
    let names: Vec<&str> = [title].into_iter().chain(titles.iter().map(String::as_str)).collect();
    let mut table = head(&names);
    for store in measured.stores() {
        let name = if store == OURS { format!("**{store}**") } else { store.to_owned() };
        let cells = scenarios.iter().map(|scenario| cell(store, *scenario).unwrap_or("cannot".to_owned()));
        table += &row([name].into_iter().chain(cells));
    }
    table
}

/// The table of the time that recording takes.
#[must_use]
pub fn pace(measured: &Measured, scenarios: &[Scenario]) -> String {
    by_scenario(measured, "milliseconds per batch/events per second", scenarios, |store, scenario| {
        let figure = |name: &str| measured.of(store, scenario, &format!("pace.{name}"));
        let (millis, events) = (figure("medianMillis")?, figure("eventsPerSecond")?);
        Some(format!("{millis:.2}/{}", short(events)))
    })
}

/// The table of the responses that a batch waits for in sequence.
#[must_use]
pub fn round_trips(measured: &Measured, scenarios: &[Scenario]) -> String {
    by_scenario(measured, "round trips per batch, cold/warm", scenarios, |store, scenario| {
        let figure = |name: &str| measured.of(store, scenario, &format!("roundTrips.{name}"));
        let (cold, warm) = (figure("cold")?, figure("warm")?);
        Some(format!("{cold}/{warm}"))
    })
}

/// The table of the aims, and whether they are met.
#[must_use]
pub fn aims(targets: &[Target]) -> String {
    let mut table = head(&["aim", "at most", "measured", ""]);
    for target in targets {
        let met = if target.is_met() { "" } else { "**not met**" };
        table += &row([
            target.what.clone(),
            format!("{}", target.aim),
            format!("{:.3}", target.found),
            met.to_owned(),
        ]);
    }
    table
}

/// The table of the reactor's figures.
#[must_use]
pub fn reactor(measured: &Measured) -> String {
    let mut table =
        head(&["per commit", "most requests", "requests", "read units", "write units", "index units"]);
    for (name, title) in [
        ("withEmail", "with an e-mail"),
        ("withoutEmail", "with sales messages only"),
        ("withoutEffects", "without effects"),
        ("again", "doorbell repeated"),
    ] {
        let figure = |figure: &str| short(measured.of_reactor(name, figure).unwrap_or_default());
        table += &row([
            title.to_owned(),
            figure("mostRequests"),
            figure("mean.requests"),
            figure("mean.reads"),
            figure("mean.writes"),
            figure("mean.indexWrites"),
        ]);
    }
    table
}

/// The table of instructions.
#[must_use]
pub fn instructions(measured: &Measured) -> String {
    let each = |name: &str| measured.0["instructions"][name].as_f64().map_or("not counted".to_owned(), short);
    let mut table = head(&["instructions per event", ""]);
    table += &row(["message → event → fold → commit, without I/O".to_owned(), each("path")]);
    table += &row(["whole recorder with SDK and HTTP, one event per batch".to_owned(), each("handler")]);
    table += &row(["fold of 10,000 events".to_owned(), each("fold")]);
    table + &row(["sweeper's walk with SDK and HTTP, per settled commit".to_owned(), each("walk")])
}

/// The table of the start's figures.
#[must_use]
pub fn start(start: &Value) -> String {
    let mut table = head(&["", "bytes", "part", "milliseconds", "instructions", "syscalls", "resident KiB"]);
    for binary in start["binaries"].as_array().into_iter().flatten() {
        for line in ["plain", "TLS"] {
            for part in ["start", "first event", "warm event"] {
                let of = &binary["lines"][line][part];
                let number = |value: &Value| value.as_f64().map(short).unwrap_or_default();
                let wall = of["wallMicros"]["median"]
                    .as_f64()
                    .map_or(String::new(), |micros| format!("{:.1}", micros / 1000.0));
                let is_first = line == "plain" && part == "start";
                table += &row([
                    if part == "start" {
                        format!("{}, {line}", binary["name"].as_str().unwrap_or_default())
                    } else {
                        String::new()
                    },
                    if is_first { number(&binary["bytes"]) } else { String::new() },
                    part.to_owned(),
                    wall,
                    number(&of["instructions"]),
                    number(&of["syscalls"]),
                    if part == "start" {
                        number(&binary["lines"][line]["residentKib"]["median"])
                    } else {
                        String::new()
                    },
                ]);
            }
        }
    }
    table
}

/// The picture of the stores that drop repeats.
#[must_use]
pub fn picture(measured: &Measured) -> String {
    let names = dropping_repeats(measured);
    let panel = |title: &str, figure: &str| Panel {
        title: title.to_owned(),
        rows: names
            .iter()
            .map(|name| [Scenario::Alone, Scenario::Tens].map(|scenario| measured.of(name, scenario, figure)))
            .collect(),
    };
    let panels = [
        panel("requests", "warm.requests"),
        panel("write units, without indexes", "warm.writes"),
        panel("bytes on the wire", "warm.wireBytes"),
        panel("bytes stored", "storedBytes"),
    ];
    let note = "Upper bar: one event per batch. Lower bar: ten events of one buyer per batch. Warm process; every store drops repeats.";
    bars("What recording an event costs", note, &names, &panels)
}

fn dropping_repeats(measured: &Measured) -> Vec<&str> {
    [OURS].into_iter().chain(measured.peers_without_repeats()).collect()
}

const USUAL: Traffic = Traffic { batch: 1.0, effectful: 0.9, emails: 0.2 };

/// The table of our dollars for a million events.
#[must_use]
pub fn dollars(measured: &Measured) -> String {
    let mut table = head(&[
        "events per batch, of one buyer",
        "commits with effects",
        "e-mails per event",
        "queue, Lambda, logs",
        "recording",
        "reacting",
        "total",
        "plus SES",
    ]);
    for (batch, effectful, emails) in [
        (1.0, 0.1, 0.0),
        (1.0, 0.5, 0.1),
        (1.0, 0.9, 0.2),
        (2.0, 0.9, 0.1),
        (5.0, 0.9, 0.1),
        (10.0, 1.0, 0.1),
    ] {
        let traffic = Traffic { batch, effectful, emails };
        if let Some(dollars) = ours(measured, &traffic) {
            let cell = |value: f64| format!("{value:.2}");
            table += &row([
                format!("{batch}"),
                format!("{:.0} %", effectful * 100.0),
                format!("{emails}"),
                cell(dollars.overhead),
                cell(dollars.recording),
                cell(dollars.reacting),
                cell(dollars.total() - dollars.emails),
                cell(dollars.emails),
            ]);
        }
    }
    table
}

/// The table of dollars for a million events, recording only, beside the peers.
#[must_use]
pub fn dollars_beside(measured: &Measured) -> String {
    let mut table = head(&["recording only", "one event per batch", "ten of one buyer"]);
    for name in dropping_repeats(measured) {
        let [alone, tens] = beside(measured, name);
        let cell = |value: Option<f64>| value.map_or("cannot".to_owned(), |value| format!("{value:.2}"));
        table += &row([name.to_owned(), cell(alone), cell(tens)]);
    }
    table
}

fn beside(measured: &Measured, name: &str) -> [Option<f64>; 2] {
    [1.0, 10.0].map(|batch| only_recording(measured, name, &Traffic { batch, ..USUAL }))
}

/// The picture of that table.
#[must_use]
pub fn dollars_picture(measured: &Measured) -> String {
    let names = dropping_repeats(measured);
    let panel = Panel {
        title: "queue, Lambda, logs, DynamoDB".to_owned(),
        rows: names.iter().map(|name| beside(measured, name)).collect(),
    };
    let note = "Upper bar: one event per batch. Lower bar: ten of one buyer. Every store drops repeats.";
    bars("Dollars for a million events recorded", note, &names, &[panel])
}

/// An aim and the measured figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The description of the figure.
    pub what: String,
    /// The largest value that meets the aim.
    pub aim: f64,
    /// The measured value.
    pub found: f64,
}

impl Target {
    /// Whether the aim is met, to the third digit after the point.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.found <= self.aim + 0.0005
    }
}

/// The store whose bytes are compared with ours.
const DYNAMO_ES: &str = "cqrs-es";

/// All aims with their figures. `start` is the report of `cold`.
#[must_use]
pub fn targets(measured: &Measured, start: &Value) -> Vec<Target> {
    let mut all = Vec::new();
    let mut aim = |what: &str, aim: f64, found: Option<f64>| {
        all.extend(found.map(|found| Target { what: what.to_owned(), aim, found }));
    };
    let ours = |scenario, figure: &str| measured.of(OURS, scenario, figure);

    aim("requests per event, cold", 2.0, ours(Alone, "cold.requests"));
    aim("requests per event, warm", 1.0, ours(Alone, "warm.requests"));
    aim("the same in tens, cold", 0.2, ours(Tens, "cold.requests"));
    aim("the same in tens, warm", 0.1, ours(Tens, "warm.requests"));
    for scenario in Scenario::ALL {
        for temperature in ["cold", "warm"] {
            let figure = format!("{temperature}.requests");
            let peers = measured.peers_without_repeats();
            let best = peers.iter().filter_map(|peer| measured.of(peer, scenario, &figure)).reduce(f64::min);
            let ratio = ours(scenario, &figure).zip(best).map(|(ours, best)| ours / best);
            aim(&format!("requests/peer's, {}, {temperature}", scenario.title()), 0.5, ratio);
        }
    }
    aim("write units per event after 1,000", 1.0, ours(Length(1000), "warm.writes"));
    aim("the same in the corpus", 1.01, ours(Alone, "warm.writes"));
    aim("index units per event", 1.0, ours(Alone, "warm.indexWrites"));
    aim("write units per event in tens", 0.3, ours(Tens, "warm.writes"));
    aim("write units per redelivered event", 0.0, ours(Redelivered, "warm.writes"));
    aim("requests per redelivered event, warm", 0.0, ours(Redelivered, "warm.requests"));
    let long = ours(Length(10_000), "cold.reads").zip(ours(Length(10), "cold.reads"));
    aim("read units after 10,000 events/after 10", 1.0, long.map(|(long, short)| long / short));
    aim("write units per event, 500 offers", 1.15, ours(Offers(500), "warm.writes"));

    let most = |which: &str| measured.of_reactor(which, "mostRequests");
    aim("reactor's requests per commit without e-mail", 3.0, most("withoutEmail"));
    aim("the same with e-mail", 5.0, most("withEmail"));
    aim("the same, doorbell repeated", 0.0, most("again"));

    let beside = |scenario, figure: &str, peer: &str| {
        ours(scenario, figure).zip(measured.of(peer, scenario, figure)).map(|(ours, theirs)| ours / theirs)
    };
    aim("stored bytes/dynamo-es's, alone", 1.3, beside(Alone, "storedBytes", DYNAMO_ES));
    aim("the same in tens", 0.35, beside(Tens, "storedBytes", DYNAMO_ES));
    aim("wire bytes/dynamo-es's, alone, warm", 0.6, beside(Alone, "warm.wireBytes", DYNAMO_ES));
    aim("the same in tens, warm", 0.15, beside(Tens, "warm.wireBytes", DYNAMO_ES));
    let dropping = format!("{DYNAMO_ES}+idempotency");
    aim("the same alone, both dropping repeats", 0.6, beside(Alone, "warm.wireBytes", &dropping));
    aim("the same in tens, both dropping repeats", 0.15, beside(Tens, "warm.wireBytes", &dropping));

    let each = |name: &str| measured.0["instructions"][name].as_f64();
    let path = each("path").zip(each("handler")).map(|(path, handler)| path / (handler - path));
    aim("instructions of the pure path/the rest", 0.2, path);
    for target in start["targets"].as_array().into_iter().flatten() {
        let (name, limit) = (target["name"].as_str(), target["limit"].as_f64());
        if let (Some(name), Some(limit)) = (name, limit) {
            aim(name, limit, target["measured"].as_f64());
        }
    }
    all
}
