use domain::{CarId, Contact, Event, EventId, Fact, OfferChange, OfferId, OfferVersion};
use serde::{Deserialize, Serialize};

use super::state::{StoredState, is_false};

/// A recorded fact. Format 1 has events only; format 2 has the others too.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct StoredFact {
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
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
    /// Whether the contact is that of the offer made before it in the same commit: most buyers give one with every offer.
    #[serde(default, skip_serializing_if = "is_false")]
    same: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Of a fact that carries a state of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Box<StoredState>>,
}

impl From<&Fact> for StoredFact {
    fn from(fact: &Fact) -> Self {
        let mut stored = match fact {
            Fact::Event(event) => return Self::from(event),
            Fact::Voided { offer, through } => {
                Self { offer: Some(offer.to_string()), version: Some(through.get()), ..Self::default() }
            }
            Fact::Migrated(state) | Fact::Reset(state) | Fact::Erased(state) => {
                Self { state: Some(Box::new(StoredState::from(state.as_ref()))), ..Self::default() }
            }
        };
        fact.name().clone_into(&mut stored.kind);
        stored
    }
}

impl From<&Event> for StoredFact {
    fn from(event: &Event) -> Self {
        let mut fact = Self {
            kind: event.change.name().to_owned(),
            offer: Some(event.offer.to_string()),
            version: Some(event.version.get()),
            id: Some(event.id.to_string()),
            time: event.time.clone(),
            ..Self::default()
        };
        match &event.change {
            OfferChange::Made { car, contact } => {
                fact.car = Some(car.to_string());
                if let Some(contact) = contact {
                    fact.name = Some(contact.name.clone());
                    fact.email = Some(contact.email.clone());
                    fact.phone.clone_from(&contact.phone);
                }
            }
            OfferChange::Rejected { reason } => fact.reason.clone_from(reason),
            OfferChange::Accepted | OfferChange::AcceptanceWithdrawn | OfferChange::Withdrawn => {}
        }
        fact
    }
}

impl StoredFact {
    fn contact(&self) -> Option<Contact> {
        Some(Contact { name: self.name.clone()?, email: self.email.clone()?, phone: self.phone.clone() })
    }

    fn into_fact(self) -> Option<Fact> {
        let state = |stored: Option<Box<StoredState>>| stored?.into_state().map(Box::new);
        match self.kind.as_str() {
            "migrated" => state(self.state).map(Fact::Migrated),
            "reset" => state(self.state).map(Fact::Reset),
            "erased" => state(self.state).map(Fact::Erased),
            "voided" => Some(Fact::Voided {
                offer: OfferId::parse(&self.offer?).ok()?,
                through: OfferVersion::new(self.version?)?,
            }),
            _ => self.into_event().map(Fact::Event),
        }
    }

    pub(super) fn into_event(self) -> Option<Event> {
        let change = match self.kind.as_str() {
            "made" => OfferChange::Made {
                car: CarId::parse(&self.car?).ok()?,
                contact: match (self.name, self.email) {
                    (Some(name), Some(email)) => Some(Contact { name, email, phone: self.phone }),
                    (None, None) => None,
                    (Some(_), None) | (None, Some(_)) => return None,
                },
            },
            "accepted" => OfferChange::Accepted,
            "acceptance-withdrawn" => OfferChange::AcceptanceWithdrawn,
            "rejected" => OfferChange::Rejected { reason: self.reason },
            "withdrawn" => OfferChange::Withdrawn,
            _ => return None,
        };
        Some(Event {
            offer: OfferId::parse(&self.offer?).ok()?,
            version: OfferVersion::new(self.version?)?,
            change,
            id: EventId::parse(&self.id?).ok()?,
            time: self.time,
        })
    }
}

pub(super) fn encode(facts: &[Fact]) -> String {
    let mut stored: Vec<StoredFact> = facts.iter().map(StoredFact::from).collect();
    let mut last: Option<Contact> = None;
    for fact in &mut stored {
        if let Some(contact) = fact.contact() {
            if last.as_ref() == Some(&contact) {
                (fact.name, fact.email, fact.phone, fact.same) = (None, None, None, true);
            }
            last = Some(contact);
        }
    }
    crate::json(&stored)
}

pub(super) fn decode(text: &str) -> Option<Vec<Fact>> {
    let mut stored: Vec<StoredFact> = serde_json::from_str(text).ok()?;
    let mut last: Option<Contact> = None;
    for fact in &mut stored {
        if fact.same {
            let Contact { name, email, phone } = last.clone()?;
            (fact.name, fact.email, fact.phone) = (Some(name), Some(email), phone);
        }
        last = fact.contact().or(last);
    }
    stored.into_iter().map(StoredFact::into_fact).collect()
}

/// Whether a reader that knows events only can read this fact, and would do right by it.
pub(super) const fn is_of_format_1(fact: &Fact) -> bool {
    match fact {
        Fact::Event(Event { change: OfferChange::Made { contact: None, .. }, .. })
        | Fact::Migrated(_)
        | Fact::Voided { .. }
        | Fact::Reset(_)
        | Fact::Erased(_) => false,
        Fact::Event(_) => true,
    }
}
