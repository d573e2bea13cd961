//! What a former system answers about a buyer, JSON: to `GET …/buyers/<buyerId>` and to `POST …/buyers/<buyerId>/handover`.

use std::fmt;

use domain::{BuyerId, CarId, Contact, FormerLeadId, Known, Offer, OfferId, OfferVersion, Stage};
use serde::Deserialize;

use crate::json;

/// The largest answer in bytes that is looked into. It becomes part of one commit, beside a batch of events and all that
/// is to be told of its offers.
pub const LARGEST_ANSWER: usize = 128 * 1024;

/// How many offers an answer may have, for the same reason.
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

/// What a former system answers about a buyer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// What it knows; nothing of a buyer whom it never heard of.
    pub known: Known,
    /// Whether it handed the buyer over before: it announces nothing any more.
    pub is_handed_over: bool,
}

/// Why an answer cannot be used. Names places, never values: those may be personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// More than [`LARGEST_ANSWER`] bytes.
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
    /// Not JSON, or a field is missing or of another type.
    NotAnAnswer {
        /// Where that shows.
        line: usize,
        /// Where that shows.
        column: usize,
    },
    /// It is about somebody else.
    AnotherBuyer,
    /// More than [`MOST_OFFERS`] offers.
    TooManyOffers,
    /// The name of the low lead is none.
    LowLead,
    /// Something is wrong with an offer.
    Offer {
        /// Its place in the list, from 0.
        index: usize,
        /// The field, and what it must be.
        rule: &'static str,
    },
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => write!(f, "{bytes} bytes, at most {LARGEST_ANSWER} are taken"),
            Self::NotAnAnswer { line, column } => {
                write!(f, "not an answer of this contract at line {line}, column {column}")
            }
            Self::AnotherBuyer => f.write_str("buyerId: must be the buyer that was asked about"),
            Self::TooManyOffers => write!(f, "offers: at most {MOST_OFFERS} are taken"),
            Self::LowLead => write!(f, "lowLeadId: {NAME}"),
            Self::Offer { index, rule } => write!(f, "offers[{index}].{rule}"),
        }
    }
}

impl std::error::Error for Unusable {}

/// Of whatever has a name.
const NAME: &str = "must be 1 to 128 visible ASCII characters without '/'";

/// Reads an answer. Unknown extra fields are ignored.
///
/// # Errors
/// [`Unusable`].
pub fn decode(buyer: &BuyerId, body: &[u8]) -> Result<Answer, Unusable> {
    if body.len() > LARGEST_ANSWER {
        return Err(Unusable::TooLarge { bytes: body.len() });
    }
    let answer = match std::str::from_utf8(body) {
        Ok(body) => serde_json::from_str(&json::paired(body)),
        // Fails as well, and names the place.
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
            return Err(Unusable::Offer { index, rule: "offerId: must be there once" });
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
