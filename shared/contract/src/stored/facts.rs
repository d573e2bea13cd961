use domain::{CarId, Contact, Event, EventId, Fact, OfferChange, OfferId, OfferVersion};
use serde::{Deserialize, Serialize};

use super::state::{StoredState, is_false};

/// A fact as it is stored. Format 1 contains only events.
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
    /// Whether the contact equals the previous contact in the same commit. Most buyers give the same one with every
    /// offer.
    #[serde(default, skip_serializing_if = "is_false")]
    same: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The former system's answer. In facts that older versions wrote, the state that replaces all earlier facts.
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
            Fact::Migrated(known) | Fact::HandedOver(known) => {
                Self { state: Some(Box::new(StoredState::from(known.as_ref()))), ..Self::default() }
            }
            Fact::Reset(state) | Fact::Erased(state) => {
                let state = state.as_ref().map(|state| Box::new(StoredState::from(state.as_ref())));
                Self { state, ..Self::default() }
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
        let known = |stored: Option<Box<StoredState>>| stored?.into_known().map(Box::new);
        let state = |stored: Option<Box<StoredState>>| match stored {
            Some(stored) => stored.into_state().map(Box::new).map(Some),
            None => Some(None),
        };
        match self.kind.as_str() {
            "migrated" => known(self.state).map(Fact::Migrated),
            "handed-over" => known(self.state).map(Fact::HandedOver),
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

/// The oldest format that can hold this fact: the oldest whose readers both parse the fact and act on it correctly.
pub(super) const fn format_of(fact: &Fact) -> u32 {
    match fact {
        Fact::Event(Event { change: OfferChange::Made { contact: None, .. }, .. }) | Fact::Voided { .. } => 2,
        Fact::Event(_) => 1,
        Fact::Migrated(_) | Fact::HandedOver(_) | Fact::Reset(_) | Fact::Erased(_) => 3,
    }
}
