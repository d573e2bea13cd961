//! The encoding of an offer in a stored state. It is one short line, because states are written often.
//!
//! `3a2 car-1 0 2:jHu5OlD0t9HRgIM1 4-5` is an offer at version 3, accepted (`a`) at version 2, for `car-1`, with
//! contact 0, with the digests of versions 2 and 3, eight characters each, and with versions 4 to 5 void.
//!
//! Stages are `p` (pending), `a` (accepted) and `c` (closed), in upper case if no quote was requested. `5a2.4` was
//! accepted at version 4 and keeps the lead name of version 2. An unknown car or contact is `/`. A word such as `/F7`
//! is the name of the high lead that the former system opened.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{CarId, Contact, Digest, FormerLeadId, Offer, OfferVersion, Stage};

/// The mark of an unknown value. No id can contain it.
const UNKNOWN: &str = "/";

/// Encodes an offer. `contact` is the index of its contact in the list of the state.
pub(super) fn encode(offer: &Offer, contact: Option<usize>) -> String {
    let stage = match offer.stage {
        Stage::Pending => "p".to_owned(),
        Stage::Accepted { at, since } if at == since => format!("a{at}"),
        Stage::Accepted { at, since } => format!("a{at}.{since}"),
        Stage::Closed => "c".to_owned(),
    };
    let stage = if offer.is_quoted { stage } else { stage.to_uppercase() };
    let car = offer.car.as_ref().map_or(UNKNOWN, CarId::as_str);
    let contact = contact.map_or(UNKNOWN.to_owned(), |index| index.to_string());
    let mut next = None;
    let digests = offer.digests.iter().map(|(version, digest)| {
        let begins = if next == Some(*version) { String::new() } else { format!(" {version}:") };
        next = Some(version.next());
        begins + &BASE64_URL_SAFE_NO_PAD.encode(digest.0)
    });
    let voided = offer.voided.iter().map(|(first, last)| format!(" {first}-{last}"));
    let former = offer.former_lead.iter().map(|lead| format!(" /{lead}"));
    format!("{}{stage} {car} {contact}", offer.version)
        + &digests.chain(voided).chain(former).collect::<String>()
}

pub(super) fn decode(text: &str, contacts: &[Contact]) -> Option<Offer> {
    let mut words = text.split(' ');
    let (head, car, contact) = (words.next()?, words.next()?, words.next()?);
    let (number, stage) = head.split_at(head.find(|letter: char| !letter.is_ascii_digit())?);
    let lower = stage.to_ascii_lowercase();
    let is_quoted = lower == stage;
    let stage = match lower.as_str() {
        "p" => Stage::Pending,
        "c" => Stage::Closed,
        accepted => {
            let versions = accepted.strip_prefix('a')?;
            let (at, since) = versions.split_once('.').unwrap_or((versions, versions));
            Stage::Accepted { at: version(at)?, since: version(since)? }
        }
    };
    let known = |word| Some(word).filter(|word| *word != UNKNOWN);
    let (mut digests, mut voided, mut former_lead) = (BTreeMap::new(), BTreeMap::new(), None);
    for word in words {
        if let Some(lead) = word.strip_prefix('/') {
            former_lead = Some(FormerLeadId::parse(lead).ok()?);
        } else if let Some((first, run)) = word.split_once(':') {
            let mut of = version(first)?;
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(run).ok()?;
            let (run, []) = bytes.as_chunks() else { return None };
            for digest in run {
                digests.insert(of, Digest(*digest));
                of = of.next();
            }
        } else {
            let (first, last) = word.split_once('-')?;
            voided.insert(version(first)?, version(last)?);
        }
    }
    Some(Offer {
        stage,
        version: version(number)?,
        car: match known(car) {
            Some(car) => Some(CarId::parse(car).ok()?),
            None => None,
        },
        contact: match known(contact) {
            Some(index) => Some(contacts.get(index.parse::<usize>().ok()?)?.clone()),
            None => None,
        },
        former_lead,
        is_quoted,
        digests,
        voided,
    })
}

fn version(text: &str) -> Option<OfferVersion> {
    OfferVersion::new(text.parse().ok()?)
}
