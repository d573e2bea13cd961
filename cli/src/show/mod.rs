//! `leads show`: where a buyer stands now.

mod json;
mod text;

use std::io::Write;

use domain::{BuyerId, Contact, Event, LeadId, Offer, OfferChange, OfferId, Stage, State};
use effects::leads::About;
use jiff::Timestamp;
pub(crate) use json::behind_json;

use crate::output::Output;
use crate::{Exit, Failure, Tables};

/// Where a buyer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Who.
    pub buyer: BuyerId,
    /// What the stream folds to.
    pub state: State,
    /// What the world was told.
    pub about: About,
}

/// Reads where a buyer stands; `None` for a buyer never heard of.
///
/// # Errors
/// [`Failure::Stream`], [`Failure::Leads`].
pub async fn standing(tables: &Tables, buyer: &BuyerId) -> Result<Option<Standing>, Failure> {
    let head = event_store::load(&tables.streams, buyer)
        .await
        .map_err(|source| Failure::Stream { buyer: buyer.clone(), source })?;
    if head == event_store::Head::default() {
        return Ok(None);
    }
    let about =
        tables.leads.about(buyer).await.map_err(|source| Failure::Leads { buyer: buyer.clone(), source })?;
    Ok(Some(Standing { buyer: buyer.clone(), state: head.state, about }))
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
    fn open_leads(&self) -> impl Iterator<Item = (LeadId, Option<OfferId>, Option<Timestamp>)> {
        self.state.open_leads().map(|lead| {
            let offer = match &lead {
                LeadId::High { offer, .. } => Some(offer.clone()),
                LeadId::Low { .. } => self.state.low_lead.as_ref().map(|low| low.offer.clone()),
            };
            let since = self.about.leads.get(&lead).and_then(|known| known.opened_at);
            (lead, offer, since)
        })
    }

    fn held(&self) -> impl Iterator<Item = (&OfferId, &Event)> {
        self.state.held.iter().flat_map(|(offer, held)| held.values().map(move |event| (offer, event)))
    }
}

fn stage(offer: &Offer) -> String {
    match offer.stage {
        Stage::Pending => "pending",
        Stage::Accepted { .. } => "accepted",
        Stage::Closed => "closed",
    }
    .to_owned()
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
