//! The committed figures of ours: what the product must not become dearer than.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::count::Count;
use crate::scenario::{Figures, Scenario, Who};

/// Figures by name, as in `tens.warm.writes`.
pub type Flat = BTreeMap<String, f64>;

/// Those of one scenario, by name.
#[must_use]
pub fn flat(scenario: Scenario, figures: &Figures) -> Flat {
    let of = |temperature: &str, count: &Count| {
        let name = |figure: &str| format!("{}.{temperature}.{figure}", scenario.name());
        [
            (name("requests"), count.requests),
            (name("writes"), count.writes),
            (name("indexWrites"), count.index_writes),
            (name("reads"), count.reads),
            (name("wireBytes"), count.wire_bytes),
        ]
    };
    of("cold", &figures.cold)
        .into_iter()
        .chain(of("warm", &figures.warm))
        .chain([(format!("{}.storedBytes", scenario.name()), figures.stored_bytes)])
        .collect()
}

/// Every scenario that takes no minute, measured.
pub async fn measure() -> Flat {
    let mut all = Flat::new();
    for scenario in Scenario::ALL {
        if scenario != Scenario::Length(10_000) {
            all.extend(flat(scenario, &Who::Ours.measure(scenario).await.unwrap()));
        }
    }
    all
}

/// How they are committed: rounded to what is told apart.
#[must_use]
pub fn written(figures: &Flat) -> String {
    let rounded: BTreeMap<&String, Value> =
        figures.iter().map(|(name, value)| (name, json!((value * 1000.0).round() / 1000.0))).collect();
    serde_json::to_string_pretty(&rounded).unwrap() + "\n"
}
