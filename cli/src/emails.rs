//! `leads emails`: e-mails by where they stand, and the decision to have a doubtful one sent again.

use std::io::Write;

use domain::BuyerId;
use effects::leads::{LedgerEntry, Open, Scanned, Status};
use event_store::surroundings::{Machine, Surroundings as _};
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

/// The e-mails of a status, longest in it first, and what finding them cost. Those that somebody still has something to do
/// about stand in an index; for the others the whole table is read.
///
/// # Errors
/// [`Failure::Everybody`].
pub async fn emails(tables: &Tables, status: Status) -> Result<(Vec<Email>, Option<Scanned>), Failure> {
    let email = |(buyer, key, entry)| Email { buyer, key, entry };
    if !status.is_open() {
        let (found, scanned) = tables.leads.scan_emails(status).await.map_err(Failure::Everybody)?;
        return Ok((found.into_iter().map(email).collect(), Some(scanned)));
    }
    let work = tables.leads.all_open_work().await.map_err(Failure::Everybody)?;
    let mut found: Vec<Email> = work
        .into_iter()
        .filter_map(|work| match work.what {
            Open::Email { key, entry } if entry.status == status => Some(email((work.buyer, key, *entry))),
            Open::Email { .. } | Open::Behind | Open::Held(_) => None,
        })
        .collect();
    found.sort_by(|one, other| one.entry.since.cmp(&other.entry.since));
    Ok((found, None))
}

pub(crate) async fn command<O: Write, E: Write>(
    status: Status,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let (emails, scanned) = emails(tables, status).await?;
    if output.is_json {
        let emails: Vec<Value> = emails.iter().map(Email::json).collect();
        let mut document = json!({ "emails": emails });
        if let Some(Scanned { pages, items, read_units }) = scanned {
            document["scanned"] = json!({ "pages": pages, "items": items, "readUnits": read_units });
        }
        output.json(&document)?;
    } else {
        output.line(&text(&emails, status))?;
        if let Some(Scanned { pages, items, read_units }) = scanned {
            output.aside(&format!(
                "`{}` is in no index: the whole leads table was read, {} on {} for {read_units} read units.",
                status.name(),
                count(items, "item"),
                count(pages, "page"),
            ))?;
        }
    }
    Ok(Exit::Good)
}

fn text(emails: &[Email], status: Status) -> String {
    if emails.is_empty() {
        return format!("No e-mails are `{}`.", status.name());
    }
    let rows = emails.iter().map(Email::row);
    format!("{}\n{}", table(&HEADER, rows), count(emails.len() as u64, "e-mail"))
}

const HEADER: [&str; 5] = ["id", "status", "since", "first tried", "reason"];

impl Email {
    fn row(&self) -> [String; 5] {
        let Self { buyer, key, entry } = self;
        [
            format!("{buyer}/{key}"),
            entry.status.name().to_owned(),
            moment(entry.since),
            moment(entry.first_tried_at),
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
            "firstTriedAt": entry.first_tried_at.to_string(),
            "due": entry.due.map(|due| due.to_string()),
            "sequence": entry.sequence.get(),
            "reason": entry.reason,
        })
    }
}

/// Has an e-mail sent again that is doubtful or was given up: a person's decision, for the buyer may get it twice.
pub(crate) async fn resend<O: Write, E: Write>(
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
    if !entry.status.is_given_up_or_doubtful() {
        let status = entry.status.name();
        output.aside(&format!(
            "{buyer}/{key} is `{status}`: only `unknown` and `abandoned` ones are sent again"
        ))?;
        return Ok(Exit::Findings);
    }
    if !is_confirmed {
        email.tell(output)?;
        return Err(Failure::NotConfirmed { what: format!("sending {buyer}/{key}, perhaps a second time") });
    }
    let now = Machine.now();
    let is_done = tables.leads.resend(buyer, key, entry, now).await;
    if !is_done.map_err(|source| Failure::Leads { buyer: buyer.clone(), source })? {
        output.aside(&format!("{buyer}/{key} has changed meanwhile: look again"))?;
        return Ok(Exit::Findings);
    }
    email.entry = LedgerEntry {
        status: Status::Retry,
        reason: None,
        due: Some(now),
        since: now,
        first_tried_at: now,
        ..email.entry
    };
    email.tell(output)?;
    output.aside("The next sweep sends it, if its reason still holds.")?;
    Ok(Exit::Good)
}

impl Email {
    fn tell<O: Write, E: Write>(&self, output: &mut Output<'_, O, E>) -> Result<(), Failure> {
        if output.is_json { output.json(&self.json()) } else { output.line(&table(&HEADER, [self.row()])) }
    }
}
