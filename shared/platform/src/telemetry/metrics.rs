use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::telemetry::Span;
use crate::telemetry::lines::{REQUEST_ID, request_id};

/// The CloudWatch namespace of all metrics.
const NAMESPACE: &str = "Leadstream";

/// The owner of a metric, which is its first dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Function,
    Stack,
}

/// Dimension names and values of a metric, except its owner's.
type Dimensions = Vec<(&'static str, String)>;

/// Values and units of metrics, by metric name.
type Values = BTreeMap<&'static str, (u64, &'static str)>;

/// The metrics and spans of one invocation. The metrics are written at its end as log lines in CloudWatch's embedded
/// metric format; [`Traces`](crate::Traces) exports the spans.
///
/// Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format".
#[derive(Debug, Default)]
pub struct Metrics {
    values: BTreeMap<(Owner, Dimensions), Values>,
    pub(crate) spans: Vec<Span>,
}

impl Metrics {
    /// Adds to a count.
    pub fn count(&mut self, name: &'static str, dimensions: Dimensions, by: u64) {
        self.add((Owner::Function, dimensions), name, by);
    }

    /// Adds to a count of the whole stack. It suits counts to which several functions contribute and which one alarm
    /// watches, because an alarm without metric math watches a single metric.
    pub fn count_for_stack(&mut self, name: &'static str, by: u64) {
        self.add((Owner::Stack, Vec::new()), name, by);
    }

    fn add(&mut self, key: (Owner, Dimensions), name: &'static str, by: u64) {
        self.values.entry(key).or_default().entry(name).or_insert((0, "Count")).0 += by;
    }

    /// Keeps the largest of the durations reported under this name, in milliseconds.
    pub fn longest(&mut self, name: &'static str, milliseconds: u64) {
        self.keep_largest(name, milliseconds, "Milliseconds");
    }

    /// Keeps the largest of the ages reported under this name, in seconds.
    pub fn oldest(&mut self, name: &'static str, seconds: u64) {
        self.keep_largest(name, seconds, "Seconds");
    }

    fn keep_largest(&mut self, name: &'static str, value: u64, unit: &'static str) {
        let key = (Owner::Function, Vec::new());
        let largest = self.values.entry(key).or_default().entry(name).or_insert((0, unit));
        largest.0 = largest.0.max(value);
    }

    /// Adds finished spans.
    pub fn spans(&mut self, spans: impl IntoIterator<Item = Span>) {
        self.spans.extend(spans);
    }

    /// One line for each set of dimensions. `function` is the full name, `<stack>-<function>`; `now` is in milliseconds
    /// since 1970.
    #[must_use]
    pub fn lines(&self, function: &str, now: i64) -> Vec<String> {
        let stack = function.rsplit_once('-').map_or(function, |(stack, _)| stack);
        let request_id = request_id();
        self.values
            .iter()
            .map(|((owner, dimensions), values)| {
                let (owner, name) = match owner {
                    Owner::Function => ("function", function),
                    Owner::Stack => ("stack", stack),
                };
                let mut line = Map::new();
                line.insert(owner.to_owned(), json!(name));
                if let Some(id) = &request_id {
                    line.insert(REQUEST_ID.to_owned(), json!(id));
                }
                let mut names = vec![owner];
                for (name, value) in dimensions {
                    names.push(name);
                    line.insert((*name).to_owned(), json!(value));
                }
                let mut metrics = Vec::new();
                for (name, (value, unit)) in values {
                    metrics.push(json!({ "Name": name, "Unit": unit }));
                    line.insert((*name).to_owned(), json!(value));
                }
                let directive = json!({ "Namespace": NAMESPACE, "Dimensions": [names], "Metrics": metrics });
                line.insert("_aws".to_owned(), json!({ "Timestamp": now, "CloudWatchMetrics": [directive] }));
                Value::Object(line).to_string()
            })
            .collect()
    }

    /// Writes the lines to standard output, which Lambda sends to CloudWatch. Failures are ignored, because a lost
    /// metric must not fail a message. Nothing is written before [`start`](crate::telemetry::start) was called.
    pub fn write(&self, now: i64) {
        for (_, dimensions) in self.values.keys() {
            // For tests that check metrics for personal data: everything in a line except numbers and our own names. In
            // production this crate logs only warnings and errors.
            tracing::trace!(?dimensions, "metrics");
        }
        let Some(function) = crate::telemetry::FUNCTION.get() else { return };
        let mut out = io::stdout().lock();
        for line in self.lines(function, now) {
            let _ = writeln!(out, "{line}");
        }
        let _ = out.flush();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Metrics;

    #[test]
    fn each_set_of_dimensions_is_one_line() {
        let mut metrics = Metrics::default();
        metrics.count("EventsRecorded", vec![], 2);
        metrics.count("EventsRecorded", vec![], 1);
        metrics.count("DeadLettered", vec![("reason", "not-json".to_owned())], 1);
        metrics.longest("FeedLag", 7);
        metrics.longest("FeedLag", 3);
        metrics.count_for_stack("EmailsRejected", 1);
        metrics.oldest("HeldOldest", 60);
        metrics.oldest("HeldOldest", 90);
        let lines: Vec<Value> = metrics
            .lines("leadstream-recorder", 5)
            .iter()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(
            lines,
            [
                json!({"function": "leadstream-recorder", "EventsRecorded": 3, "FeedLag": 7, "HeldOldest": 90, "_aws": {"Timestamp": 5,
                    "CloudWatchMetrics": [{"Namespace": "Leadstream", "Dimensions": [["function"]], "Metrics": [
                        {"Name": "EventsRecorded", "Unit": "Count"}, {"Name": "FeedLag", "Unit": "Milliseconds"},
                        {"Name": "HeldOldest", "Unit": "Seconds"}]}]}}),
                json!({"function": "leadstream-recorder", "reason": "not-json", "DeadLettered": 1, "_aws": {"Timestamp": 5,
                    "CloudWatchMetrics": [{"Namespace": "Leadstream", "Dimensions": [["function", "reason"]],
                        "Metrics": [{"Name": "DeadLettered", "Unit": "Count"}]}]}}),
                json!({"stack": "leadstream", "EmailsRejected": 1, "_aws": {"Timestamp": 5,
                    "CloudWatchMetrics": [{"Namespace": "Leadstream", "Dimensions": [["stack"]],
                        "Metrics": [{"Name": "EmailsRejected", "Unit": "Count"}]}]}}),
            ]
        );
    }
}
