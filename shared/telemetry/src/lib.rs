//! What a person on call reads: JSON log lines, error chains and metrics, the same in every function.
//!
//! Nothing personal goes in: fields are ids, numbers and reasons. Knows no AWS crate; CloudWatch takes metrics out of
//! the log lines themselves (embedded metric format).

mod chain;
mod metrics;

use std::sync::OnceLock;

pub use chain::chain;
pub use metrics::Metrics;
pub use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The crates that may say more than warnings. Others repeat whole requests and bodies at finer levels, and those hold
/// personal data and credentials.
const OURS: [&str; 6] = ["recorder", "reactor", "sweeper", "receipts", "effects", "event_store"];

/// The function's name, once log lines go to standard output.
static FUNCTION: OnceLock<String> = OnceLock::new();

/// Starts JSON log lines on standard output, from this level on for our own crates (`error`, `warn`, `info`, `debug`,
/// `trace`), and metrics under this function's whole name, with its stack's in it. Panics are told by their place only: their
/// message may quote data.
pub fn start(level: LevelFilter, function: String) {
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false);
    let levels = Targets::new()
        .with_default(LevelFilter::WARN.min(level))
        .with_targets(OURS.map(|name| (name, level)));
    tracing_subscriber::registry().with(lines.with_filter(levels)).init();
    FUNCTION.get_or_init(|| function);
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a panic");
    }));
}
