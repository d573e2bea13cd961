//! The figures measured for a binary.

use std::time::Duration;

use serde_json::{Value, json};

use crate::aws::{Line, Traffic};
use crate::callgrind::Used;
use crate::spread::Spread;

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
