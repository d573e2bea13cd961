//! `leads emails`: lists e-mails by status, sends some again, and lifts the stop on a buyer's addresses.

use std::collections::BTreeMap;
use std::future::ready;
use std::io::Write;
use std::pin::pin;

use domain::BuyerId;
use futures::stream::{self, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use leads_store::{LeadsStore as _, LedgerEntry, Open, Scanned, Status, WorkKind};
use platform::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::output::{CtrlC, Output, Progress, count, moment, or_dash, table};
use crate::{Exit, Failure, Tables};

/// What the command was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    List(Selection),
    ResendOne { id: EmailId, is_confirmed: bool },
    ResendMany { selection: Selection, is_confirmed: bool },
    Allow(BuyerId),
}

pub(crate) async fn command<O: Write, E: Write>(
    wanted: &Wanted,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    match wanted {
        Wanted::List(selection) => {
            let (emails, scanned) = emails(tables, selection, SystemClock.now()).await?;
            print(&emails, scanned, selection, output)?;
            Ok(Exit::Good)
        }
        Wanted::ResendOne { id, is_confirmed } => resend_one(id, *is_confirmed, tables, output).await,
        Wanted::ResendMany { selection, is_confirmed } => {
            resend_many(selection, *is_confirmed, tables, output).await
        }
        Wanted::Allow(buyer) => allow(buyer, tables, output).await,
    }
}

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
async fn resend_one<O: Write, E: Write>(
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
async fn resend_many<O: Write, E: Write>(
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
    let mut ctrl_c = CtrlC::listening();
    // What is under way is awaited, so that each outcome is known.
    let begun = stream::iter(&found).take_while(|_| ready(!ctrl_c.is_pressed()));
    let mut outcomes = pin!(begun.map(|email| resend(email, now, tables)).buffered(AT_ONCE));
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
        None if open > 0 => Ok(Exit::Interrupted),
        None if changed > 0 => Ok(Exit::Findings),
        None => Ok(Exit::Good),
    }
}

async fn resend(email: &Email, now: Timestamp, tables: &Tables) -> Result<Outcome, Failure> {
    let Email { buyer, key, entry } = email;
    let is_done = tables.leads.resend(buyer, key, entry, now, &tables.act).await;
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

async fn allow<O: Write, E: Write>(
    buyer: &BuyerId,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let failed = |source| Failure::Leads { buyer: buyer.clone(), source };
    let stopped = tables.leads.cursor(buyer).await.map_err(failed)?.stopped;
    if stopped.is_empty() {
        output.aside(&format!("no address of {buyer} is stopped"))?;
        return Ok(Exit::Findings);
    }
    if !tables.leads.allow(buyer, &stopped, &tables.act).await.map_err(failed)? {
        output.aside(&format!("the stopped addresses of {buyer} changed meanwhile: run it again"))?;
        return Ok(Exit::Findings);
    }
    if output.is_json {
        output.json(&json!({ "buyerId": buyer.as_str(), "allowed": stopped.len() }))?;
    } else {
        let addresses =
            if stopped.len() == 1 { "1 address".to_owned() } else { format!("{} addresses", stopped.len()) };
        output.line(&format!("{addresses} of {buyer} may get e-mails again."))?;
    }
    output.aside(&format!(
        "E-mails rejected because of the stop stay rejected: `leads show {buyer}` lists them, and \
         `leads emails --resend BUYER/KEY` sends one again."
    ))?;
    Ok(Exit::Good)
}

/// An e-mail with its entry in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The buyer.
    pub buyer: BuyerId,
    /// The key of its effect.
    pub key: String,
    /// Its entry in the ledger.
    pub entry: LedgerEntry,
}

/// The id of an e-mail, which is the id of its effect: `<buyer>/<key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailId {
    /// The buyer.
    pub buyer: BuyerId,
    /// The key of its effect.
    pub key: String,
}

/// A selection of e-mails. An e-mail is selected if it meets every condition that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// It has this status.
    pub status: Status,
    /// It has had this status for at most this long.
    pub newer_than: Option<SignedDuration>,
    /// Its reason begins with one of these; an empty list selects any reason, or none.
    pub reasons: Vec<String>,
}

impl Selection {
    /// Whether an e-mail that has the status is selected.
    fn takes(&self, entry: &LedgerEntry, now: Timestamp) -> bool {
        let is_new = self.newer_than.is_none_or(|age| now.duration_since(entry.since) <= age);
        let reason = entry.reason.as_deref().unwrap_or_default();
        is_new && (self.reasons.is_empty() || self.reasons.iter().any(|begin| reason.starts_with(begin)))
    }
}

