pub(crate) mod batch;
pub(crate) mod commit;
pub(crate) mod doorbells;
pub(crate) mod email;
pub(crate) mod incoming;
pub(crate) mod receipts;
pub(crate) mod snapshot;

use domain::{BuyerId, Event, EventId, OfferChange, OfferId, OfferVersion};
use testkit::contact;

/// The parts of an input. They are separated by the ASCII record separator, which our texts never contain.
fn parts(bytes: &[u8]) -> impl Iterator<Item = String> {
    bytes.split(|byte| *byte == 0x1e).map(|part| String::from_utf8_lossy(part).into_owned())
}

/// Reads an event in the short form, as in `m car-1 1`: a letter for the change, the offer and the version. The
/// letters are `m` (made), `a` (accepted), `w` (acceptance withdrawn), `r` (rejected) and `t` (offer withdrawn). The
/// form is short so that the fuzzer finds whole histories and not only single events.
fn event(text: &str) -> Option<Event> {
    let mut words = text.split(' ');
    let (change, offer, version) = (words.next()?, words.next()?, words.next()?);
    let change = match change {
        "m" => OfferChange::Made { car: domain::CarId::parse(offer).ok()?, contact: Some(contact()) },
        "a" => OfferChange::Accepted,
        "w" => OfferChange::AcceptanceWithdrawn,
        "r" => OfferChange::Rejected { reason: words.next().map(str::to_owned) },
        "t" => OfferChange::Withdrawn,
        _ => return None,
    };
    let version = OfferVersion::new(version.parse().ok()?)?;
    let id = EventId::parse(&format!("{}-{version}", change.name())).unwrap();
    Some(Event { offer: OfferId::parse(offer).ok()?, version, change, id, time: None })
}

fn buyer(text: &str) -> Option<BuyerId> {
    BuyerId::parse(text).ok()
}
