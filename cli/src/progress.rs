use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long a command runs before its progress is shown.
const SHOW_AFTER: Duration = Duration::from_secs(1);

/// A progress line on standard error. It appears after [`SHOW_AFTER`], and only if standard error is a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    begun: Instant,
}

impl Progress {
    /// A bar towards a known total; `done` is the participle printed after the numbers, as in `posted`.
    pub(crate) fn towards(total: u64, done: &str) -> Self {
        Self::styled(
            Some(total),
            &format!("{{wide_bar}} {{human_pos}} of {{human_len}} {done}, {{eta}} left"),
        )
    }

    /// A counter without a known total; `what` is printed after the number, as in `commits read`.
    pub(crate) fn counting(what: &str) -> Self {
        Self::styled(None, &format!("{{spinner}} {{human_pos}} {what}{{msg}}, {{elapsed}} so far"))
    }

    fn styled(total: Option<u64>, template: &str) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, begun: Instant::now() }
    }

    pub(crate) fn at(&self, position: u64) {
        if self.bar.is_hidden() && self.begun.elapsed() >= SHOW_AFTER && io::stderr().is_terminal() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(position);
    }

    /// Sets the text printed after a counter.
    pub(crate) fn note(&self, text: String) {
        self.bar.set_message(text);
    }

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
