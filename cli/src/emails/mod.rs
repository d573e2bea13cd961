//! `leads emails`: lists e-mails by status, sends some again, and lifts the stop on a buyer's addresses.

mod allow;
mod resend;

use std::collections::BTreeMap;
use std::io::Write;

use domain::BuyerId;
use jiff::{SignedDuration, Timestamp};
use leads_store::{LedgerEntry, Open, Scanned, Status};
use platform::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::output::{Output, count, moment, or_dash, table};
use crate::{Exit, Failure, Tables};

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

/// What the command was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    List(Selection),
    ResendOne { id: EmailId, is_confirmed: bool },
    ResendMany { selection: Selection, is_confirmed: bool },
    Allow(BuyerId),
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
        let work = tables.leads.all_open_work().await.map_err(Failure::LeadsTable)?;
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
        Wanted::ResendOne { id, is_confirmed } => resend::one(id, *is_confirmed, tables, output).await,
        Wanted::ResendMany { selection, is_confirmed } => {
            resend::many(selection, *is_confirmed, tables, output).await
        }
        Wanted::Allow(buyer) => allow::allow(buyer, tables, output).await,
    }
}

fn print<O: Write, E: Write>(
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

fn print_cost<O: Write, E: Write>(
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

const HEADER: [&str; 5] = ["id", "status", "since", "first tried", "reason"];

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
