//! What is wrong between lines. Only fingerprints are kept, so a file of any size can be checked.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use contract::incoming::IncomingEvent;
use sha2::{Digest as _, Sha256};

use super::Remark;

/// The first 16 bytes of a SHA-256: two of a kind are one and the same.
type Fingerprint = u128;

/// The events seen so far.
#[derive(Debug, Default)]
pub(super) struct Across {
    /// By buyer and offer, and offer version: where it stands first, and what it says.
    versions: HashMap<(Fingerprint, u32), Seen>,
    /// By event id: where it stands first, and what it names.
    ids: HashMap<Fingerprint, Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    line: u64,
    what: Fingerprint,
}

impl Across {
    /// What is wrong with an event beside those before it.
    pub(super) fn take(&mut self, line: u64, incoming: &IncomingEvent) -> Vec<Remark> {
        let IncomingEvent { buyer, event, dropped: _ } = incoming;
        let content = fingerprint(&[&format!("{:?}", event.change.digest())]);
        let offer = fingerprint(&[buyer.as_str(), event.offer.as_str()]);
        let version = event.version.get();
        let mut remarks = Vec::new();

        match self.versions.entry((offer, version)) {
            Entry::Vacant(free) => {
                free.insert(Seen { line, what: content });
            }
            Entry::Occupied(taken) if taken.get().what != content => remarks.push(Remark::finding(
                line,
                Some("data.offerVersion"),
                format!(
                    "contradicts line {}: another type or other data under the same version of the offer",
                    taken.get().line
                ),
            )),
            Entry::Occupied(_) => {}
        }

        let what = fingerprint(&[&format!("{offer:x}/{version}/{content:x}")]);
        match self.ids.entry(fingerprint(&[event.id.as_str()])) {
            Entry::Vacant(free) => {
                free.insert(Seen { line, what });
            }
            Entry::Occupied(taken) if taken.get().what != what => remarks.push(Remark::finding(
                line,
                Some("id"),
                format!(
                    "names another event in line {}: SQS would swallow the second one, for it is the deduplication id",
                    taken.get().line
                ),
            )),
            Entry::Occupied(taken) => remarks.push(Remark::warning(
                line,
                Some("id"),
                format!("repeats line {}: SQS swallows it when both are posted within five minutes", taken.get().line),
            )),
        }
        remarks
    }

    /// What is worth knowing of the order, by line: versions that are missing in between, and versions after later ones.
    /// Neither is wrong: Leadstream holds what is early.
    pub(super) fn order(self) -> Vec<Remark> {
        let mut seen: Vec<_> =
            self.versions.into_iter().map(|((offer, version), seen)| (offer, version, seen.line)).collect();
        let mut remarks = Vec::new();

        seen.sort_unstable();
        for pair in seen.windows(2) {
            if let [(offer, before, _), (of, version, line)] = *pair
                && offer == of
                && version - before > 1
            {
                let missing = match version - before {
                    2 => format!("version {} of this offer is", before + 1),
                    _ => format!("versions {} to {} of this offer are", before + 1, version - 1),
                };
                let rule = format!(
                    "{missing} not in the file: unless posted elsewhere, this event is held until then"
                );
                remarks.push(Remark::warning(line, Some("data.offerVersion"), rule));
            }
        }

        seen.sort_unstable_by_key(|(offer, _, line)| (*offer, *line));
        let mut latest: Option<(Fingerprint, u32, u64)> = None;
        for (offer, version, line) in seen {
            match latest {
                Some((of, later, at)) if of == offer && later > version => remarks.push(Remark::warning(
                    line,
                    Some("data.offerVersion"),
                    format!("version {version} comes after version {later} of this offer, which stands in line {at}"),
                )),
                Some(_) | None => latest = Some((offer, version, line)),
            }
        }
        remarks.sort_by_key(|remark| remark.line);
        remarks
    }
}

/// The parts must not contain a slash.
fn fingerprint(parts: &[&str]) -> Fingerprint {
    let digest = Sha256::digest(parts.join("/"));
    digest.iter().take(16).fold(0, |number, byte| (number << 8) | u128::from(*byte))
}
