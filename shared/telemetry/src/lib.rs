//! What a person on call reads: JSON log lines, error chains and metrics, the same in every function.
//!
//! Nothing personal goes in: fields are ids, numbers and reasons. Knows no AWS crate; CloudWatch takes metrics out of
//! the log lines themselves (embedded metric format).

mod chain;
mod metrics;

use std::str::FromStr;

pub use chain::chain;
pub use metrics::Metrics;
use tracing::level_filters::LevelFilter;

/// Starts JSON log lines on standard output, from this level on (`error`, `warn`, `info`, `debug`, `trace`; `info` if
/// the word is none of these). Lambda adds no time of its own to a line, so each carries one.
pub fn start(level: Option<&str>) {
    let level = level.and_then(|word| LevelFilter::from_str(word).ok()).unwrap_or(LevelFilter::INFO);
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level)
        .init();
}
