//! A state as it is stored: as a snapshot, which is a cache, or carried by a fact, which is history.

use std::collections::BTreeMap;

use domain::{CarId, Contact, Digest, LowLead, Offer, OfferId, OfferVersion, Sequence, Stage, State};
use serde::{Deserialize, Serialize};

use super::facts::StoredFact;
use super::{FOLD, USABLE_FOLDS};

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
    offers: BTreeMap<String, OfferV1>,
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
struct OfferV1 {
    /// Version.
    v: u32,
    /// Stage: `p`ending, `a`ccepted, `c`losed.
    s: char,
    /// The version of the acceptance.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    car: Option<String>,
    /// Index into the contacts.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<usize>,
    /// Digests by version. They are strings, for a JSON number keeps no 64 bits.
    #[serde(default)]
    d: BTreeMap<u32, String>,
    /// Void versions, first and last of each gap; fold 2.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    x: BTreeMap<u32, u32>,
}

#[derive(Serialize, Deserialize)]
struct ContactV1 {
    name: String,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_false(value: &bool) -> bool {
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
                (id.to_string(), stored_offer(offer, offer.contact.as_ref().map(&mut index_of)))
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

fn stored_offer(offer: &Offer, contact: Option<usize>) -> OfferV1 {
    let (s, at) = match offer.stage {
        Stage::Pending => ('p', None),
        Stage::Accepted { at } => ('a', Some(at.get())),
        Stage::Closed => ('c', None),
    };
    OfferV1 {
        v: offer.version.get(),
        s,
        at,
        car: offer.car.as_ref().map(CarId::to_string),
        to: contact,
        d: offer.digests.iter().map(|(version, digest)| (version.get(), format!("{:x}", digest.0))).collect(),
        x: offer.voided.iter().map(|(first, last)| (first.get(), last.get())).collect(),
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
            state.offers.insert(OfferId::parse(&id).ok()?, decode_offer(offer, &contacts)?);
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

fn decode_offer(stored: OfferV1, contacts: &[Contact]) -> Option<Offer> {
    let mut digests = BTreeMap::new();
    for (version, digest) in stored.d {
        digests.insert(OfferVersion::new(version)?, Digest(u64::from_str_radix(&digest, 16).ok()?));
    }
    let mut voided = BTreeMap::new();
    for (first, last) in stored.x {
        voided.insert(OfferVersion::new(first)?, OfferVersion::new(last)?);
    }
    Some(Offer {
        stage: match stored.s {
            'p' => Stage::Pending,
            'a' => Stage::Accepted { at: OfferVersion::new(stored.at?)? },
            'c' => Stage::Closed,
            _ => return None,
        },
        version: OfferVersion::new(stored.v)?,
        car: match stored.car {
            Some(car) => Some(CarId::parse(&car).ok()?),
            None => None,
        },
        contact: match stored.to {
            Some(index) => Some(contacts.get(index)?.clone()),
            None => None,
        },
        digests,
        voided,
    })
}
