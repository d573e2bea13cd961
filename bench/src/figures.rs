//! All measured figures, in JSON.

use serde_json::{Map, Value, json};

use crate::baseline::Flat;
use crate::count::Count;
use crate::peer::Refusal;
use crate::reactor::{Cost, Costs};
use crate::scenario::{Figures, Pace, Scenario};

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
