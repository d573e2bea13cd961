//! All measured figures, in JSON, and our committed ones, which the product must not exceed.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::count::Count;
use crate::instructions;
use crate::reactor::{self, Cost, Costs};
use crate::recorders::Refusal;
use crate::scenario::{Candidate, Figures, Pace, Scenario};

/// Our name beside the peers'.
pub const OURS: &str = "leadstream";

/// The measured figures, as in the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured(pub Value);

/// The cost of an event with a store, or the reason why the store refused.
pub type Outcome = Result<Figures, Refusal>;

fn count(count: &Count) -> Value {
    count
        .figures()
        .into_iter()
        .map(|(figure, value)| (figure.to_owned(), json!(value)))
        .collect::<Map<_, _>>()
        .into()
}

fn cost(cost: &Cost) -> Value {
    json!({ "commits": cost.commits, "mean": count(&cost.mean), "mostRequests": cost.most_requests, "messages": cost.messages })
}

fn at(value: &Value, path: &str) -> Option<f64> {
    path.split('.').fold(value, |value, step| &value[step]).as_f64()
}

impl Measured {
    /// No figures.
    #[must_use]
    pub fn nothing() -> Self {
        Self(json!({ "stores": {} }))
    }

    /// Adds a store's figures.
    pub fn add(&mut self, name: &str, found: &[(Scenario, Outcome)]) {
        let found = found.iter().map(|(scenario, found)| {
            let found = match found {
                Ok(figures) => json!({
                    "cold": count(&figures.cold), "warm": count(&figures.warm), "storedBytes": figures.stored_bytes,
                }),
                Err(cannot) => json!({ "cannot": cannot }),
            };
            (scenario.name(), found)
        });
        self.0["stores"][name] = Value::Object(found.collect::<Map<String, Value>>());
    }

    /// Adds the time that a store takes in a scenario.
    pub fn add_pace(&mut self, name: &str, scenario: Scenario, pace: Pace) {
        self.0["stores"][name][scenario.name()]["pace"] = json!({
            "medianMillis": pace.median.as_secs_f64() * 1000.0, "eventsPerSecond": pace.events_per_second,
        });
    }

    /// Adds the number of round trips per batch of a store.
    pub fn add_round_trips(&mut self, name: &str, scenario: Scenario, temperature: &str, count: u32) {
        self.0["stores"][name][scenario.name()]["roundTrips"][temperature] = json!(count);
    }

    /// Adds the costs of the reactor.
    pub fn add_reactor(&mut self, costs: &Costs) {
        self.0["reactor"] = json!({
            "withoutEmail": cost(&costs.without_email),
            "withEmail": cost(&costs.with_email),
            "withoutEffects": cost(&costs.without_effects),
            "again": cost(&costs.repeated),
        });
    }

    /// Adds the instructions per event of the path without I/O, of the fold and of the whole recorder, and per commit
    /// of the sweeper's walk.
    pub fn add_instructions(&mut self, pure: &Flat, handler: f64, walk: f64) {
        self.0["instructions"] = json!(pure);
        self.0["instructions"]["handler"] = json!(handler);
        self.0["instructions"]["walk"] = json!(walk);
    }

    /// A figure of the reactor, as in `"withEmail"`, `"mostRequests"` or `"mean.reads"`.
    #[must_use]
    pub fn of_reactor(&self, which: &str, figure: &str) -> Option<f64> {
        at(&self.0["reactor"][which], figure)
    }

    /// A figure of a store, as in `"tens"`, `"warm.writes"`; `None` if it was not measured or the store refused.
    #[must_use]
    pub fn of(&self, store: &str, scenario: Scenario, figure: &str) -> Option<f64> {
        at(&self.0["stores"][store][scenario.name()], figure)
    }

    /// The reason why a store refused a scenario.
    #[must_use]
    pub fn cannot(&self, store: &str, scenario: Scenario) -> Option<&str> {
        self.0["stores"][store][scenario.name()]["cannot"].as_str()
    }

