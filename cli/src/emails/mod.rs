//! `leads emails`: e-mails by where they stand, the decision to send some again, and to lift a stop.

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

/// An e-mail and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// Whose.
    pub buyer: BuyerId,
    /// The key of its effect.
    pub key: String,
    /// Its entry in the ledger.
    pub entry: LedgerEntry,
}

/// The id of an e-mail: that of its effect, `<buyer>/<key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailId {
    /// Whose.
    pub buyer: BuyerId,
    /// The key of its effect.
    pub key: String,
}

/// Which e-mails are meant: those of which all of this is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Their status.
    pub status: Status,
    /// They came to it at most this long ago.
    pub newer_than: Option<SignedDuration>,
    /// Their reason begins with one of these; empty for any reason, or none.
    pub reasons: Vec<String>,
}

/// What the command is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    List(Selection),
    ResendOne { id: EmailId, is_confirmed: bool },
    ResendMany { selection: Selection, is_confirmed: bool },
    Allow(BuyerId),
}

impl Selection {
    /// Whether this e-mail, of the right status, is among them.
    fn takes(&self, entry: &LedgerEntry, now: Timestamp) -> bool {
        let is_new = self.newer_than.is_none_or(|age| now.duration_since(entry.since) <= age);
        let reason = entry.reason.as_deref().unwrap_or_default();
        is_new && (self.reasons.is_empty() || self.reasons.iter().any(|begin| reason.starts_with(begin)))
    }
}

/// The e-mails that are selected, longest in their status first, and what finding them cost. Those with something left to do
/// are in an index; for the others the whole table is read.
///
/// # Errors
/// [`Failure::Everybody`].
pub async fn emails(
    tables: &Tables,
    selection: &Selection,
    now: Timestamp,
) -> Result<(Vec<Email>, Option<Scanned>), Failure> {
    let email = |(buyer, key, entry)| Email { buyer, key, entry };
    let status = selection.status;
    let (mut found, scanned): (Vec<Email>, _) = if status.is_open() {
        let work = tables.leads.all_open_work().await.map_err(Failure::Everybody)?;
        let emails = work.into_iter().filter_map(|work| match work.what {
            Open::Email { key, entry } if entry.status == status => Some(email((work.buyer, key, *entry))),
            Open::Email { .. } | Open::Behind | Open::Held(_) => None,
        });
        (emails.collect(), None)
    } else {
        let (found, scanned) = tables.leads.scan_emails(status).await.map_err(Failure::Everybody)?;
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
        "`{}` is in no index: the whole leads table was read, {} on {} for {read_units} read units.",
        status.name(),
        count(items, "item"),
        count(pages, "page"),
    ))
}

fn text(emails: &[Email], Selection { status, newer_than, reasons }: &Selection) -> String {
    let status = status.name();
    if emails.is_empty() && newer_than.is_none() && reasons.is_empty() {
        return format!("No e-mails are `{status}`.");
    }
    if emails.is_empty() {
        return format!("No `{status}` e-mails match.");
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

/// How many have each reason.
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

    /// The e-mail for programs.
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
