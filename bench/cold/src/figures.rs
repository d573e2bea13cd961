//! What was measured of a binary over a line.

use std::time::Duration;

use serde_json::{Value, json};

use crate::aws::{Asked, Line};
use crate::callgrind::Used;
use crate::spread::Spread;

/// A binary, and how it did over each line.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) name: &'static str,
    /// The file's size in bytes.
    pub(crate) size: u64,
    pub(crate) lines: Vec<(Line, Phases)>,
}

/// A life in three parts.
#[derive(Debug, Clone)]
pub(crate) struct Phases {
    /// From its start to the first `/next`.
    pub(crate) start: Phase,
    /// The first event.
    pub(crate) first: Phase,
    /// A later event, on the average.
    pub(crate) warm: Phase,
    /// The most memory resident at the first `/next`, in kibibytes.
    pub(crate) memory: Spread<u64>,
}

/// What one part costs.
#[derive(Debug, Clone)]
pub(crate) struct Phase {
    pub(crate) wall: Spread<Duration>,
    pub(crate) instructions: u64,
    /// How far apart the counts lie that this one comes from. What draws chance from how long instructions take, as a
    /// library for cryptography may, never counts the same twice.
    pub(crate) doubt: u64,
    pub(crate) syscalls: u64,
    pub(crate) asked: Asked,
}

impl Phase {
    pub(crate) fn new(wall: Vec<Duration>, used: Used, doubt: u64, asked: Asked) -> Self {
        let Used { instructions, syscalls } = used;
        Self { wall: Spread::of(wall), instructions, doubt, syscalls, asked }
    }

    /// Whether the count of instructions says something: it is in doubt by less than a tenth.
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
            "requests": self.asked.operations,
            "connections": self.asked.connections,
        })
    }
}

impl Phases {
    pub(crate) fn named(&self) -> [(&'static str, &Phase); 3] {
        [("start", &self.start), ("first event", &self.first), ("warm event", &self.warm)]
    }
}

impl Figures {
    /// How it did over this line.
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
