use std::fmt::{self, Write as _};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime as _;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, time};
use tracing_subscriber::registry::LookupSpan;

use crate::telemetry::invocation;

/// A formatter that writes each event as one JSON object on one line: `timestamp`, `level`, `requestId` while an
/// invocation runs, `message`, then the event's fields.
///
/// No key appears twice in a line; the first value wins. The formatter of `tracing-subscriber` would write a field
/// named `message` as well as the message itself, under the same key (tokio-rs/tracing#3195).
pub(crate) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut timestamp = String::new();
        time().format_time(&mut Writer::new(&mut timestamp))?;
        let mut line = Line::default();
        line.put("timestamp", timestamp);
        line.put("level", event.metadata().level().as_str());
        if let Some(id) = invocation::request_id() {
            line.put(invocation::REQUEST_ID, id);
        }
        event.record(&mut line);
        writeln!(writer, "{line}")
    }
}

/// Keys and values in insertion order; a key that is already present is ignored.
#[derive(Default)]
struct Line(Vec<(&'static str, Value)>);

impl Line {
    fn put(&mut self, key: &'static str, value: impl Into<Value>) {
        if self.0.iter().all(|(known, _)| *known != key) {
            self.0.push((key, value.into()));
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            write!(formatter, "{before}{}:{value}", Value::from(*key))?;
        }
        formatter.write_char('}')
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }
}
