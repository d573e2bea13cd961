//! Everything in the leads table about one buyer, for people who ask.

use std::collections::BTreeMap;

use domain::{BuyerId, CarId, CloseReason, Contact, FormerLeadId, LeadId, OfferId, Priority, Sequence};
use jiff::Timestamp;

use super::attributes::{Item, read_cursor, read_entry, read_held, read_text, read_time, text};
use super::{DynamoLeads, HELD, unavailable};
use crate::{Closing, Cursor, Held, LeadsUnavailable, LedgerEntry, Outcome};

/// What the world was told of a buyer, and how far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// How far its effects are settled.
    pub cursor: Cursor,
    /// Every lead ever told.
    pub leads: BTreeMap<LeadId, KnownLead>,
    /// The e-mail ledger, by effect key.
    pub ledger: BTreeMap<String, LedgerEntry>,
    /// How effects were settled, where it was not plainly *sent*, by sequence number and effect key.
    pub settled: BTreeMap<Sequence, BTreeMap<String, Outcome>>,
    /// The oldest event that waits for an earlier one.
    pub held: Option<Held>,
}

/// A lead as it lies in the table: a closed one has lost its contact, and its opening may never have been told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLead {
    /// The offer whose contact is the lead's.
    pub offer: Option<OfferId>,
    /// The car of that offer.
    pub car: Option<CarId>,
    /// Whom to phone, while it is open.
    pub contact: Option<Contact>,
    /// When the opening was recorded.
    pub opened_at: Option<Timestamp>,
    /// How it ended.
    pub closed: Option<Closing>,
}

/// An item that no version of this software has written.
#[derive(Debug, thiserror::Error)]
#[error("its item {kind} cannot be read")]
pub(super) struct Unreadable {
    pub(super) kind: String,
}

impl DynamoLeads {
    /// Everything in the table about this buyer: one consistent `Query`, and every page of it.
    ///
    /// # Errors
    /// [`LeadsUnavailable`], also where an item cannot be read: what is told of a buyer is whole, or it misleads.
    pub async fn about(&self, buyer: &BuyerId) -> Result<About, LeadsUnavailable> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("buyer = :buyer")
            .expression_attribute_values(":buyer", text(buyer.as_str()))
            .consistent_read(true);
        let mut items = query.into_paginator().items().send();
        let mut about = About::default();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| unavailable("Query", buyer, error))?;
            let kind = read_text(&item, "kind").unwrap_or_default();
            about.take(&kind, &item).ok_or_else(|| LeadsUnavailable {
                operation: "Query",
                buyer: buyer.to_string(),
                source: Box::new(Unreadable { kind }),
            })?;
        }
        Ok(about)
    }
}

impl About {
    /// `None` if the item cannot be read. One of a kind unknown to this version is passed over.
    fn take(&mut self, kind: &str, item: &Item) -> Option<()> {
        match kind.split_once('/') {
            None if kind == "cursor" => self.cursor = read_cursor(item),
            None if kind == HELD => self.held = read_held(item),
            Some(("lead", lead)) => {
                self.leads.insert(read_lead_id(lead, item)?, read_lead(item)?);
            }
            Some(("email", key)) => {
                self.ledger.insert(key.to_owned(), read_entry(item)?);
            }
            Some(("settled", sequence)) => {
                self.settled.insert(Sequence::new(sequence.parse().ok()?), read_outcomes(item)?);
            }
            None | Some(_) => {}
        }
        Some(())
    }
}

/// The lead of this name. That of a former system, which we closed, does not contain its priority.
fn read_lead_id(name: &str, item: &Item) -> Option<LeadId> {
    LeadId::parse(name).or_else(|| {
        let priority = Priority::parse(&read_text(item, "priority")?)?;
        Some(LeadId::Former { id: FormerLeadId::parse(name).ok()?, priority })
    })
}

pub(super) fn read_lead(item: &Item) -> Option<KnownLead> {
    let closed = match read_text(item, "closedBecause") {
        Some(reason) => {
            Some(Closing { reason: CloseReason::parse(&reason)?, at: read_time(item, "closedAt")? })
        }
        None => None,
    };
    let contact = match item.get("contact") {
        Some(contact) => {
            let fields = contact.as_m().ok()?;
            let (name, email) = (read_text(fields, "name")?, read_text(fields, "email")?);
            Some(Contact { name, email, phone: read_text(fields, "phone") })
        }
        None => None,
    };
    Some(KnownLead {
        offer: read_text(item, "offer").and_then(|offer| OfferId::parse(&offer).ok()),
        car: read_text(item, "car").and_then(|car| CarId::parse(&car).ok()),
        contact,
        opened_at: read_time(item, "openedAt"),
        closed,
    })
}

fn read_outcomes(item: &Item) -> Option<BTreeMap<String, Outcome>> {
    let outcomes = item.get("outcomes")?.as_m().ok()?;
    outcomes.iter().map(|(key, value)| Some((key.clone(), Outcome::parse(value.as_s().ok()?)?))).collect()
}
