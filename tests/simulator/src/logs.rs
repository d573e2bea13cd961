//! What the product says in log lines and metrics, as loud as it can be. Nothing personal may be in it.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::mem;
use std::sync::OnceLock;

use tracing::dispatcher::{Dispatch, with_default};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

/// What gives away that something is personal: a piece of each name, address and telephone number that is sent.
const CANARIES: [&str; 5] = ["Canary", "@", "example.com", "no address", "555 0199"];

/// Whether something personal is in it.
pub(crate) fn is_personal(text: &str) -> bool {
    CANARIES.iter().any(|canary| text.contains(canary))
}

/// What was heard in one run.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// How many lines, metrics among them.
    pub(crate) lines: usize,
    /// What was personal, with the name of its field.
    pub(crate) leaks: Vec<String>,
}

thread_local! {
    static HEARD: RefCell<Heard> = RefCell::default();
    static TEXT: RefCell<String> = RefCell::default();
}

/// Listens to all that is said meanwhile on this thread, at every level.
pub(crate) fn listen<T>(work: impl FnOnce() -> T) -> (T, Heard) {
    // One for all: each new one would have every place that logs ask again who listens.
    static EAR: OnceLock<Dispatch> = OnceLock::new();
    HEARD.with_borrow_mut(mem::take);
    let result = with_default(EAR.get_or_init(|| Dispatch::new(Ear)), work);
    (result, HEARD.with_borrow_mut(mem::take))
}

struct Ear;

impl Subscriber for Ear {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::always()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut Ear);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Ear);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        HEARD.with_borrow_mut(|heard| heard.lines += 1);
        event.record(&mut Ear);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Ear {
    fn record_str(&mut self, field: &Field, value: &str) {
        if is_personal(value) {
            HEARD.with_borrow_mut(|heard| heard.leaks.push(format!("{}: {value}", field.name())));
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

    use super::listen;

    #[test]
    fn whatever_is_personal_in_a_line_a_span_or_a_metric_is_heard() {
        let ((), heard) = listen(|| {
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
        assert_eq!((heard.lines, heard.leaks), (5, leaks.map(str::to_owned).to_vec()));
        tracing::error!("nobody listens any more: ada@example.com");
        assert_eq!(listen(|| ()).1.leaks, [""; 0]);
    }
}
