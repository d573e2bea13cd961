//! Logs and metrics, the same in every function: JSON log lines, error chains, and metrics written as log lines.
//!
//! Fields are ids, numbers and reasons, never personal data. `docs/runbook.md` lists every field and metric by name.
//! This module uses no AWS crate: CloudWatch extracts the metrics from the log lines (embedded metric format).

mod lines;
mod metrics;
mod spans;

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::sync::OnceLock;

pub use lines::chain;
pub use metrics::Metrics;
pub(crate) use spans::otlp;
pub use spans::{Span, SpanKind};
use tracing::Subscriber;
pub use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// This project's crates, which may log below the level `warn`. Other crates log whole requests and bodies there, which
/// contain personal data and credentials.
const OURS: [&str; 11] = [
    "contract",
    "domain",
    "effects",
    "event_store",
    "leads_store",
    "legacy",
    "platform",
    "reactor",
    "receipts",
    "recorder",
    "sweeper",
];

/// The function's full name; set by [`start`].
static FUNCTION: OnceLock<String> = OnceLock::new();

/// Starts logging and metrics on standard output.
///
/// `level` applies to the crates in `OURS`; others log only warnings and errors. `function` is the full name,
/// `<stack>-<function>`. While an invocation runs, each log line and metric carries its request id. A panic is logged
/// with its place in the code but without its message, which may quote personal data.
pub fn start(level: LevelFilter, function: String) {
    subscriber(level, io::stdout).init();
    FUNCTION.get_or_init(|| function);
    report_panics();
}

fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a panic");
    }));
}

fn subscriber<W>(level: LevelFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().event_format(lines::JsonLines).with_writer(writer);
    let levels = Targets::new()
        .with_default(LevelFilter::WARN.min(level))
        .with_targets(OURS.map(|name| (name, level)));
    // Without the hint, the filter would be evaluated for every log statement of every level.
    let invocations = filter_fn(lines::is_invocation).with_max_level_hint(LevelFilter::INFO);
    tracing_subscriber::registry()
        .with(lines::Invocations.with_filter(invocations))
        .with(lines.with_filter(levels))
}

/// The exit code for the result of a function's program; an error is also logged. If `main` returned the error, Rust
/// would print it as plain text instead of a JSON log line.
#[must_use]
pub fn exit(result: Result<(), Box<dyn Error + Send + Sync>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(error.as_ref()), "the function ends");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::panic::catch_unwind;
    use std::process::ExitCode;
    use std::sync::{Arc, Mutex};

    use tracing::subscriber::with_default;
    use tracing::{error, info, info_span};

    use super::{LevelFilter, Metrics, exit, subscriber};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("whole").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The log lines that `work` writes, without the timestamp.
    fn lines_of(work: impl FnOnce()) -> Vec<String> {
        let written = Written::default();
        let writer = written.clone();
        with_default(subscriber(LevelFilter::INFO, move || writer.clone()), work);
        let text = String::from_utf8(written.0.lock().expect("whole").clone()).expect("UTF-8");
        let after_time = |line: &str| line.split_once("Z\",").map(|(_, rest)| rest.to_owned());
        text.lines().map(|line| after_time(line).expect(line)).collect()
    }

    #[test]
    fn lines_and_metrics_of_an_invocation_carry_its_request_id() {
        let mut metrics = Metrics::default();
        metrics.count("Duplicates", vec![], 1);
        let mut metric = Vec::new();
        let lines = lines_of(|| {
            error!(error = "cold", "cannot warm up");
            let invocation = info_span!(target: "lambda_runtime", "any name", requestId = "r-1");
            invocation.in_scope(|| {
                let (buyer, no_offer) = ("b\"\n", None::<u64>);
                info!(target: "recorder", buyer = %buyer, offer = no_offer, sequence = 3, is_new = true, "recorded");
                metric = metrics.lines("stack-recorder", 5);
            });
            info!(target: "another_crate", "may contain a body");
            error!("the runtime failed");
            drop(invocation);
            error!("no invocation runs");
        });
        assert_eq!(
            lines,
            [
                r#""level":"ERROR","message":"cannot warm up","error":"cold"}"#,
                r#""level":"INFO","requestId":"r-1","message":"recorded","buyer":"b\"\n","sequence":3,"is_new":true}"#,
                r#""level":"ERROR","requestId":"r-1","message":"the runtime failed"}"#,
                r#""level":"ERROR","message":"no invocation runs"}"#,
            ]
        );
        assert!(metric[0].contains(r#""requestId":"r-1""#), "{metric:?}");
        assert!(!metrics.lines("stack-recorder", 5)[0].contains("requestId"));
    }

    #[test]
    fn a_panic_is_logged_with_its_place_and_without_its_message() {
        super::report_panics();
        let lines = lines_of(|| {
            let ended = catch_unwind(|| panic!("about ada@example.com"));
            assert!(ended.is_err());
        });
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with(r#""level":"ERROR","message":"a panic","place":"#), "{lines:?}");
        assert!(lines[0].contains("mod.rs:") && !lines[0].contains("ada"), "{lines:?}");
    }

    #[test]
    fn an_error_that_ends_the_function_is_logged() {
        let cause = io::Error::other("LEADS_TABLE is not set");
        let lines = lines_of(|| assert_eq!(exit(Err(cause.into())), ExitCode::FAILURE));
        assert_eq!(
            lines,
            [r#""level":"ERROR","message":"the function ends","error":"LEADS_TABLE is not set"}"#]
        );
        assert_eq!(lines_of(|| assert_eq!(exit(Ok(())), ExitCode::SUCCESS)), [""; 0]);
    }

    #[test]
    fn a_repeated_key_is_dropped_and_the_message_stays() {
        let lines =
            lines_of(|| info!(target: "recorder", message = "3d53", level = 4, a = 1, a = 2, "recorded"));
        assert_eq!(lines, [r#""level":"INFO","message":"recorded","a":1}"#]);
    }
}
