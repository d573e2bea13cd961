//! Messages to the sales team's queue: CloudEvents 1.0 whose `id` is the id of the effect.

use domain::{BuyerId, CarId, Contact, Effect, EffectKind, LeadId, Offer, OfferId, State};
use jiff::Timestamp;
use serde::Serialize;

use crate::stored::Commit;
use crate::trace::TraceParent;

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: &'static str,
    r#type: &'static str,
    subject: String,
    time: String,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    #[serde(rename_all = "camelCase")]
    QuoteRequested {
        buyer_id: &'a str,
        offer_id: &'a str,
        car_id: &'a str,
        contact: ContactData<'a>,
        sequence: u64,
    },
    #[serde(rename_all = "camelCase")]
    LeadOpened {
        lead_id: String,
        buyer_id: &'a str,
        priority: &'static str,
        contact: ContactData<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        offer_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        car_id: Option<&'a str>,
        sequence: u64,
    },
    #[serde(rename_all = "camelCase")]
    LeadClosed {
        lead_id: String,
        buyer_id: &'a str,
        priority: &'static str,
        reason: &'static str,
        sequence: u64,
    },
}

#[derive(Serialize)]
struct ContactData<'a> {
    name: &'a str,
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<&'a str>,
}

impl<'a> From<&'a Contact> for ContactData<'a> {
    fn from(contact: &'a Contact) -> Self {
        Self { name: &contact.name, email: &contact.email, phone: contact.phone.as_deref() }
    }
}

/// The message that announces an effect of this commit, as [`sales_message`] writes it. Everyone who sends a message,
/// for the first time or again, calls this function, so that repeats are identical to the byte.
#[must_use]
pub fn announcement(effect: &Effect, commit: &Commit, head: &State) -> Option<String> {
    let trace = commit.trace_of(effect).map(|trace| trace.effect(&commit.buyer, effect));
    sales_message(&commit.buyer, effect, head, commit.recorded_at, trace)
}

/// The JSON message that announces an effect to the sales team.
///
/// `head` is the buyer's current state, which contains the contact. `time` is when the commit was recorded, and `trace`
/// the effect's own place in a trace, so that a repeated message is identical to the byte. Returns `None` for e-mails, for offers without a contact, and for
/// requests to quote for an unknown car.
#[must_use]
pub fn sales_message(
    buyer: &BuyerId,
    effect: &Effect,
    head: &State,
    time: Timestamp,
    trace: Option<TraceParent>,
) -> Option<String> {
    let sequence = effect.sequence.get();
    let buyer_id = buyer.as_str();
    let (kind, subject, data) = match &effect.kind {
        EffectKind::QuoteRequest { offer } => {
            let (car, contact) = car_and_contact(head, offer)?;
            let data = Data::QuoteRequested {
                buyer_id,
                offer_id: offer.as_str(),
                car_id: car?.as_str(),
                contact: contact.into(),
                sequence,
            };
            ("quote.requested.v1", offer.to_string(), data)
        }
        EffectKind::LeadOpened { lead, offer } => {
            let (car, contact) = car_and_contact(head, offer)?;
            let is_high = matches!(lead, LeadId::High { .. });
            let data = Data::LeadOpened {
                lead_id: lead.to_string(),
                buyer_id,
                priority: lead.priority().name(),
                contact: contact.into(),
                offer_id: is_high.then_some(offer.as_str()),
                car_id: car.filter(|_| is_high).map(CarId::as_str),
                sequence,
            };
            ("lead.opened.v1", lead.to_string(), data)
        }
        EffectKind::LeadClosed { lead, reason } => {
            let data = Data::LeadClosed {
                lead_id: lead.to_string(),
                buyer_id,
                priority: lead.priority().name(),
                reason: reason.name(),
                sequence,
            };
            ("lead.closed.v1", lead.to_string(), data)
        }
        EffectKind::AcceptedEmail { .. } | EffectKind::QuoteInvitation { .. } => return None,
    };
    Some(escaped_for_sqs(&crate::json(&CloudEvent {
        specversion: "1.0",
        id: effect.id(buyer),
        source: "/leadstream",
        r#type: kind,
        subject,
        time: time.to_string(),
        datacontenttype: "application/json",
        traceparent: trace.map(|trace| trace.to_string()),
        data,
    })))
}

/// Escapes U+FFFE and U+FFFF, which JSON permits but SQS refuses in a body (`InvalidMessageContents`).
fn escaped_for_sqs(json: &str) -> String {
    json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

fn car_and_contact<'a>(head: &'a State, offer: &OfferId) -> Option<(Option<&'a CarId>, &'a Contact)> {
    let Offer { car, contact, .. } = head.offers.get(offer)?;
    Some((car.as_ref(), contact.as_ref()?))
}
