//! The encoding of facts and of states. A state contains held events, and a fact may contain a state.

use std::collections::BTreeMap;

use domain::{
    CarId, Contact, Event, EventId, Fact, FormerLeadId, Known, LowLead, Offer, OfferChange, OfferId,
    OfferVersion, Sequence, State,
};
use serde::{Deserialize, Serialize};

use super::offer;

/// The version of the fold that computes snapshots. A snapshot of another fold is ignored, and the facts are folded
/// again. Raise it with every change to the state that facts lead to.
pub const FOLD: u32 = 3;

/// A state as it is stored. Names are short because states are written often. Each contact is listed once and offers
/// refer to it by index, because most buyers give the same contact with every offer.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredState {
    /// The fold that computed a snapshot; in a fact, the version of this encoding.
    fold: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<(u64, String)>,
    /// The name of the open low lead, if the former system opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    former: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    contacts: Vec<ContactV1>,
    /// The offers by id, each encoded as one line.
    offers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    held: Vec<StoredFact>,
    /// This flag and the two below are `true` or absent.
    #[serde(default, skip_serializing_if = "is_false")]
    invited: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    erased: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    asked: bool,
}

#[derive(Serialize, Deserialize)]
struct ContactV1 {
    name: String,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(super) const fn is_false(value: &bool) -> bool {
    !*value
}

/// The offers encoded as one line each, and the list of contacts that they refer to.
fn lines<'a>(offers: &'a BTreeMap<OfferId, Offer>) -> (BTreeMap<String, String>, Vec<ContactV1>) {
    let mut contacts: Vec<&'a Contact> = Vec::new();
    let mut index_of = |contact: &'a Contact| {
        contacts.iter().position(|known| *known == contact).unwrap_or_else(|| {
            contacts.push(contact);
            contacts.len() - 1
        })
    };
    let line = |(id, offer): (&'a OfferId, &'a Offer)| {
        (id.to_string(), offer::encode(offer, offer.contact.as_ref().map(&mut index_of)))
    };
    let lines = offers.iter().map(line).collect();
    let contact = |contact: &Contact| ContactV1 {
        name: contact.name.clone(),
        email: contact.email.clone(),
        phone: contact.phone.clone(),
    };
    (lines, contacts.into_iter().map(contact).collect())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl From<&State> for StoredState {
    fn from(state: &State) -> Self {
        let (offers, contacts) = lines(&state.offers);
        let low = state.low_lead.as_ref();
        Self {
            fold: FOLD,
            sequence: state.sequence.get(),
            low: low.map(|low| (low.opened_at.get(), low.offer.to_string())),
            former: low.and_then(|low| low.former.as_ref()).map(ToString::to_string),
            contacts,
            offers,
            held: state.held.values().flat_map(BTreeMap::values).map(StoredFact::from).collect(),
            invited: state.was_invited,
            erased: state.is_erased,
            asked: state.is_asked,
        }
    }
}

impl From<&Known> for StoredState {
    fn from(known: &Known) -> Self {
        let (offers, contacts) = lines(&known.offers);
        Self {
            fold: FOLD,
            sequence: 0,
            low: None,
            former: known.low_lead.as_ref().map(ToString::to_string),
            contacts,
            offers,
            held: Vec::new(),
            invited: known.was_invited,
            erased: false,
            asked: false,
        }
    }
}

impl StoredState {
    /// The decoded state, or `None` if no version of the software wrote it in this form.
    pub(super) fn into_state(self) -> Option<State> {
        let offers = offers_of(self.offers, self.contacts)?;
        let former = self.former.as_deref().map(FormerLeadId::parse).transpose().ok()?;
        let low_lead = match self.low {
            Some((opened_at, offer)) => {
                let offer = OfferId::parse(&offer).ok()?;
                Some(LowLead { opened_at: Sequence::new(opened_at), offer, former })
            }
            None => None,
        };
        let mut state = State {
            sequence: Sequence::new(self.sequence),
            offers: offers.into(),
            low_lead,
            was_invited: self.invited,
            is_erased: self.erased,
            is_asked: self.asked,
            ..State::default()
        };
        for fact in self.held {
            let event = fact.into_event()?;
            state.held.entry(event.offer.clone()).or_default().insert(event.version, event);
        }
        Some(state)
    }

    /// The decoded answer of the former system, or `None` as above.
    pub(super) fn into_known(self) -> Option<Known> {
        let low_lead = self.former.as_deref().map(FormerLeadId::parse).transpose().ok()?;
        Some(Known { offers: offers_of(self.offers, self.contacts)?, low_lead, was_invited: self.invited })
    }
}

fn offers_of(lines: BTreeMap<String, String>, contacts: Vec<ContactV1>) -> Option<BTreeMap<OfferId, Offer>> {
    let contact = |ContactV1 { name, email, phone }| Contact { name, email, phone };
    let contacts: Vec<Contact> = contacts.into_iter().map(contact).collect();
    let offer =
        |(id, line): (String, String)| Some((OfferId::parse(&id).ok()?, offer::decode(&line, &contacts)?));
    lines.into_iter().map(offer).collect()
}

pub(super) fn encode_state(state: &State) -> String {
    crate::json(&StoredState::from(state))
}

/// Decodes a snapshot. Returns `None` for a snapshot of another fold and for an unreadable one; the facts are folded
/// then.
pub(super) fn decode_state(text: &str) -> Option<State> {
    let stored: StoredState = serde_json::from_str(text).ok()?;
    if stored.fold == FOLD { stored.into_state() } else { None }
}

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
