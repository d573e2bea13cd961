//! Captures the product's log lines and metrics at the most verbose level. They must contain no personal data.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::mem;
use std::sync::OnceLock;

use tracing::dispatcher::{Dispatch, with_default};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

/// Canaries for personal data: a part of each name, address and telephone number that is sent.
const CANARIES: [&str; 5] = ["Canary", "@", "example.com", "no address", "555 0199"];

/// Whether a text contains personal data.
pub(crate) fn is_personal(text: &str) -> bool {
    CANARIES.iter().any(|canary| text.contains(canary))
}

/// The lines and metrics of one run.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    /// The number of lines, including metrics.
    pub(crate) lines: usize,
    /// The values with personal data, each with the name of its field.
    pub(crate) leaks: Vec<String>,
}

thread_local! {
    static CAPTURED: RefCell<Captured> = RefCell::default();
    static TEXT: RefCell<String> = RefCell::default();
}

/// Captures everything that is logged on this thread during the work, at every level.
pub(crate) fn capture<T>(work: impl FnOnce() -> T) -> (T, Captured) {
    // One dispatcher for all runs: each new one would make every call site look up its subscribers again.
    static CAPTURE: OnceLock<Dispatch> = OnceLock::new();
    CAPTURED.with_borrow_mut(mem::take);
    let result = with_default(CAPTURE.get_or_init(|| Dispatch::new(Capture)), work);
    (result, CAPTURED.with_borrow_mut(mem::take))
}

struct Capture;

impl Subscriber for Capture {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::always()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut Capture);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Capture);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        CAPTURED.with_borrow_mut(|captured| captured.lines += 1);
        event.record(&mut Capture);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Capture {
    fn record_str(&mut self, field: &Field, value: &str) {
        if is_personal(value) {
            CAPTURED.with_borrow_mut(|captured| captured.leaks.push(format!("{}: {value}", field.name())));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = TEXT.with_borrow_mut(mem::take);
        text.clear();
        // Writing to a String cannot fail.
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text);
        TEXT.with_borrow_mut(|kept| *kept = text);
    }

    fn record_u64(&mut self, _: &Field, _: u64) {}

    fn record_i64(&mut self, _: &Field, _: i64) {}

    fn record_bool(&mut self, _: &Field, _: bool) {}
}

#[cfg(test)]
mod tests {
    use platform::telemetry::Metrics;

    use super::capture;

    #[test]
    fn personal_data_in_lines_spans_and_metrics_is_found() {
        let ((), captured) = capture(|| {
            tracing::trace!(buyer = "b0", sequence = 3, reason = "no answer", "recorded");
            tracing::error!(error = "Email address is not verified: ada@example.com", "not sent");
            tracing::trace!(name = ?Some("Ada Canary"), "of a debug value");
            let _span = tracing::info_span!("a span", phone = "+61 400 555 0199").entered();
            let mut metrics = Metrics::default();
            metrics.count("DeadLettered", vec![("reason", "not-json".to_owned())], 1);
            metrics.count("DeadLettered", vec![("reason", "no address".to_owned())], 1);
            metrics.write(0);
        });
        let leaks = [
            "error: Email address is not verified: ada@example.com",
            "name: Some(\"Ada Canary\")",
            "phone: +61 400 555 0199",
            "dimensions: [(\"reason\", \"no address\")]",
        ];
        assert_eq!((captured.lines, captured.leaks), (5, leaks.map(str::to_owned).to_vec()));
        tracing::error!("no longer captured: ada@example.com");
        assert_eq!(capture(|| ()).1.leaks, [""; 0]);
    }
}
