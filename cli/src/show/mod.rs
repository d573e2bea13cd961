//! `leads show`: where a buyer stands now.

mod json;
mod text;

use std::io::Write;

use domain::{BuyerId, Contact, Event, LeadId, Offer, OfferChange, OfferId, Sequence, Stage, State};
use jiff::Timestamp;
pub(crate) use json::behind_json;
use leads_store::About;

use crate::output::Output;
use crate::{Exit, Failure, Stands, Tables};

/// Where a buyer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Who.
    pub buyer: BuyerId,
    /// What the stream folds to.
    pub state: State,
    /// Which system announces its leads.
    pub stands: Stands,
    /// What the world was told.
    pub about: About,
}

/// Reads where a buyer stands; `None` for a buyer never heard of. The whole stream is read, for where the buyer was handed over.
///
/// # Errors
/// [`Failure::Stream`], [`Failure::Leads`].
pub async fn standing(tables: &Tables, buyer: &BuyerId) -> Result<Option<Standing>, Failure> {
    let (head, commits) = event_store::tail_after(&tables.streams, buyer, Some(Sequence::START))
        .await
        .map_err(|source| Failure::Stream { buyer: buyer.clone(), source })?;
    if head.state.sequence == Sequence::START {
        return Ok(None);
    }
    let about =
        tables.leads.about(buyer).await.map_err(|source| Failure::Leads { buyer: buyer.clone(), source })?;
    Ok(Some(Standing { buyer: buyer.clone(), state: head.state, stands: Stands::of(&commits), about }))
}

pub(crate) async fn command<O: Write, E: Write>(
    buyer: &BuyerId,
    with_contact: bool,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let Some(standing) = standing(tables, buyer).await? else {
        return unknown(buyer, output);
    };
    if output.is_json {
        output.json(&standing.json(with_contact))?;
    } else {
        output.line(&standing.text(with_contact))?;
    }
    Ok(Exit::Good)
}

/// Says that nothing is recorded of this buyer.
pub(crate) fn unknown<O: Write, E: Write>(
    buyer: &BuyerId,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    output.aside(&format!("{buyer} is unknown: no event of this buyer is recorded in the streams table"))?;
    Ok(Exit::Findings)
}

impl Standing {
    fn open_leads(&self) -> impl Iterator<Item = Open> {
        self.state.open_leads().map(|lead| {
            let low = self.state.low_lead.as_ref().filter(|low| low.id() == lead).map(|low| &low.offer);
            let is_its = |(id, offer): &(&OfferId, &Offer)| offer.high_lead(id).as_ref() == Some(&lead);
            let offer = low.or_else(|| self.state.offers.iter().find(is_its).map(|(id, _)| id)).cloned();
            let since = match (self.stands, &lead) {
                // Not in the leads table: the former system announced it.
                (_, LeadId::Former { .. }) => Since::Former,
                (Stands::Shadow { .. }, LeadId::Low { .. } | LeadId::High { .. }) => Since::NotOurs,
                (Stands::HandedOver { .. } | Stands::Live, LeadId::Low { .. } | LeadId::High { .. }) => {
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

/// A lead that the state calls for.
struct Open {
    lead: LeadId,
    offer: Option<OfferId>,
    since: Since,
}

/// Whether and when its opening was announced.
#[derive(Clone, Copy)]
enum Since {
    /// By us, for what was recorded then.
    Announced(Timestamp),
    /// Not yet.
    Pending,
    /// By the former system, under the name that the lead has.
    Former,
    /// In shadow: the former system has leads of its own for this buyer.
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
