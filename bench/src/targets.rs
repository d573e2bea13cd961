//! The aims, and whether they are met.

use serde_json::Value;

use crate::figures::{Measured, OURS};
use crate::scenario::Scenario::{self, Alone, Length, Offers, Redelivered, Tens};

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
