use std::collections::BTreeMap;

use domain::{CarId, Contact, Digest, LowLead, Offer, OfferId, OfferVersion, Sequence, Stage, State};
use serde::{Deserialize, Serialize};

use super::FOLD;
use super::facts::FactV1;

/// A snapshot. Names are short because it is written often; contacts are listed once and offers point at them, for
/// most buyers give the same one with every offer.
#[derive(Serialize, Deserialize)]
struct SnapshotV1 {
    fold: u32,
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<(u64, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    contacts: Vec<ContactV1>,
    offers: BTreeMap<String, OfferV1>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    held: Vec<FactV1>,
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
    d: BTreeMap<u32, String>,
}

#[derive(Serialize, Deserialize)]
struct ContactV1 {
    name: String,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
}

pub(super) fn encode(state: &State) -> String {
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
            let (s, at) = match offer.stage {
                Stage::Pending => ('p', None),
                Stage::Accepted { at } => ('a', Some(at.get())),
                Stage::Closed => ('c', None),
            };
            let stored = OfferV1 {
                v: offer.version.get(),
                s,
                at,
                car: offer.car.as_ref().map(CarId::to_string),
                to: offer.contact.as_ref().map(&mut index_of),
                d: offer
                    .digests
                    .iter()
                    .map(|(version, digest)| (version.get(), format!("{:x}", digest.0)))
                    .collect(),
            };
            (id.to_string(), stored)
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
    crate::json(&SnapshotV1 {
        fold: FOLD,
        sequence: state.sequence.get(),
        low: state.low_lead.as_ref().map(|low| (low.opened_at.get(), low.offer.to_string())),
        contacts,
        offers,
        held: state.held.values().flat_map(BTreeMap::values).map(FactV1::from).collect(),
    })
}

/// `None` for a snapshot of another fold, or one that cannot be read: then the facts are folded.
pub(super) fn decode(text: &str) -> Option<State> {
    let stored: SnapshotV1 =
        serde_json::from_str(text).ok().filter(|stored: &SnapshotV1| stored.fold == FOLD)?;
    let contacts: Vec<Contact> = stored
        .contacts
        .into_iter()
        .map(|contact| Contact { name: contact.name, email: contact.email, phone: contact.phone })
        .collect();
    let mut state = State {
        sequence: Sequence::new(stored.sequence),
        low_lead: match stored.low {
            Some((opened_at, offer)) => {
                Some(LowLead { opened_at: Sequence::new(opened_at), offer: OfferId::parse(&offer).ok()? })
            }
            None => None,
        },
        ..State::default()
    };
    for (id, offer) in stored.offers {
        state.offers.insert(OfferId::parse(&id).ok()?, decode_offer(offer, &contacts)?);
    }
    for fact in stored.held {
        let event = fact.into_event()?;
        state.held.entry(event.offer.clone()).or_default().insert(event.version, event);
    }
    Some(state)
}

fn decode_offer(stored: OfferV1, contacts: &[Contact]) -> Option<Offer> {
    let mut digests = BTreeMap::new();
    for (version, digest) in stored.d {
        digests.insert(OfferVersion::new(version)?, Digest(u64::from_str_radix(&digest, 16).ok()?));
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
    })
}
