//! The body of a message: a `CloudEvent` of the offer system, in JSON.

use serde::Deserialize;

use crate::buyer::{Change, Contact, OfferEvent};
use crate::failure::Source;

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
