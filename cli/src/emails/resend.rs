//! `leads emails --resend`: an operator's decision to send e-mails again. Each ledger entry is changed only if it is
//! still as it was read. The next sweeps send the e-mail if its premise still holds.

use std::io::Write;

use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use leads_store::{LedgerEntry, Status};
use platform::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::{Email, EmailId, HEADER, Selection, emails, print, print_cost};
use crate::output::{Output, count, table};
use crate::progress::Progress;
use crate::{Exit, Failure, Tables};

/// The number of ledger entries changed concurrently.
const AT_ONCE: usize = 16;

/// The outcome for one e-mail to be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Its entry is now `retry` and due.
    Resent,
    /// Its entry changed after it was read, and was left alone.
    Changed,
}

/// Sends one e-mail again.
pub(super) async fn one<O: Write, E: Write>(
    EmailId { buyer, key }: &EmailId,
    is_confirmed: bool,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let about = tables.leads.about(buyer).await;
    let about = about.map_err(|source| Failure::Leads { buyer: buyer.clone(), source })?;
    let Some(entry) = about.ledger.get(key) else {
        output.aside(&format!("there is no e-mail {buyer}/{key}"))?;
        return Ok(Exit::Findings);
    };
    let mut email = Email { buyer: buyer.clone(), key: key.clone(), entry: entry.clone() };
    if !entry.status.is_resendable() {
        let status = entry.status.name();
        output.aside(&format!(
            "{buyer}/{key} is `{status}`: only `unknown`, `abandoned` and `rejected` e-mails can be sent again"
        ))?;
        return Ok(Exit::Findings);
    }
    if !is_confirmed {
        email.print(output)?;
        return Err(not_confirmed(&format!("{buyer}/{key}"), entry.status));
    }
    let now = SystemClock.now();
    if resend(&email, now, tables).await? == Outcome::Changed {
        output.aside(&format!("{buyer}/{key} changed meanwhile: check it, then run the command again"))?;
        return Ok(Exit::Findings);
    }
    email.entry = LedgerEntry {
        status: Status::Retry,
        reason: None,
        due: Some(now),
        since: now,
        first_tried_at: None,
        ..email.entry
    };
    email.print(output)?;
    output.aside("The next sweep sends it if its premise still holds.")?;
    Ok(Exit::Good)
}

/// Sends all selected e-mails again; without confirmation only lists and counts them. Repeating it is safe, because an
/// e-mail that was handled no longer matches the selection.
pub(super) async fn many<O: Write, E: Write>(
    selection: &Selection,
    is_confirmed: bool,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let now = SystemClock.now();
    let status = selection.status;
    let (found, scanned) = emails(tables, selection, now).await?;
    if found.is_empty() || !is_confirmed {
        print(&found, scanned, selection, output)?;
        let what = count(found.len() as u64, "e-mail");
        return if found.is_empty() { Ok(Exit::Good) } else { Err(not_confirmed(&what, status)) };
    }
    let progress = Progress::towards(found.len() as u64, "sent again");
    let mut outcomes = stream::iter(&found).map(|email| resend(email, now, tables)).buffered(AT_ONCE);
    let mut done = Vec::new();
    let mut failed = None;
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Ok(outcome) => done.push(outcome),
            Err(failure) => {
                failed = Some(failure);
                break;
            }
        }
        progress.at(done.len() as u64);
    }
    progress.end();
    let done: Vec<(&Email, Option<Outcome>)> =
        found.iter().zip(done.into_iter().map(Some).chain(std::iter::repeat(None))).collect();
    let number = |wanted| done.iter().filter(|(_, outcome)| *outcome == wanted).count() as u64;
    let (resent, changed, open) =
        (number(Some(Outcome::Resent)), number(Some(Outcome::Changed)), number(None));
    if output.is_json {
        let rows: Vec<Value> = done.iter().map(|(email, outcome)| row_json(email, *outcome)).collect();
        output.json(&json!({ "emails": rows, "resent": resent, "changed": changed, "notTried": open }))?;
    } else {
        let rows = done
            .iter()
            .map(|(email, outcome)| [format!("{}/{}", email.buyer, email.key), name(*outcome).to_owned()]);
        let mut counts = vec![format!("{resent} to be sent by the next sweeps if their premises still hold")];
        counts.extend((changed > 0).then(|| format!("{changed} changed meanwhile and left alone")));
        counts.extend((open > 0).then(|| format!("{open} not tried, or without an answer: run it again")));
        let total = count(done.len() as u64, "e-mail");
        output.line(&format!("{}\n{total}: {}", table(&["id", "outcome"], rows), counts.join("; ")))?;
        print_cost(scanned, status, output)?;
    }
    match failed {
        Some(failure) => Err(failure),
        None if changed > 0 => Ok(Exit::Findings),
        None => Ok(Exit::Good),
    }
}

async fn resend(email: &Email, now: Timestamp, tables: &Tables) -> Result<Outcome, Failure> {
    let Email { buyer, key, entry } = email;
    let is_done = tables.leads.resend(buyer, key, entry, now).await;
    let is_done = is_done.map_err(|source| Failure::Leads { buyer: buyer.clone(), source })?;
    Ok(if is_done { Outcome::Resent } else { Outcome::Changed })
}

fn not_confirmed(what: &str, status: Status) -> Failure {
    // A rejected e-mail was never sent.
    let twice = if status == Status::Rejected { "" } else { ", perhaps a second time," };
    Failure::NotConfirmed { what: format!("sending {what}{twice}") }
}

const fn name(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Resent) => "resent",
        Some(Outcome::Changed) => "changed",
        None => "not tried",
    }
}

fn row_json(email: &Email, outcome: Option<Outcome>) -> Value {
    json!({ "buyerId": email.buyer.as_str(), "key": email.key, "outcome": name(outcome) })
}

impl Email {
    fn print<O: Write, E: Write>(&self, output: &mut Output<'_, O, E>) -> Result<(), Failure> {
        if output.is_json { output.json(&self.json()) } else { output.line(&table(&HEADER, [self.row()])) }
    }
}
