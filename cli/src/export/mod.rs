//! `leads export`: streams as JSON Lines, each commit as it is stored, for an access request, a backup or an analysis.

pub mod file;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use contract::stored::export::{EXPORT, ExportedBuyer, Header, Line, Totals};
use domain::BuyerId;
use event_store::{StoreError, stored_history};
use serde_json::json;

use crate::args::Export;
use crate::buyers::Which;
use crate::output::{Output, Progress, count, interrupted};
use crate::pass::in_order;
use crate::{Exit, Failure, Tables};
use file::Partial;

/// The lines of one buyer, and the read units that they took; no lines for an unknown buyer.
///
/// Without `with_contacts`, contacts, free text and snapshots are removed.
///
/// # Errors
/// [`Failure::Stream`], [`Failure::Leads`].
pub async fn lines(
    tables: &Tables,
    buyer: &BuyerId,
    with_contacts: bool,
) -> Result<(Vec<Line>, f64), Failure> {
    // Read before the stream, so that no commit counts as settled that is not in the file.
    let about =
        tables.leads.about(buyer).await.map_err(|source| Failure::Leads { buyer: buyer.clone(), source })?;
    let of_stream = |source| Failure::Stream { buyer: buyer.clone(), source };
    let commits = stored_history(&tables.streams, buyer).await.map_err(of_stream)?;
    if commits.is_empty() {
        return Ok((Vec::new(), 1.0));
    }
    // A read unit of a consistent read is 4 KB.
    let bytes: usize = commits.iter().map(contract::stored::StoredCommit::bytes).sum();
    let units = bytes.div_ceil(4096) + 1;
    let outcomes = about.settled.iter().map(|(sequence, outcomes)| {
        let names = outcomes.iter().map(|(key, outcome)| (key.clone(), outcome.name().to_owned()));
        (sequence.to_string(), names.collect())
    });
    let mut lines = vec![Line::Buyer(ExportedBuyer {
        buyer: buyer.to_string(),
        commits: commits.len() as u64,
        through: about.cursor.through.get(),
        stopped: about.cursor.stopped.into_iter().map(|digest| digest.0).collect(),
        outcomes: outcomes.collect(),
    })];
    for commit in commits {
        let commit = if with_contacts {
            commit
        } else {
            commit.without_personal_data().map_err(|error| of_stream(StoreError::Undecodable(error)))?
        };
        lines.push(Line::Commit(Box::new(commit)));
    }
    Ok((lines, f64::from(u32::try_from(units).unwrap_or(u32::MAX))))
}

/// Where the lines go.
enum Sink {
    StandardOutput,
    File(Partial),
}

impl Sink {
    fn add(&mut self, text: &str, out: &mut impl Write) -> Result<(), Failure> {
        match self {
            Self::StandardOutput => out.write_all(text.as_bytes()).map_err(Failure::Write),
            Self::File(file) => file.add(text),
        }
    }
}

pub(crate) async fn command<O: Write, E: Write>(
    export: &Export,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let header = Header { version: EXPORT, has_contacts: export.contact };
    let (mut sink, mut totals, exported) = match &export.to {
        Some(path) => {
            let (file, totals, exported) = Partial::open(path, header)?;
            (Sink::File(file), totals, exported)
        }
        None => (Sink::StandardOutput, Totals::default(), BTreeSet::new()),
    };
    if exported.is_empty() {
        sink.add(&text_of(&[Line::Export(header)]), output.out)?;
    }
    let which = export.buyer.clone().map_or(Which::All, |buyer| Which::Named(vec![buyer]));
    let mut stop = Box::pin(interrupted());
    let found = which.resolve(which.listed()?, export.rate, tables, &mut stop, output).await?;
    let Some(found) = found else { return end(export.to.as_deref(), (totals, false), output) };
    let buyers: Vec<BuyerId> = found.into_iter().filter(|buyer| !exported.contains(buyer)).collect();
    let progress = Progress::towards(buyers.len() as u64, "exported");
    let mut done = 0;
    let reading = async |buyer| lines(tables, buyer, export.contact).await;
    let passed = in_order(&buyers, export.rate, &mut stop, reading, async |group| {
        let mut units_of_group = 0.0;
        let mut text = String::new();
        let mut of_group = Totals::default();
        let buyers = group.len() as u64;
        for (_, read) in group {
            let (lines, units) = read?;
            text.push_str(&text_of(&lines));
            of_group.buyers += u64::from(!lines.is_empty());
            of_group.commits += (lines.len() as u64).saturating_sub(1);
            units_of_group += units;
        }
        sink.add(&text, output.out)?;
        totals.buyers += of_group.buyers;
        totals.commits += of_group.commits;
        done += buyers;
        progress.at(done);
        Ok(units_of_group)
    })
    .await;
    progress.end();
    let is_complete = passed.next.is_none();
    if is_complete {
        sink.add(&text_of(&[Line::End(totals)]), output.out)?;
    }
    if let (Some(buyer), 0) = (&export.buyer, totals.buyers)
        && is_complete
    {
        return crate::show::unknown(buyer, output);
    }
    let exit = end(export.to.as_deref(), (totals, is_complete), output)?;
    passed.failure.map_or(Ok(exit), Err)
}

fn text_of(lines: &[Line]) -> String {
    lines.iter().flat_map(|line| [line.write(), "\n".to_owned()]).collect()
}

/// Reports the result: beside a file on standard output, otherwise on standard error.
fn end<O: Write, E: Write>(
    file: Option<&Path>,
    (totals, is_complete): (Totals, bool),
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let (buyers, commits) = (count(totals.buyers, "buyer"), count(totals.commits, "commit"));
    let text = format!("Exported {buyers} with {commits}.");
    match file {
        Some(_) if output.is_json => output.json(&json!({
            "isComplete": is_complete, "buyers": totals.buyers, "commits": totals.commits,
        }))?,
        Some(_) => output.line(&text)?,
        None => output.aside(&text)?,
    }
    if is_complete {
        return Ok(Exit::Good);
    }
    output.aside(match file {
        Some(_) => "INCOMPLETE. Run it again with the same file to go on.",
        None => "INCOMPLETE. Use --to FILE for an export that can go on.",
    })?;
    Ok(Exit::Interrupted)
}
