//! Everything that was measured, as JSON and back.

use serde_json::{Map, Value, json};

use crate::baseline::Flat;
use crate::count::Count;
use crate::peer::Cannot;
use crate::reactor::{Cost, Costs};
use crate::scenario::{Figures, Pace, Scenario};

/// Our name beside the peers'.
pub const OURS: &str = "leadstream";

/// What was measured, as it lies in the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured(pub Value);

/// What each event costs a store, or why it cannot.
pub type Found = Result<Figures, Cannot>;

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
    /// Nothing yet.
    #[must_use]
    pub fn nothing() -> Self {
        Self(json!({ "stores": {} }))
    }

    /// Adds a store's figures.
    pub fn add(&mut self, name: &str, found: &[(Scenario, Found)]) {
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

    /// Adds how long a scenario takes a store.
    pub fn add_pace(&mut self, name: &str, scenario: Scenario, pace: Pace) {
        self.0["stores"][name][scenario.name()]["pace"] = json!({
            "medianMillis": pace.median.as_secs_f64() * 1000.0, "eventsPerSecond": pace.events_per_second,
        });
    }

    /// Adds how many round trips a batch takes a store.
    pub fn add_round_trips(&mut self, name: &str, scenario: Scenario, temperature: &str, count: u32) {
        self.0["stores"][name][scenario.name()]["roundTrips"][temperature] = json!(count);
    }

    /// Adds what the reactor costs.
    pub fn add_reactor(&mut self, costs: &Costs) {
        self.0["reactor"] = json!({
            "withoutEmail": cost(&costs.without_email),
            "withEmail": cost(&costs.with_email),
            "withoutEffects": cost(&costs.without_effects),
            "again": cost(&costs.again),
        });
    }

    /// Adds instructions for an event: of the path without I/O and of the fold, and of the whole recorder; and for a commit
    /// that the sweeper walks over.
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

    /// A figure of a store, as in `"tens"`, `"warm.writes"`; `None` if it was not measured or cannot be.
    #[must_use]
    pub fn of(&self, store: &str, scenario: Scenario, figure: &str) -> Option<f64> {
        at(&self.0["stores"][store][scenario.name()], figure)
    }

    /// Why a store cannot do a scenario.
    #[must_use]
    pub fn cannot(&self, store: &str, scenario: Scenario) -> Option<&str> {
        self.0["stores"][store][scenario.name()]["cannot"].as_str()
    }

    /// Names of the stores, ours first.
    #[must_use]
    pub fn stores(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.0["stores"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        names.sort_by_key(|name| *name != OURS);
        names
    }

    /// The peers that drop repeats by their own records, as ours does without any.
    #[must_use]
    pub fn peers_without_repeats(&self) -> Vec<&str> {
        self.stores().into_iter().filter(|name| name.ends_with("+idempotency")).collect()
    }
}
