use domain::{CarId, Contact, Event, EventId, OfferChange, OfferId, OfferVersion};
use serde::{Deserialize, Serialize};

/// A recorded event, format 1.
#[derive(Serialize, Deserialize)]
pub(super) struct FactV1 {
    #[serde(rename = "type")]
    kind: String,
    offer: String,
    version: u32,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    car: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<&Event> for FactV1 {
    fn from(event: &Event) -> Self {
        let mut fact = Self {
            kind: event.change.name().to_owned(),
            offer: event.offer.to_string(),
            version: event.version.get(),
            id: event.id.to_string(),
            time: event.time.clone(),
            car: None,
            name: None,
            email: None,
            phone: None,
            reason: None,
        };
        match &event.change {
            OfferChange::Made { car, contact } => {
                fact.car = Some(car.to_string());
                fact.name = Some(contact.name.clone());
                fact.email = Some(contact.email.clone());
                fact.phone.clone_from(&contact.phone);
            }
            OfferChange::Rejected { reason } => fact.reason.clone_from(reason),
            OfferChange::Accepted | OfferChange::AcceptanceWithdrawn | OfferChange::Withdrawn => {}
        }
        fact
    }
}

impl FactV1 {
    pub(super) fn into_event(self) -> Option<Event> {
        let change = match self.kind.as_str() {
            "made" => OfferChange::Made {
                car: CarId::parse(&self.car?).ok()?,
                contact: Contact { name: self.name?, email: self.email?, phone: self.phone },
            },
            "accepted" => OfferChange::Accepted,
            "acceptance-withdrawn" => OfferChange::AcceptanceWithdrawn,
            "rejected" => OfferChange::Rejected { reason: self.reason },
            "withdrawn" => OfferChange::Withdrawn,
            _ => return None,
        };
        Some(Event {
            offer: OfferId::parse(&self.offer).ok()?,
            version: OfferVersion::new(self.version)?,
            change,
            id: EventId::parse(&self.id).ok()?,
            time: self.time,
        })
    }
}

pub(super) fn encode(events: &[Event]) -> String {
    let facts: Vec<FactV1> = events.iter().map(FactV1::from).collect();
    crate::json(&facts)
}

pub(super) fn decode(text: &str) -> Option<Vec<Event>> {
    let facts: Vec<FactV1> = serde_json::from_str(text).ok()?;
    facts.into_iter().map(FactV1::into_event).collect()
}
