//! The sales team's tables in a database, and how each message changes them.
//!
//! Messages are delivered at least once, and an old one may arrive after newer ones. Two rules make that harmless: each
//! `id` is applied once, and a closed lead never reopens. In any order and with any number of repeats, the same messages
//! lead to the same tables.

use rusqlite::{Connection, Row, Transaction, TransactionBehavior, named_params};
use serde_json::{Map, Value, json};

const SCHEMA: &str = include_str!("../../schema.sql");

const QUOTE: &str = "INSERT INTO quotes (buyer_id, offer_id, car_id, name, email, phone, sequence)
    VALUES (:buyer_id, :offer_id, :car_id, :name, :email, :phone, :sequence)
    ON CONFLICT DO NOTHING";
/// Changes nothing if the closing arrived before.
const OPEN: &str =
    "INSERT INTO leads (buyer_id, lead_id, priority, offer_id, car_id, name, email, phone, sequence)
    VALUES (:buyer_id, :lead_id, :priority, :offer_id, :car_id, :name, :email, :phone, :sequence)
    ON CONFLICT DO NOTHING";
const CLOSE: &str = "REPLACE INTO leads (buyer_id, lead_id, closed, sequence)
    VALUES (:buyer_id, :lead_id, :reason, :sequence)";
/// An erasure covers what precedes it in the buyer's stream. A buyer who returns later is contacted again.
const FORGET: &str = "UPDATE quotes SET name = NULL, email = NULL, phone = NULL
    WHERE buyer_id = :buyer_id AND EXISTS (SELECT 1 FROM leads
        WHERE leads.buyer_id = quotes.buyer_id AND closed = 'erased' AND leads.sequence > quotes.sequence)";

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Applied,
    Repeated,
    UnknownType,
    SetAside,
}

/// Why a message cannot be applied, now or later.
struct Unreadable(String);

/// A message of a known type, with what the tables keep of it.
enum Message<'a> {
    QuoteRequested { about: About<'a>, offer: &'a str, car: &'a str, contact: Contact<'a> },
    LeadOpened { about: About<'a>, lead: Lead<'a>, contact: Contact<'a> },
    LeadClosed { about: About<'a>, lead: &'a str, reason: &'a str },
}

struct About<'a> {
    buyer: &'a str,
    sequence: i64,
}

struct Lead<'a> {
    id: &'a str,
    priority: &'a str,
    offer: Option<&'a str>,
    car: Option<&'a str>,
}

struct Contact<'a> {
    name: &'a str,
    email: &'a str,
    phone: Option<&'a str>,
}

/// The tables, in a file or in memory.
pub(crate) struct SalesDesk {
    pub(crate) database: Connection,
}

impl SalesDesk {
    /// Opens a database, and creates the tables that are missing.
    pub(crate) fn new(database: Connection) -> rusqlite::Result<Self> {
        database.execute_batch(SCHEMA)?;
        Ok(Self { database })
    }

    /// Applies a message in one transaction. Delete the message only after this succeeded: an error of the database
    /// changes nothing.
    pub(crate) fn apply(&mut self, body: &str) -> rusqlite::Result<Outcome> {
        // Rolls back unless it is committed.
        let transaction = self.database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let message = serde_json::from_str(body).ok();
        let message = message.as_ref().ok_or_else(|| Unreadable("not JSON".to_owned()));
        let outcome = match message.and_then(read) {
            // The id of an unknown type is not recorded, because a later version of this program may know the type.
            Ok((_, None)) => Outcome::UnknownType,
            Ok((id, Some(message))) => {
                let added =
                    transaction.execute("INSERT INTO applied VALUES (?) ON CONFLICT DO NOTHING", [id])?;
                if added == 0 {
                    Outcome::Repeated
                } else {
                    message.write(&transaction)?;
                    Outcome::Applied
                }
            }
            Err(Unreadable(reason)) => {
                transaction
                    .execute("INSERT INTO set_aside VALUES (?, ?) ON CONFLICT DO NOTHING", [body, &reason])?;
                Outcome::SetAside
            }
        };
        transaction.commit()?;
        Ok(outcome)
    }

