//! What starting may cost, as ratios within one run.

use serde_json::{Value, json};

use crate::aws::Line;
use crate::figures::Figures;

/// A limit, and what was measured.
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

/// All targets of the recorder, beside a hello-world of the same run.
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

/// What of the recorder's start cannot be less, in hello's instructions: by these, a target that is not met cannot be.
pub(crate) fn limits(recorder: &Figures, hello: &Figures) -> Vec<(&'static str, f64)> {
    let (Some(plain), Some(tls), Some(hello)) =
        (recorder.over(Line::Plain), recorder.over(Line::Tls), hello.over(Line::Plain))
    else {
        return Vec::new();
    };
    let requests = u64::try_from(plain.warm.asked.operations.len()).unwrap_or(u64::MAX).max(1);
    let hand_shake = tls.start.instructions.saturating_sub(plain.start.instructions);
    let unit = hello.start.instructions;
    vec![
        (
            "a request of a warm event, with its share of the handler",
            ratio(plain.warm.instructions / requests, unit),
        ),
        ("a hand-shake: a start over TLS less one over plain HTTP", ratio(hand_shake, unit)),
    ]
}

/// One number in another one's terms; 0 where there is nothing to compare with.
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
    fn nothing_is_no_unit() {
        assert!(ratio(5, 0).abs() < f64::EPSILON);
    }
}
