//! Incoming offer events: CloudEvents 1.0 in structured JSON, one per message. They are parsed and validated once,
//! here.

mod document;
mod fields;

use std::fmt;

use document::Object;
use domain::{BuyerId, Contact, Event, OfferChange, OfferVersion};
use fields::Fields;
pub use fields::Finding;

use crate::dead_letter::Reason;
use crate::json;
use crate::trace::TraceParent;

/// The largest accepted body in bytes.
pub const LARGEST_BODY: usize = 64 * 1024;

/// The event types of this version of the contract.
pub const TYPES: [&str; 5] = [
    "offer.made.v1",
    "offer.accepted.v1",
    "offer.acceptance-withdrawn.v1",
    "offer.rejected.v1",
    "offer.withdrawn.v1",
];

/// An event of the offer system that is not yet recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingEvent {
    /// The buyer to whose stream the event belongs.
    pub buyer: BuyerId,
    /// What happened.
    pub event: Event,
    /// The sender's place in a trace, if it gave one: `traceparent`.
    pub trace: Option<TraceParent>,
    /// The names of malformed fields that no rule reads. The event is accepted without them.
    pub dropped: Vec<&'static str>,
}

/// The reason why a body is refused. It names places, never values, because values may be personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The body has more than [`LARGEST_BODY`] bytes.
    TooLarge {
        /// The size of the body in bytes.
        bytes: usize,
    },
    /// The body is not JSON.
    NotJson {
        /// The line at which the body stops being JSON.
        line: usize,
        /// The column at which the body stops being JSON.
        column: usize,
    },
    /// The event has a type, or a major version of a type, that this version of the software does not know.
    UnknownType,
    /// The body is JSON but violates the contract.
    NotAnOfferEvent(Vec<Finding>),
}

impl Refusal {
    /// The reason on the dead letter.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::NotJson { .. } => Reason::NotJson,
            Self::UnknownType => Reason::UnknownType,
            Self::NotAnOfferEvent(_) => Reason::NotAnOfferEvent,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => write!(f, "the body has {bytes} bytes, the limit is {LARGEST_BODY}"),
            Self::NotJson { line, column } => write!(f, "not JSON at line {line}, column {column}"),
            Self::UnknownType => write!(f, "type: must be one of {}", TYPES.join(", ")),
            Self::NotAnOfferEvent(findings) => {
                for (at, finding) in findings.iter().enumerate() {
                    write!(f, "{}{finding}", if at == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
        }
    }
}

/// Parses one message body. Unknown extra fields are ignored, whatever their content. An unpaired surrogate in a string
/// is read as U+FFFD.
///
/// # Errors
/// [`Refusal`], with every violation found. Parsing the same body again always fails in the same way.
pub fn decode(body: &str) -> Result<IncomingEvent, Refusal> {
    if body.len() > LARGEST_BODY {
        return Err(Refusal::TooLarge { bytes: body.len() });
    }
    // Nearly every body is parsed in this one pass.
    if let Some(event) = Object::strict(body) {
        return judge(&event);
    }
    let body = json::paired(body);
    let event = Object::lenient(&body)
        .map_err(|error| Refusal::NotJson { line: error.line(), column: error.column() })?;
    judge(&event)
}

fn judge(event: &Object<'_>) -> Result<IncomingEvent, Refusal> {
    let mut fields = Fields::of(event);

    if fields.text("specversion", 16).is_some_and(|version| version != "1.0") {
        fields.find("specversion", "must be \"1.0\"");
    }
    let id = fields.event_id("id");
    fields.text("source", 1024);
    fields.subject();
    let time = fields.time();
    let trace = fields.trace();
    let kind = fields.text("type", 256);
    if kind.is_some_and(|kind| !TYPES.contains(&kind)) {
        return Err(Refusal::UnknownType);
    }
    let buyer = fields.buyer_id("data.buyerId");
    let offer = fields.offer_id("data.offerId");
    let version = fields.version("data.offerVersion");
    let change = kind.and_then(|kind| change(&mut fields, kind, version));

    let (findings, dropped) = fields.findings();
    match (findings, id, buyer, offer, version, change) {
        (findings, Some(id), Some(buyer), Some(offer), Some(version), Some(change))
            if findings.is_empty() =>
        {
            let time = time.map(str::to_owned);
            Ok(IncomingEvent { buyer, event: Event { offer, version, change, id, time }, trace, dropped })
        }
        (findings, ..) => Err(Refusal::NotAnOfferEvent(findings)),
    }
}

fn change(fields: &mut Fields<'_>, kind: &str, version: Option<OfferVersion>) -> Option<OfferChange> {
    let is_made = kind == "offer.made.v1";
    if let Some(version) = version
        && is_made != (version == OfferVersion::FIRST)
    {
        fields.find(
            "data.offerVersion",
            if is_made {
                "must be 1 for offer.made.v1"
            } else {
                "must be 2 or more: version 1 is offer.made.v1"
            },
        );
    }
    match kind {
        "offer.made.v1" => {
            let car = fields.car_id("data.carId");
            let name = fields.text("data.buyer.name", 256);
            let email = fields.text("data.buyer.email", 320);
            let phone = fields.optional_text("data.buyer.phone", 64).map(str::to_owned);
            let contact = Contact { name: name?.to_owned(), email: email?.to_owned(), phone };
            Some(OfferChange::Made { car: car?, contact: Some(contact) })
        }
        "offer.accepted.v1" => Some(OfferChange::Accepted),
        "offer.acceptance-withdrawn.v1" => Some(OfferChange::AcceptanceWithdrawn),
        "offer.rejected.v1" => {
            let reason = fields.optional_text("data.reason", 1024).map(str::to_owned);
            Some(OfferChange::Rejected { reason })
        }
        "offer.withdrawn.v1" => Some(OfferChange::Withdrawn),
        _ => None,
    }
}
