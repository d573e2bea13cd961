use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is over sooner needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// Progress on the terminal, once it takes long; never in a file or a pipe.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    begun: Instant,
}

impl Progress {
    /// A bar that fills; `done` is what becomes of each, as in `posted`.
    pub(crate) fn towards(total: u64, done: &str) -> Self {
        Self::styled(
            Some(total),
            &format!("{{wide_bar}} {{human_pos}} of {{human_len}} {done}, {{eta}} left"),
        )
    }

    /// A count without a known end, as in `commits read`.
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
        if self.bar.is_hidden() && self.begun.elapsed() >= PATIENCE && io::stderr().is_terminal() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(position);
    }

    /// Adds this to the line.
    pub(crate) fn note(&self, text: String) {
        self.bar.set_message(text);
    }

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