    /// The names of the stores, ours first.
    #[must_use]
    pub fn stores(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.0["stores"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        names.sort_by_key(|name| *name != OURS);
        names
    }

    /// The peers that drop repeats by idempotency records.
    #[must_use]
    pub fn peers_without_repeats(&self) -> Vec<&str> {
        self.stores().into_iter().filter(|name| name.ends_with("+idempotency")).collect()
    }
}

/// Figures by name, as in `tens.warm.writes`.
pub type Flat = BTreeMap<String, f64>;

/// The tolerance for bytes on the wire, which depend on the number of digits of a port.
pub const WIRE_BYTES_WITHIN: f64 = 0.01;

/// The tolerance for instructions.
pub const INSTRUCTIONS_WITHIN: f64 = 0.03;

/// The scenarios that every `make test` measures, because they take only seconds.
pub const GATED: [Scenario; 6] = [
    Scenario::Alone,
    Scenario::Tens,
    Scenario::TenBuyers,
    Scenario::Redelivered,
    Scenario::Length(100),
    Scenario::Offers(20),
];

/// The number of buyers with which every `make test` measures the reactor.
pub const GATED_BUYERS: usize = 5;

/// The figures in `bench/baseline.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// Requests, units and bytes.
    pub counted: Flat,
    /// Instructions of the build that tests use.
    pub instructions: Flat,
    /// The version of the compiler of that build.
    pub rustc: String,
}

impl Baseline {
    /// Reads the text of `bench/baseline.json`.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let json: Value = serde_json::from_str(text).unwrap();
        let flat = |part: &str| serde_json::from_value(json[part].clone()).unwrap();
        Self {
            counted: flat("counted"),
            instructions: flat("instructions"),
            rustc: json["rustc"].as_str().unwrap().to_owned(),
        }
    }

    /// Measures all figures.
    pub async fn measure(work: &Path) -> Self {
        let mut counted = flat_costs(&reactor::measure(GATED_BUYERS).await);
        for scenario in GATED {
            counted.extend(flat(scenario, &Candidate::Ours.measure(scenario).await.unwrap()));
        }
        Self { counted, instructions: instructions(work), rustc: rustc() }
    }

    /// The text of `bench/baseline.json`, with figures rounded to four digits after the point.
    #[must_use]
    pub fn written(&self) -> String {
        let rounded = |figures: &Flat| -> BTreeMap<String, f64> {
            figures
                .iter()
                .map(|(name, value)| (name.clone(), (value * 10_000.0).round() / 10_000.0))
                .collect()
        };
        let json = json!({
            "counted": rounded(&self.counted), "instructions": rounded(&self.instructions), "rustc": self.rustc,
        });
        serde_json::to_string_pretty(&json).unwrap() + "\n"
    }
}

fn of(name: &str, count: &Count) -> [(String, f64); 5] {
    count.figures().map(|(figure, value)| (format!("{name}.{figure}"), value))
}

/// The figures of one scenario by name.
#[must_use]
pub fn flat(scenario: Scenario, figures: &Figures) -> Flat {
    let name = |temperature: &str| format!("{}.{temperature}", scenario.name());
    of(&name("cold"), &figures.cold)
        .into_iter()
        .chain(of(&name("warm"), &figures.warm))
        .chain([(format!("{}.storedBytes", scenario.name()), figures.stored_bytes)])
        .collect()
}

/// The figures of the reactor by name.
#[must_use]
pub fn flat_costs(costs: &Costs) -> Flat {
    let each = [
        ("reactor.withEmail", &costs.with_email),
        ("reactor.withoutEmail", &costs.without_email),
        ("reactor.withoutEffects", &costs.without_effects),
        ("reactor.again", &costs.repeated),
    ];
    each.into_iter().flat_map(|(name, cost)| of(name, &cost.mean)).collect()
}

/// The instructions per event, for this build of `work`.
#[must_use]
pub fn instructions(work: &Path) -> Flat {
    Flat::from([
        ("path".to_owned(), instructions::each(work, &["path"], 800, 1600)),
        ("fold".to_owned(), instructions::each(work, &["fold"], 1, 2) / 10_000.0),
    ])
}

/// The version of the compiler, as in `rustc 1.95.0 (59807616e 2026-04-14)`.
#[must_use]
pub fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
