//! The figures measured for a binary, and the targets for a start, which are ratios between figures of the same run.

use std::time::Duration;

use serde_json::{Value, json};

use crate::aws::{Line, Traffic};

/// The figures of a binary over each protocol.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) name: &'static str,
    /// The file's size in bytes.
    pub(crate) size: u64,
    pub(crate) lines: Vec<(Line, Phases)>,
}

/// The figures of a process's life, in three parts.
#[derive(Debug, Clone)]
pub(crate) struct Phases {
    /// The start, up to the first `/next`.
    pub(crate) start: Phase,
    /// The first event.
    pub(crate) first: Phase,
    /// A later event, on average.
    pub(crate) warm: Phase,
    /// The peak resident memory at the first `/next`, in kibibytes.
    pub(crate) memory: Spread<u64>,
}

/// The cost of one part.
#[derive(Debug, Clone)]
pub(crate) struct Phase {
    pub(crate) wall: Spread<Duration>,
    pub(crate) instructions: u64,
    /// The spread of the counts behind `instructions`. Code that gathers entropy from timing, as a library for
    /// cryptography may, never counts the same twice.
    pub(crate) doubt: u64,
    pub(crate) syscalls: u64,
    pub(crate) traffic: Traffic,
}

impl Phase {
    pub(crate) fn new(wall: Vec<Duration>, used: Used, doubt: u64, traffic: Traffic) -> Self {
        let Used { instructions, syscalls } = used;
        Self { wall: Spread::of(wall), instructions, doubt, syscalls, traffic }
    }

    /// Whether the count of instructions is meaningful: its spread is less than a tenth of it.
    pub(crate) const fn is_certain(&self) -> bool {
        self.doubt < self.instructions / 10
    }

    fn to_json(&self) -> Value {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        json!({
            "wallMicros": { "median": micros(self.wall.median), "least": micros(self.wall.least), "most": micros(self.wall.most) },
            "instructions": self.instructions,
            "instructionsDoubt": self.doubt,
            "syscalls": self.syscalls,
            "requests": self.traffic.operations,
            "connections": self.traffic.connections,
        })
    }
}

impl Phases {
    pub(crate) fn named(&self) -> [(&'static str, &Phase); 3] {
        [("start", &self.start), ("first event", &self.first), ("warm event", &self.warm)]
    }
}

impl Figures {
    /// The figures over this protocol.
    pub(crate) fn over(&self, line: Line) -> Option<&Phases> {
        self.lines.iter().find(|(over, _)| *over == line).map(|(_, phases)| phases)
    }

    pub(crate) fn to_json(&self) -> Value {
        let lines = self.lines.iter().map(|(line, phases)| {
            let mut json: serde_json::Map<String, Value> =
                phases.named().map(|(name, phase)| (name.to_owned(), phase.to_json())).into_iter().collect();
            let Spread { median, least, most } = phases.memory;
            json.insert("residentKib".to_owned(), json!({ "median": median, "least": least, "most": most }));
            (line.name().to_owned(), Value::Object(json))
        });
        json!({ "name": self.name, "bytes": self.size, "lines": lines.collect::<serde_json::Map<_, _>>() })
    }
}

/// The instructions and syscalls that a process has used when it waits for an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Used {
    pub(crate) instructions: u64,
    pub(crate) syscalls: u64,
}

impl Used {
    /// The use since an earlier moment.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self {
            instructions: self.instructions.saturating_sub(earlier.instructions),
            syscalls: self.syscalls.saturating_sub(earlier.syscalls),
        }
    }

    /// The average of `many` events.
    pub(crate) const fn per(self, many: u64) -> Self {
        Self { instructions: self.instructions / many, syscalls: self.syscalls / many }
    }
}

/// The median of some values, with the least and the most of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spread<T> {
    pub(crate) median: T,
    pub(crate) least: T,
    pub(crate) most: T,
}

impl<T: Copy + Default + Ord> Spread<T> {
    /// The spread of these values. The median of an even number of values is the lower one of the two in the middle;
    /// without values everything is zero.
    pub(crate) fn of(mut values: Vec<T>) -> Self {
        values.sort_unstable();
        let at = |place: usize| values.get(place).copied().unwrap_or_default();
        let last = values.len().saturating_sub(1);
        Self { median: at(last / 2), least: at(0), most: at(last) }
    }
}

impl Spread<Used> {
    /// The difference between the most and the least count of instructions.
    pub(crate) const fn doubt(&self) -> u64 {
        self.most.instructions - self.least.instructions
    }
}

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
    use super::{Spread, Target, ratio};

    #[test]
    fn the_median_is_a_value_that_was_measured() {
        assert_eq!(Spread::of(vec![3, 1, 2]), Spread { median: 2, least: 1, most: 3 });
        assert_eq!(Spread::of(vec![4, 1, 3, 2]), Spread { median: 2, least: 1, most: 4 });
        assert_eq!(Spread::<u8>::of(Vec::new()), Spread { median: 0, least: 0, most: 0 });
    }

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
