//! Everything in the leads table about one buyer, for operators' tools, and the removal of what identifies an erased
//! buyer.

use std::collections::BTreeMap;

use domain::{BuyerId, CarId, CloseReason, Contact, FormerLeadId, LeadId, OfferId, Priority, Sequence};
use jiff::Timestamp;

use super::table::{
    DynamoLeads, HELD, Item, entry_key, if_condition_holds, key, read_cursor, read_entry, read_held,
    read_text, read_time, text, unavailable,
};
use crate::cursor::{Closing, Cursor, Held, Outcome};
use crate::ledger::LedgerEntry;
use crate::store::LeadsUnavailable;

/// All items of one buyer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// How far the buyer's effects are settled.
    pub cursor: Cursor,
    /// Every lead that was ever announced.
    pub leads: BTreeMap<LeadId, KnownLead>,
    /// The e-mail ledger by effect key.
    pub ledger: BTreeMap<String, LedgerEntry>,
    /// The outcomes of effects by sequence and effect key, for outcomes that are written ([`Outcome::is_written`]).
    pub settled: BTreeMap<Sequence, BTreeMap<String, Outcome>>,
    /// The oldest held event.
    pub held: Option<Held>,
}

/// A lead as it is stored. A closed lead has no contact, and its opening may never have been announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLead {
    /// The offer from which the lead takes its contact.
    pub offer: Option<OfferId>,
    /// The car of that offer.
    pub car: Option<CarId>,
    /// The contact details, while the lead is open.
    pub contact: Option<Contact>,
    /// When the opening was recorded.
    pub opened_at: Option<Timestamp>,
    /// The closing, if the lead is closed.
    pub closed: Option<Closing>,
}

/// The error for an item that no version of the software wrote in this form.
#[derive(Debug, thiserror::Error)]
#[error("its item {kind} cannot be read")]
pub(super) struct Unreadable {
    pub(super) kind: String,
}

impl DynamoLeads {
    /// Reads all items of this buyer with a strongly consistent `Query` over all pages.
    ///
    /// # Errors
    /// [`LeadsUnavailable`], also if an item cannot be read: an incomplete answer would be misleading.
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
            about.add(&kind, &item).ok_or_else(|| LeadsUnavailable {
                operation: "Query",
                buyer: buyer.to_string(),
                source: Box::new(Unreadable { kind }),
            })?;
        }
        Ok(about)
    }
}

impl About {
    /// Adds an item. Returns `None` if the item cannot be read. Kinds unknown to this version of the software are
    /// ignored.
    fn add(&mut self, kind: &str, item: &Item) -> Option<()> {
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

/// Parses a lead's name. Only the names of leads of the former system lack the priority, which the item then contains.
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

/// The replacement for the digest of an address. No address has this digest.
const FORGOTTEN: &str = "forgotten";

impl DynamoLeads {
    /// Removes the remaining data that could identify an erased buyer: the digests of its addresses, and operators' reasons.
    /// The closings have already removed the contacts of leads. Makes one update per e-mail and one for the cursor, and creates no items.
    ///
    /// # Errors
    /// [`LeadsUnavailable`]; repeat the call.
    pub async fn forget(&self, buyer: &BuyerId) -> Result<(), LeadsUnavailable> {
        for effect_key in self.about(buyer).await?.ledger.into_keys() {
            let update = self
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(entry_key(buyer, &effect_key)))
                .update_expression("SET address = :forgotten REMOVE because")
                .condition_expression("attribute_exists(buyer)")
                .expression_attribute_values(":forgotten", text(FORGOTTEN));
            if_condition_holds(buyer, update).await?;
        }
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(buyer.as_str(), "cursor")))
            .update_expression("REMOVE stopped, allowedBecause")
            .condition_expression("attribute_exists(buyer)");
        if_condition_holds(buyer, update).await.map(|_| ())
    }
}
