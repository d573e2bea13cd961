//! The aggregate: one buyer with its offers, and the decoding of its events from messages. It is as small as possible,
//! and independent of the store.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Source;

/// A recorded event of an offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OfferEvent {
    pub(crate) id: String,
    pub(crate) offer: String,
    pub(crate) version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<String>,
    pub(crate) change: Change,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Change {
    Made {
        car: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        contact: Option<Contact>,
    },
    Accepted,
    AcceptanceWithdrawn,
    Rejected {
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    Withdrawn,
}

/// The contact data of a buyer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub(crate) name: String,
    pub(crate) email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<String>,
}

/// The state of a buyer after its events so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Buyer {
    offers: BTreeMap<String, Offer>,
    pending: usize,
    accepted: usize,
    has_low_lead: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Offer {
    version: u32,
    stage: Stage,
    #[serde(skip_serializing_if = "Option::is_none")]
    car: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<Contact>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Pending,
    Accepted,
    Closed,
}

impl Buyer {
    /// Whether this event is new. An early event counts as new, because peers hold no events.
    pub(crate) fn is_news(&self, event: &OfferEvent) -> bool {
        self.offers.get(&event.offer).is_none_or(|offer| offer.version < event.version)
    }

    /// Applies one more event. Applying it a second time changes nothing, which one of the libraries requires.
    pub(crate) fn apply(&mut self, event: OfferEvent) {
        let stage = match &event.change {
            Change::Made { .. } | Change::AcceptanceWithdrawn => Stage::Pending,
            Change::Accepted => Stage::Accepted,
            Change::Rejected { .. } | Change::Withdrawn => Stage::Closed,
        };
        let begun = Offer { version: 0, stage: Stage::Closed, car: None, contact: None };
        let offer = self.offers.entry(event.offer).or_insert(begun);
        let before = offer.stage;
        offer.version = event.version;
        offer.stage = stage;
        if let Change::Made { car, contact } = event.change {
            offer.car = Some(car);
            offer.contact = contact;
        }
        self.pending =
            self.pending + usize::from(stage == Stage::Pending) - usize::from(before == Stage::Pending);
        self.accepted =
            self.accepted + usize::from(stage == Stage::Accepted) - usize::from(before == Stage::Accepted);
        self.has_low_lead = self.pending > 0 && self.accepted == 0;
    }
}

impl Change {
    /// The name under which a store records the event.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Made { .. } => "OfferMade",
            Self::Accepted => "OfferAccepted",
            Self::AcceptanceWithdrawn => "OfferAcceptanceWithdrawn",
            Self::Rejected { .. } => "OfferRejected",
            Self::Withdrawn => "OfferWithdrawn",
        }
    }
}

#[derive(Deserialize)]
struct Body {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    time: Option<String>,
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    buyer_id: String,
    offer_id: String,
    offer_version: u32,
    car_id: Option<String>,
    buyer: Option<Contact>,
    reason: Option<String>,
}

/// Decodes a body into its buyer and its event.
pub(crate) fn decode(body: &str) -> Result<(String, OfferEvent), Source> {
    let Body { id, kind, time, data } = serde_json::from_str(body)?;
    let change = match kind.as_str() {
        "offer.made.v1" => Change::Made { car: data.car_id.ok_or("carId is missing")?, contact: data.buyer },
        "offer.accepted.v1" => Change::Accepted,
        "offer.acceptance-withdrawn.v1" => Change::AcceptanceWithdrawn,
        "offer.rejected.v1" => Change::Rejected { reason: data.reason },
        "offer.withdrawn.v1" => Change::Withdrawn,
        other => return Err(format!("unknown event type {other}").into()),
    };
    Ok((data.buyer_id, OfferEvent { id, offer: data.offer_id, version: data.offer_version, time, change }))
}
