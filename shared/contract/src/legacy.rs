//! The former system's JSON answers about a buyer, to `GET …/buyers/<buyerId>` and `POST …/buyers/<buyerId>/handover`.

use std::fmt;

use domain::{Answer, BuyerId, CarId, Contact, FormerLeadId, Known, Offer, OfferId, OfferVersion, Stage};
use serde::Deserialize;

use crate::json;

/// The largest accepted answer in bytes. The answer is stored in one commit, together with a batch of events and the
/// effects on all of its offers.
pub const LARGEST_ANSWER: usize = 128 * 1024;

/// The largest accepted number of offers in an answer, for the same reason.
pub const MOST_OFFERS: usize = 500;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    buyer_id: String,
    was_invited: bool,
    #[serde(default)]
    handed_over: bool,
    low_lead_id: Option<String>,
    offers: Vec<KnownOffer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KnownOffer {
    offer_id: String,
    offer_version: u32,
    stage: String,
    accepted_version: Option<u32>,
    lead_id: Option<String>,
    car_id: Option<String>,
    buyer: Option<KnownContact>,
}

#[derive(Deserialize)]
struct KnownContact {
    name: String,
    email: String,
    phone: Option<String>,
}

/// The reason why an answer cannot be used. It names places, never values, because values may be personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// The answer has more than [`LARGEST_ANSWER`] bytes.
    TooLarge {
        /// The size of the answer in bytes.
        bytes: usize,
    },
    /// The answer is not JSON, or a field is missing or has the wrong type.
    NotAnAnswer {
        /// The line of the error.
        line: usize,
        /// The column of the error.
        column: usize,
    },
    /// The answer is about a different buyer.
    AnotherBuyer,
    /// The answer has more than [`MOST_OFFERS`] offers.
    TooManyOffers,
    /// The name of the low lead is invalid.
    LowLead,
    /// An offer is invalid.
    Offer {
        /// The offer's place in the list, from 0.
        index: usize,
        /// The field and its rule.
        rule: &'static str,
    },
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => {
                write!(f, "the answer has {bytes} bytes, the limit is {LARGEST_ANSWER}")
            }
            Self::NotAnAnswer { line, column } => {
                write!(f, "the answer does not match its schema at line {line}, column {column}")
            }
            Self::AnotherBuyer => f.write_str("buyerId: must be the requested buyer"),
            Self::TooManyOffers => write!(f, "offers: must have at most {MOST_OFFERS} entries"),
            Self::LowLead => write!(f, "lowLeadId: {NAME}"),
            Self::Offer { index, rule } => write!(f, "offers[{index}].{rule}"),
        }
    }
}

impl std::error::Error for Unusable {}

/// The rule for names.
const NAME: &str = "must be 1 to 128 visible ASCII characters without '/'";

/// Parses an answer about this buyer. Unknown extra fields are ignored.
///
/// # Errors
/// [`Unusable`], with the first rule that the answer breaks.
pub fn decode(buyer: &BuyerId, body: &[u8]) -> Result<Answer, Unusable> {
    if body.len() > LARGEST_ANSWER {
        return Err(Unusable::TooLarge { bytes: body.len() });
    }
    let answer = match std::str::from_utf8(body) {
        Ok(body) => serde_json::from_str(&json::paired(body)),
        // The bytes are not UTF-8. This call fails too, and its error names the place.
        Err(_) => serde_json::from_slice(body),
    };
    let answer: Written =
        answer.map_err(|error| Unusable::NotAnAnswer { line: error.line(), column: error.column() })?;
    if answer.buyer_id != buyer.as_str() {
        return Err(Unusable::AnotherBuyer);
    }
    if answer.offers.len() > MOST_OFFERS {
        return Err(Unusable::TooManyOffers);
    }
    let low_lead = answer.low_lead_id.as_deref().map(FormerLeadId::parse).transpose();
    let mut known = Known {
        low_lead: low_lead.map_err(|_| Unusable::LowLead)?,
        was_invited: answer.was_invited,
        ..Known::default()
    };
    for (index, written) in answer.offers.into_iter().enumerate() {
        let (id, offer) = offer(written).map_err(|rule| Unusable::Offer { index, rule })?;
        if known.offers.insert(id, offer).is_some() {
            return Err(Unusable::Offer { index, rule: "offerId: must be unique" });
        }
    }
    Ok(Answer { known, is_handed_over: answer.handed_over })
}

fn offer(known: KnownOffer) -> Result<(OfferId, Offer), &'static str> {
    let id = OfferId::parse(&known.offer_id)
        .map_err(|_| "offerId: must be 1 to 128 visible ASCII characters without '/'")?;
    let version = OfferVersion::new(known.offer_version).ok_or("offerVersion: must be 1 or more")?;
    let stage = match (known.stage.as_str(), known.accepted_version) {
        ("pending", _) => Stage::Pending,
        ("closed", _) => Stage::Closed,
        ("accepted", at) => {
            let at = OfferVersion::new(at.unwrap_or(known.offer_version))
                .filter(|at| *at <= version)
                .ok_or("acceptedVersion: must be from 1 to offerVersion")?;
            Stage::Accepted { at, since: at }
        }
        _ => return Err("stage: must be pending, accepted or closed"),
    };
    let car = match known.car_id.as_deref().map(CarId::parse) {
        Some(Ok(car)) => Some(car),
        Some(Err(_)) => return Err("carId: must be 1 to 128 visible ASCII characters without '/'"),
        None => None,
    };
    let former_lead = known.lead_id.as_deref().map(FormerLeadId::parse).transpose();
    let former_lead =
        former_lead.map_err(|_| "leadId: must be 1 to 128 visible ASCII characters without '/'")?;
    let contact = known.buyer.map(|KnownContact { name, email, phone }| Contact { name, email, phone });
    Ok((id, Offer { stage, car, contact, former_lead, is_quoted: true, ..Offer::unknown(version) }))
}
