//! `leads list`: the open leads, oldest first.

use std::io::Write;

use domain::{CarId, OfferId, Priority};
use leads_store::OpenLead;
use serde_json::{Value, json};

use crate::output::{Output, contact_json, contact_row, count, moment, or_dash, table};
use crate::{Exit, Failure, Tables};

/// Every announced open lead of these priorities, oldest first.
///
/// # Errors
/// [`Failure::LeadsTable`].
pub async fn open_leads(tables: &Tables, priorities: &[Priority]) -> Result<Vec<OpenLead>, Failure> {
    let mut leads = Vec::new();
    for priority in priorities {
        leads.extend(tables.leads.open_leads(*priority).await.map_err(Failure::LeadsTable)?);
    }
    leads.sort_by_key(|lead| lead.known.opened_at);
    Ok(leads)
}

pub(crate) async fn command<O: Write, E: Write>(
    priority: Option<Priority>,
    with_contact: bool,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let priorities = priority.map_or_else(|| vec![Priority::High, Priority::Low], |priority| vec![priority]);
    let leads = open_leads(tables, &priorities).await?;
    if output.is_json {
        let leads: Vec<Value> = leads.iter().map(|lead| json(lead, with_contact)).collect();
        output.json(&json!({ "openLeads": leads }))?;
    } else {
        output.line(&text(&leads, with_contact))?;
    }
    Ok(Exit::Good)
}

fn text(leads: &[OpenLead], with_contact: bool) -> String {
    if leads.is_empty() {
        return "No leads are open.".to_owned();
    }
    let mut header = vec!["since", "priority", "buyer", "lead", "offer", "car"];
    header.extend(if with_contact { &["name", "e-mail", "phone"][..] } else { &[] });
    let rows = leads.iter().map(|OpenLead { buyer, lead, known }| {
        let mut row = vec![
            or_dash(known.opened_at.map(moment)),
            lead.priority().name().to_owned(),
            buyer.to_string(),
            lead.to_string(),
            or_dash(known.offer.as_ref()),
            or_dash(known.car.as_ref()),
        ];
        if with_contact {
            row.extend(contact_row(known.contact.as_ref()));
        }
        row
    });
    format!("{}\n{}", table(&header, rows), count(leads.len() as u64, "open lead"))
}

fn json(OpenLead { buyer, lead, known }: &OpenLead, with_contact: bool) -> Value {
    let mut row = json!({
        "buyerId": buyer.as_str(),
        "leadId": lead.to_string(),
        "priority": lead.priority().name(),
        "offerId": known.offer.as_ref().map(OfferId::as_str),
        "carId": known.car.as_ref().map(CarId::as_str),
        "since": known.opened_at.map(|since| since.to_string()),
    });
    if with_contact {
        row["contact"] = contact_json(known.contact.as_ref());
    }
    row
}
