//! `leads status`: whether a stack is well, on one screen, and what to do if it is not. It reads what the stack measures
//! itself: its alarms and metrics, its queues, the index of open work and the sweeper's place. The number of requests does
//! not depend on the number of buyers.

mod lines;
mod look;
mod metrics;
mod print;

use std::io::Write;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
pub(crate) use lines::{Line, State, lines};
pub(crate) use look::{Seen, Source, look, open_work};

use crate::args::Status;
use crate::output::{Output, interrupted, screen};
use crate::{Exit, Failure};

pub(crate) async fn command<O: Write, E: Write>(
    status: &Status,
    source: &Source<'_>,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let width = status.columns.map(usize::from).or_else(|| screen().map(|(_, columns)| columns.into()));
    let Some(seconds) = status.watch else {
        return show(&look(source).await?, width, false, output);
    };
    let is_cleared = status.columns.is_none() && screen().is_some() && !output.is_json;
    let mut seen = look(source).await?;
    let mut stop = pin!(interrupted());
    loop {
        if is_cleared {
            // Cursor home, erase what is below: ECMA-48, CUP and ED.
            output.line("\u{1b}[H\u{1b}[2J")?;
        }
        let exit = show(&seen, width, true, output)?;
        output.flush()?;
        let next = pin!(next(source, seconds, output.err));
        seen = match select(next, &mut stop).await {
            Either::Left((seen, _)) => seen,
            Either::Right(_) => return Ok(exit),
        };
    }
}

/// The next look that succeeds. A failure is only reported, because an outage may be what is being watched.
async fn next(source: &Source<'_>, seconds: u64, err: &mut impl Write) -> Seen {
    loop {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        match look(source).await {
            Ok(seen) => return seen,
            Err(failure) => failure.print(err),
        }
    }
}

/// Prints one look. Red lines decide the exit code, then lines that could not be read.
fn show<O: Write, E: Write>(
    seen: &Seen,
    width: Option<usize>,
    is_repeated: bool,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let lines = lines(seen);
    if output.is_json && is_repeated {
        output.line(&print::json(seen, &lines).to_string())?;
    } else if output.is_json {
        output.json(&print::json(seen, &lines))?;
    } else {
        output.line(&print::text(seen, &lines, width))?;
    }
    let has = |state| lines.iter().any(|line| line.state == state);
    Ok(if has(State::Red) {
        Exit::Findings
    } else if has(State::Unknown) {
        Exit::Failed
    } else {
        Exit::Good
    })
}
