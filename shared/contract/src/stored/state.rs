//! The encoding of a state, either as a snapshot, which is a cache, or inside a fact, which is history.

use std::collections::BTreeMap;

use domain::{Contact, FormerLeadId, Known, LowLead, Offer, OfferId, Sequence, State};
use serde::{Deserialize, Serialize};

use super::facts::StoredFact;
use super::{FOLD, offer};

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

pub(super) fn encode(state: &State) -> String {
    crate::json(&StoredState::from(state))
}

/// Decodes a snapshot. Returns `None` for a snapshot of another fold and for an unreadable one; the facts are folded
/// then.
pub(super) fn decode(text: &str) -> Option<State> {
    let stored: StoredState = serde_json::from_str(text).ok()?;
    if stored.fold == FOLD { stored.into_state() } else { None }
}
