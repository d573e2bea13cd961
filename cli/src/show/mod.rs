//! `leads show`: a buyer's current state.

mod json;
mod text;

use std::io::Write;

use domain::{BuyerId, Contact, Event, LeadId, Offer, OfferChange, OfferId, Sequence, Stage, State};
use jiff::Timestamp;
pub(crate) use json::behind_json;
use leads_store::About;

use crate::output::Output;
use crate::{Exit, Failure, Mode, Tables};

/// A buyer's current state, from both tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The buyer.
    pub buyer: BuyerId,
    /// The state to which the stream folds.
    pub state: State,
    /// Which system announces the buyer's leads.
    pub mode: Mode,
    /// The buyer's items in the leads table.
    pub about: About,
}

/// Reads a buyer's current state; `None` for an unknown buyer. The whole stream is read, to find where the buyer was
/// handed over.
///
/// # Errors
/// [`Failure::Stream`], [`Failure::Leads`].
pub async fn overview(tables: &Tables, buyer: &BuyerId) -> Result<Option<Overview>, Failure> {
    let (head, commits) = event_store::tail_after(&tables.streams, buyer, Some(Sequence::START))
        .await
        .map_err(|source| Failure::Stream { buyer: buyer.clone(), source })?;
    if head.state.sequence == Sequence::START {
        return Ok(None);
    }
    let about =
        tables.leads.about(buyer).await.map_err(|source| Failure::Leads { buyer: buyer.clone(), source })?;
    Ok(Some(Overview { buyer: buyer.clone(), state: head.state, mode: Mode::of(&commits), about }))
}

pub(crate) async fn command<O: Write, E: Write>(
    buyer: &BuyerId,
    with_contact: bool,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let Some(overview) = overview(tables, buyer).await? else {
        return unknown(buyer, output);
    };
    if output.is_json {
        output.json(&overview.json(with_contact))?;
    } else {
        output.line(&overview.text(with_contact))?;
    }
    Ok(Exit::Good)
}

/// Prints that nothing is recorded about this buyer.
pub(crate) fn unknown<O: Write, E: Write>(
    buyer: &BuyerId,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    output.aside(&format!("{buyer} is unknown: the streams table has no event of this buyer"))?;
    Ok(Exit::Findings)
}

impl Overview {
    fn open_leads(&self) -> impl Iterator<Item = Open> {
        self.state.open_leads().map(|lead| {
            let low = self.state.low_lead.as_ref().filter(|low| low.id() == lead).map(|low| &low.offer);
            let is_its = |(id, offer): &(&OfferId, &Offer)| offer.high_lead(id).as_ref() == Some(&lead);
            let offer = low.or_else(|| self.state.offers.iter().find(is_its).map(|(id, _)| id)).cloned();
            let since = match (self.mode, &lead) {
                // The former system announced it, so it is not in the leads table.
                (_, LeadId::Former { .. }) => Since::Former,
                (Mode::Shadow { .. }, LeadId::Low { .. } | LeadId::High { .. }) => Since::NotOurs,
                (Mode::HandedOver { .. } | Mode::Live, LeadId::Low { .. } | LeadId::High { .. }) => {
                    let opened_at = self.about.leads.get(&lead).and_then(|known| known.opened_at);
                    opened_at.map_or(Since::Pending, Since::Announced)
                }
            };
            Open { lead, offer, since }
        })
    }

    fn held(&self) -> impl Iterator<Item = (&OfferId, &Event)> {
        self.state.held.iter().flat_map(|(offer, held)| held.values().map(move |event| (offer, event)))
    }
}

/// A lead that is open in the state.
struct Open {
    lead: LeadId,
    offer: Option<OfferId>,
    since: Since,
}

/// Whether and when the opening of a lead was announced.
#[derive(Clone, Copy)]
enum Since {
    /// Leadstream announced it. The moment is that of the commit that opened the lead.
    Announced(Timestamp),
    /// It is not announced yet.
    Pending,
    /// The former system announced it, under the lead's own name.
    Former,
    /// The buyer is in shadow: the former system announces its own leads for this buyer.
    NotOurs,
}

pub(crate) const fn stage(offer: &Offer) -> &'static str {
    match offer.stage {
        Stage::Pending => "pending",
        Stage::Accepted { .. } => "accepted",
        Stage::Closed => "closed",
    }
}

const fn contact_of(change: &OfferChange) -> Option<&Contact> {
    match change {
        OfferChange::Made { contact, .. } => contact.as_ref(),
        OfferChange::Accepted
        | OfferChange::AcceptanceWithdrawn
        | OfferChange::Rejected { .. }
        | OfferChange::Withdrawn => None,
    }
}
