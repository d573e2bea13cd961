//! `leads parity`: compares buyers with the former system. It only looks them up there; no buyer is handed over.

mod compare;
mod files;
mod tally;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::ops::ControlFlow;

pub use compare::{Class, Difference, Seen, compare};
use domain::{BuyerId, Sequence};
use event_store::load;
use files::StateFile;
pub use files::{Compared, Known};
use legacy::Legacy;
use platform::clock::{Clock as _, SystemClock};
use platform::telemetry::chain;
pub use tally::{Found, Tally, html};

use crate::args::Parity;
use crate::buyers::{Ended, GAVE_UP, each};
use crate::output::{Output, Progress, count, interrupted};
use crate::{Exit, Failure, Tables};

/// Compares one buyer. Costs one GET and a load of its stream, which is usually one Query.
///
/// The former system is asked first. An event that it knows has then had time to be recorded here before the stream is
/// read.
///
/// # Errors
/// [`Failure::Stream`], [`Failure::Legacy`].
pub async fn parity(tables: &Tables, former: &impl Legacy, buyer: &BuyerId) -> Result<Compared, Failure> {
    let answer = former.look_up(buyer).await.map_err(Failure::Legacy)?;
    let head = load(&tables.streams, buyer).await;
    let head = head.map_err(|source| Failure::Stream { buyer: buyer.clone(), source })?;
    let is_known = head.state.sequence != Sequence::START || answer != legacy::Answer::default();
    Ok(Compared { buyer: buyer.clone(), is_known, differences: compare(&head, &answer) })
}

pub(crate) async fn command<O: Write, E: Write>(
    comparison: &Parity,
    former: &impl Legacy,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let which = comparison.which();
    let listed = which.listed()?;
    let known = comparison.explained.as_deref().map(files::read_known).transpose()?.unwrap_or_default();
    let files = [&comparison.state, &comparison.explained, &comparison.report].into_iter().flatten();
    if files.clone().collect::<BTreeSet<_>>().len() < files.count() {
        return Err(Failure::Usage("--state, --explained and --report must be different files".to_owned()));
    }
    if let Some(report) = &comparison.report {
        // An unwritable file is reported now rather than after a comparison that may take an hour.
        let opened = fs::OpenOptions::new().append(true).create(true).open(report);
        opened.map_err(|source| Failure::WriteFile { file: report.display().to_string(), source })?;
    }
    let (mut state, earlier) = match &comparison.state {
        Some(path) => {
            let (state, earlier) = StateFile::open(path)?;
            (Some(state), earlier)
        }
        None => (None, Vec::new()),
    };
    let mut tally = Tally { allowed: comparison.allow, is_interrupted: true, ..Tally::default() };
    let mut interrupted = Box::pin(interrupted());
    let pace = comparison.pace;
    let mut ended = Ended::Interrupted;
    if let Some(buyers) = which.resolve(listed, pace.rate, tables, &mut interrupted, output).await? {
        tally.selected = Some(buyers.len() as u64);
        let selected: BTreeSet<&BuyerId> = buyers.iter().collect();
        let mut done = BTreeSet::new();
        for compared in &earlier {
            if selected.contains(&compared.buyer) && done.insert(&compared.buyer) {
                tally.add(compared, &known);
            }
        }
        tally.earlier = tally.compared;
        if tally.earlier > 0 {
            let earlier = count(tally.earlier, "buyer");
            output.aside(&format!(
                "{earlier} already compared by an earlier run; remove the state file to compare every buyer again."
            ))?;
        }
        let progress = Progress::towards(buyers.len() as u64, "compared");
        let left = buyers.iter().filter(|buyer| !done.contains(buyer));
        let work = async |buyer| parity(tables, former, buyer).await;
        ended = each(left, (pace.at_once, true), &mut interrupted, work, |buyer, outcome| {
            let flow = match outcome {
                Ok(compared) => {
                    if let Some(state) = &mut state {
                        state.add(&compared)?;
                    }
                    tally.add(&compared, &known);
                    ControlFlow::Continue(())
                }
                Err(failure) => {
                    tally.failed.insert(buyer.clone(), chain(&failure));
                    ControlFlow::Break(())
                }
            };
            progress.at(tally.compared + tally.failed.len() as u64);
            Ok::<_, Failure>(flow)
        })
        .await?;
        progress.end();
    }
    tally.is_interrupted = ended == Ended::Interrupted;
    if let Some(report) = &comparison.report {
        let written = fs::write(report, html(&tally, SystemClock.now()));
        written.map_err(|source| Failure::WriteFile { file: report.display().to_string(), source })?;
    }
    if output.is_json {
        output.json(&tally.json())?;
    } else {
        output.line(&tally.text())?;
    }
    if ended == Ended::GaveUp {
        output.aside(GAVE_UP)?;
    }
    Ok(if tally.is_interrupted {
        Exit::Interrupted
    } else if !tally.failed.is_empty() {
        Exit::Failed
    } else if tally.unexplained() > tally.allowed || which.names_each() && !tally.unknown.is_empty() {
        Exit::Findings
    } else {
        Exit::Good
    })
}
