use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is over sooner needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar on the terminal, once it takes long; never in a file or a pipe.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    begun: Instant,
}

impl Progress {
    pub(crate) fn towards(total: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        if let Ok(style) =
            ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len} posted, {eta} left")
        {
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

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
