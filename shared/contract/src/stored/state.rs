//! A state as it is stored: as a snapshot, which is a cache, or carried by a fact, which is history.

use std::collections::BTreeMap;

use domain::{Contact, LowLead, OfferId, Sequence, State};
use serde::{Deserialize, Serialize};

use super::facts::StoredFact;
use super::{FOLD, USABLE_FOLDS, offer};

/// Names are short because it is written often; contacts are listed once and offers point at them, for most buyers give
/// the same one with every offer.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredState {
    /// The fold that a snapshot was made by; in a fact, the version of this form.
    fold: u32,
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<(u64, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    contacts: Vec<ContactV1>,
    /// In one line each.
    offers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    held: Vec<StoredFact>,
    /// What only fold 2 knows: each `true`, or absent.
    #[serde(default, skip_serializing_if = "is_false")]
    invited: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    erased: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    reset: bool,
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

impl From<&State> for StoredState {
    fn from(state: &State) -> Self {
        let mut contacts: Vec<&Contact> = Vec::new();
        let mut index_of = |contact| {
            contacts.iter().position(|known| *known == contact).unwrap_or_else(|| {
                contacts.push(contact);
                contacts.len() - 1
            })
        };
        let offers = state
            .offers
            .iter()
            .map(|(id, offer)| {
                (id.to_string(), offer::encode(offer, offer.contact.as_ref().map(&mut index_of)))
            })
            .collect();
        let contacts = contacts
            .into_iter()
            .map(|contact| ContactV1 {
                name: contact.name.clone(),
                email: contact.email.clone(),
                phone: contact.phone.clone(),
            })
            .collect();
        Self {
            fold: oldest_fold_of(state),
            sequence: state.sequence.get(),
            low: state.low_lead.as_ref().map(|low| (low.opened_at.get(), low.offer.to_string())),
            contacts,
            offers,
            held: state.held.values().flat_map(BTreeMap::values).map(StoredFact::from).collect(),
            invited: state.was_invited,
            erased: state.is_erased,
            reset: state.is_reset,
        }
    }
}

/// The oldest fold that can use it: a version of the software that knows no more must not go on from it otherwise.
fn oldest_fold_of(state: &State) -> u32 {
    let is_new = state.was_invited
        || state.is_erased
        || state.is_reset
        || state.offers.values().any(|offer| !offer.voided.is_empty() || offer.contact.is_none());
    if is_new { FOLD } else { 1 }
}

impl StoredState {
    /// `None` if it is not what any version wrote.
    pub(super) fn into_state(self) -> Option<State> {
        let contacts: Vec<Contact> = self
            .contacts
            .into_iter()
            .map(|contact| Contact { name: contact.name, email: contact.email, phone: contact.phone })
            .collect();
        let mut state = State {
            sequence: Sequence::new(self.sequence),
            low_lead: match self.low {
                Some((opened_at, offer)) => {
                    Some(LowLead { opened_at: Sequence::new(opened_at), offer: OfferId::parse(&offer).ok()? })
                }
                None => None,
            },
            was_invited: self.invited,
            is_erased: self.erased,
            is_reset: self.reset,
            ..State::default()
        };
        for (id, offer) in self.offers {
            state.offers.insert(OfferId::parse(&id).ok()?, offer::decode(&offer, &contacts)?);
        }
        for fact in self.held {
            let event = fact.into_event()?;
            state.held.entry(event.offer.clone()).or_default().insert(event.version, event);
        }
        Some(state)
    }
}

pub(super) fn encode(state: &State) -> String {
    crate::json(&StoredState::from(state))
}

/// `None` for a snapshot of another fold, or one that cannot be read: then the facts are folded.
pub(super) fn decode(text: &str) -> Option<State> {
    let stored: StoredState = serde_json::from_str(text).ok()?;
    if USABLE_FOLDS.contains(&stored.fold) { stored.into_state() } else { None }
}
