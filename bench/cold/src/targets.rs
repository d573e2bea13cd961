//! The targets for a start, as ratios between figures of the same run.

use serde_json::{Value, json};

use crate::aws::Line;
use crate::figures::Figures;

/// A target with its limit and the measured value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) limit: f64,
    pub(crate) measured: f64,
}

impl Target {
    pub(crate) fn is_met(&self) -> bool {
        self.measured <= self.limit
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "name": self.name, "limit": self.limit, "measured": self.measured, "isMet": self.is_met() })
    }
}

/// All targets of the recorder, compared with the hello-world of the same run.
pub(crate) fn targets(recorder: &Figures, hello: &Figures) -> Vec<Target> {
    let start = |figures: &Figures, line| figures.over(line).map_or(0, |phases| phases.start.instructions);
    let against_hello = |line| ratio(start(recorder, line), start(hello, line));
    let first = |line| {
        recorder.over(line).map_or(0.0, |phases| ratio(phases.first.instructions, phases.warm.instructions))
    };
    let target = |name, limit, measured| Target { name, limit, measured };
    vec![
        target("size in megabytes", 7.0, ratio(recorder.size, 1_000_000)),
        target("start over plain HTTP, in hello's instructions", 1.3, against_hello(Line::Plain)),
        target("start over TLS, in hello's instructions", 2.5, against_hello(Line::Tls)),
        target("first event over plain HTTP, in a warm one's instructions", 2.0, first(Line::Plain)),
        target("first event over TLS, in a warm one's instructions", 2.0, first(Line::Tls)),
    ]
}

/// The parts of the recorder's start that cannot be reduced, in hello's instructions. They show whether a target that
/// is not met can be met at all.
pub(crate) fn limits(recorder: &Figures, hello: &Figures) -> Vec<(&'static str, f64)> {
    let (Some(plain), Some(tls), Some(hello)) =
        (recorder.over(Line::Plain), recorder.over(Line::Tls), hello.over(Line::Plain))
    else {
        return Vec::new();
    };
    let requests = u64::try_from(plain.warm.traffic.operations.len()).unwrap_or(u64::MAX).max(1);
    let handshake = tls.start.instructions.saturating_sub(plain.start.instructions);
    let unit = hello.start.instructions;
    vec![
        (
            "a request of a warm event, with its share of the handler",
            ratio(plain.warm.instructions / requests, unit),
        ),
        ("a hand-shake: a start over TLS less one over plain HTTP", ratio(handshake, unit)),
    ]
}

/// The ratio of two numbers; 0 if the second one is 0.
#[expect(clippy::cast_precision_loss, reason = "counts of instructions are far below 2^52")]
pub(crate) fn ratio(number: u64, unit: u64) -> f64 {
    if unit == 0 { 0.0 } else { number as f64 / unit as f64 }
}

#[cfg(test)]
mod tests {
    use super::{Target, ratio};

    #[test]
    fn a_target_is_met_up_to_its_limit() {
        let target = |measured| Target { name: "size", limit: 2.5, measured };
        assert!(target(ratio(5, 2)).is_met());
        assert!(!target(ratio(51, 20)).is_met());
    }

    #[test]
    fn a_ratio_to_zero_is_zero() {
        assert!(ratio(5, 0).abs() < f64::EPSILON);
    }
}
