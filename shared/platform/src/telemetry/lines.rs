//! Log lines: JSON, with the request id of the invocation and with error chains.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime as _;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, time};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

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
        if let Some(id) = request_id() {
            line.put(REQUEST_ID, id);
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

/// The key of Lambda's request id, in the runtime's span and in our log lines.
pub(crate) const REQUEST_ID: &str = "requestId";

/// The request id of the current invocation. An execution environment has at most one invocation at a time.
static RUNNING: Mutex<Option<String>> = Mutex::new(None);

/// The request id of the current invocation; `None` while the function starts and between invocations.
pub(crate) fn request_id() -> Option<String> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn set(request_id: Option<String>) {
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = request_id;
}

/// A layer that records the current invocation's request id. It takes it from the span that `lambda_runtime` opens
/// around each invocation, including the runtime's own handling of errors and panics
/// (`lambda_runtime::layers::TracingLayer`).
pub(crate) struct Invocations;

/// Whether a span or event is an invocation's span.
pub(crate) fn is_invocation(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.fields().field(REQUEST_ID).is_some()
}

impl<S: Subscriber> Layer<S> for Invocations {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        attributes.record(&mut RequestId);
    }

    fn on_close(&self, _: Id, _: Context<'_, S>) {
        set(None);
    }
}

struct RequestId;

impl Visit for RequestId {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == REQUEST_ID {
            set(Some(value.to_owned()));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// The text of an error and all its causes, outermost first, separated by `: `.
///
/// `Display` of our own errors never prints the cause. If another crate's does, the cause is not repeated.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let cause_text = error.to_string();
        if !text.ends_with(&cause_text) {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {cause_text}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::chain;

    #[test]
    fn a_chain_names_every_cause_once() {
        let outer = io::Error::other(io::Error::other("connection reset"));
        assert_eq!(chain(&outer), "connection reset", "both errors print it");
        assert_eq!(chain(&io::Error::new(io::ErrorKind::TimedOut, "slow")), "slow");
    }
}
