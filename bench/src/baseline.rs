//! Our committed figures, which the product must not exceed.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::count::Count;
use crate::instructions;
use crate::reactor::{self, Costs};
use crate::scenario::{Candidate, Figures, Scenario};

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