    /// The open leads, in order, as JSON. A lead is identified by buyer and lead together.
    pub(crate) fn open_leads(&self) -> rusqlite::Result<Vec<Value>> {
        rows(&self.database, "SELECT * FROM leads WHERE closed IS NULL ORDER BY buyer_id, lead_id")
    }
}

/// The rows of a query, as JSON.
pub(crate) fn rows(database: &Connection, query: &str) -> rusqlite::Result<Vec<Value>> {
    let mut statement = database.prepare(query)?;
    let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let row = |row: &Row<'_>| {
        let columns = names.iter().enumerate().map(|(index, name)| Ok((name.clone(), column(row, index)?)));
        columns.collect::<rusqlite::Result<Map<_, _>>>().map(Value::Object)
    };
    statement.query_map([], row)?.collect()
}

fn column(row: &Row<'_>, index: usize) -> rusqlite::Result<Value> {
    // The tables have texts and integers only.
    row.get::<_, Option<String>>(index)
        .map(|text| json!(text))
        .or_else(|_| row.get::<_, i64>(index).map(|number| json!(number)))
}

impl Message<'_> {
    fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let about = match self {
            Self::QuoteRequested { about, offer, car, contact } => {
                transaction.execute(
                    QUOTE,
                    named_params! {
                        ":buyer_id": about.buyer, ":offer_id": offer, ":car_id": car, ":name": contact.name,
                        ":email": contact.email, ":phone": contact.phone, ":sequence": about.sequence,
                    },
                )?;
                about
            }
            Self::LeadOpened { about, lead, contact } => {
                transaction.execute(
                    OPEN,
                    named_params! {
                        ":buyer_id": about.buyer, ":lead_id": lead.id, ":priority": lead.priority,
                        ":offer_id": lead.offer, ":car_id": lead.car, ":name": contact.name,
                        ":email": contact.email, ":phone": contact.phone, ":sequence": about.sequence,
                    },
                )?;
                about
            }
            Self::LeadClosed { about, lead, reason } => {
                transaction.execute(
                    CLOSE,
                    named_params! {
                        ":buyer_id": about.buyer, ":lead_id": lead, ":reason": reason, ":sequence": about.sequence,
                    },
                )?;
                about
            }
        };
        transaction.execute(FORGET, named_params! { ":buyer_id": about.buyer })?;
        Ok(())
    }
}

/// The id of a message, and the message if its type is known.
fn read(message: &Value) -> Result<(&str, Option<Message<'_>>), Unreadable> {
    let id = text(message, "id")?;
    let kind = text(message, "type")?;
    if !["quote.requested.v1", "lead.opened.v1", "lead.closed.v1"].contains(&kind) {
        return Ok((id, None));
    }
    let data = &message["data"];
    let about = About {
        buyer: text(data, "buyerId")?,
        sequence: data["sequence"].as_i64().ok_or_else(|| Unreadable("no sequence".to_owned()))?,
    };
    if kind == "lead.closed.v1" {
        let (lead, reason) = (text(data, "leadId")?, text(data, "reason")?);
        return Ok((id, Some(Message::LeadClosed { about, lead, reason })));
    }
    let contact = data.get("contact").ok_or_else(|| Unreadable("no contact".to_owned()))?;
    let contact = Contact {
        name: text(contact, "name")?,
        email: text(contact, "email")?,
        phone: optional(contact, "phone")?,
    };
    if kind == "quote.requested.v1" {
        let (offer, car) = (text(data, "offerId")?, text(data, "carId")?);
        return Ok((id, Some(Message::QuoteRequested { about, offer, car, contact })));
    }
    let lead = Lead {
        id: text(data, "leadId")?,
        priority: text(data, "priority")?,
        offer: optional(data, "offerId")?,
        car: optional(data, "carId")?,
    };
    Ok((id, Some(Message::LeadOpened { about, lead, contact })))
}

fn text<'a>(object: &'a Value, name: &str) -> Result<&'a str, Unreadable> {
    object[name].as_str().ok_or_else(|| Unreadable(format!("no {name}")))
}

fn optional<'a>(object: &'a Value, name: &str) -> Result<Option<&'a str>, Unreadable> {
    if object[name].is_null() { Ok(None) } else { text(object, name).map(Some) }
}
