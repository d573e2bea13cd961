//! Captures log lines.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Metadata, Subscriber};

pub use tracing::Level;

/// Captures what one crate logs on this thread, until it is dropped.
#[derive(Debug)]
pub struct Logs {
    lines: Arc<Mutex<Vec<String>>>,
    _listening: DefaultGuard,
}

impl Logs {
    /// Begins to capture the lines of this crate at this level and above.
    #[must_use]
    pub fn listen(to: &'static str, level: Level) -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let capture = Capture { to, level, lines: Arc::clone(&lines) };
        let listening = tracing::subscriber::set_default(capture);
        Self { lines, _listening: listening }
    }

    /// The lines so far, as `<level> <message> <field>=<value>…`, with fields sorted by name.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

struct Capture {
    to: &'static str,
    level: Level,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.level && metadata.target().starts_with(self.to)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        line.fields.sort();
        let mut text = format!("{} {}", event.metadata().level(), line.message);
        for field in line.fields {
            write!(text, " {field}").unwrap();
        }
        self.lines.lock().unwrap().push(text);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: Vec<String>,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push(format!("{}={value}", field.name()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.push(format!("{}={value:?}", field.name()));
        }
    }
}