/// The selected e-mails, longest in their status first, and the cost of the scan if there was one. The statuses
/// `sending`, `unknown` and `retry` are indexed; for the others the whole leads table is scanned.
///
/// # Errors
/// [`Failure::LeadsTable`].
pub async fn emails(
    tables: &Tables,
    selection: &Selection,
    now: Timestamp,
) -> Result<(Vec<Email>, Option<Scanned>), Failure> {
    let email = |(buyer, key, entry)| Email { buyer, key, entry };
    let status = selection.status;
    let (mut found, scanned): (Vec<Email>, _) = if status.is_open() {
        let work = tables.leads.open_work_of(&[WorkKind::Email]).await.map_err(Failure::LeadsTable)?;
        let emails = work.into_iter().filter_map(|work| match work.what {
            Open::Email { key, entry } if entry.status == status => Some(email((work.buyer, key, *entry))),
            Open::Email { .. } | Open::Behind | Open::Held(_) => None,
        });
        (emails.collect(), None)
    } else {
        let (found, scanned) = tables.leads.scan_emails(status).await.map_err(Failure::LeadsTable)?;
        (found.into_iter().map(email).collect(), Some(scanned))
    };
    found.retain(|email| selection.takes(&email.entry, now));
    found.sort_by_key(|email| email.entry.since);
    Ok((found, scanned))
}

pub(crate) fn print<O: Write, E: Write>(
    emails: &[Email],
    scanned: Option<Scanned>,
    selection: &Selection,
    output: &mut Output<'_, O, E>,
) -> Result<(), Failure> {
    if output.is_json {
        let rows: Vec<Value> = emails.iter().map(Email::json).collect();
        let reasons: BTreeMap<&str, u64> =
            by_reason(emails).into_iter().filter_map(|(reason, number)| Some((reason?, number))).collect();
        let mut document = json!({ "emails": rows, "count": emails.len(), "reasons": reasons });
        if let Some(Scanned { pages, items, read_units }) = scanned {
            document["scanned"] = json!({ "pages": pages, "items": items, "readUnits": read_units });
        }
        output.json(&document)
    } else {
        output.line(&text(emails, selection))?;
        print_cost(scanned, selection.status, output)
    }
}

pub(crate) fn print_cost<O: Write, E: Write>(
    scanned: Option<Scanned>,
    status: Status,
    output: &mut Output<'_, O, E>,
) -> Result<(), Failure> {
    let Some(Scanned { pages, items, read_units }) = scanned else { return Ok(()) };
    output.aside(&format!(
        "`{}` is not indexed: the whole leads table was read, {} on {} for {read_units} read units.",
        status.name(),
        count(items, "item"),
        count(pages, "page"),
    ))
}

fn text(emails: &[Email], Selection { status, newer_than, reasons }: &Selection) -> String {
    let status = status.name();
    if emails.is_empty() && newer_than.is_none() && reasons.is_empty() {
        return format!("No e-mail has the status `{status}`.");
    }
    if emails.is_empty() {
        return format!("No `{status}` e-mail matches the options.");
    }
    let rows = emails.iter().map(Email::row);
    let number = count(emails.len() as u64, "e-mail");
    let reasons = by_reason(emails);
    if reasons.keys().all(Option::is_none) {
        return format!("{}\n{number}", table(&HEADER, rows));
    }
    let reasons = reasons.into_iter().map(|(reason, number)| match reason {
        Some(reason) => format!("{number} for `{reason}`"),
        None => format!("{number} without a reason"),
    });
    format!("{}\n{number}: {}", table(&HEADER, rows), reasons.collect::<Vec<_>>().join(", "))
}

/// The number of e-mails with each reason.
fn by_reason(emails: &[Email]) -> BTreeMap<Option<&str>, u64> {
    let mut reasons = BTreeMap::new();
    for email in emails {
        *reasons.entry(email.entry.reason.as_deref()).or_default() += 1;
    }
    reasons
}

pub(crate) const HEADER: [&str; 5] = ["id", "status", "since", "first tried", "reason"];

impl Email {
    fn row(&self) -> [String; 5] {
        let Self { buyer, key, entry } = self;
        [
            format!("{buyer}/{key}"),
            entry.status.name().to_owned(),
            moment(entry.since),
            or_dash(entry.first_tried_at.map(moment).as_deref()),
            or_dash(entry.reason.as_deref()),
        ]
    }

    /// The e-mail as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let Self { buyer, key, entry } = self;
        json!({
            "buyerId": buyer.as_str(),
            "key": key,
            "status": entry.status.name(),
            "since": entry.since.to_string(),
            "firstTriedAt": entry.first_tried_at.map(|at| at.to_string()),
            "due": entry.due.map(|due| due.to_string()),
            "sequence": entry.sequence.get(),
            "reason": entry.reason,
        })
    }
}
