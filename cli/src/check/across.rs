//! Checks across lines: contradictions, reused ids and order. Only fingerprints are kept, so that a file of any size
//! can be checked.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use contract::incoming::IncomingEvent;
use sha2::{Digest as _, Sha256};

use super::Remark;

/// The first 16 bytes of a SHA-256 digest. Equal fingerprints are taken to mean equal values.
type Fingerprint = u128;

/// The events seen so far.
#[derive(Debug, Default)]
pub(super) struct Across {
    /// By buyer and offer, and offer version: the first line with that version, and its content.
    versions: HashMap<(Fingerprint, u32), Seen>,
    /// By event id: the first line with that id, and the event it names.
    ids: HashMap<Fingerprint, Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    line: u64,
    what: Fingerprint,
}

impl Across {
    /// Adds an event and returns its conflicts with earlier lines.
    pub(super) fn add(&mut self, line: u64, incoming: &IncomingEvent) -> Vec<Remark> {
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
                    "contradicts line {}: the same version of the offer with another type or other data",
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
                    "is already the id of another event in line {}: SQS drops the second event, because the id is its deduplication id",
                    taken.get().line
                ),
            )),
            Entry::Occupied(taken) => remarks.push(Remark::warning(
                line,
                Some("id"),
                format!("repeats line {}: SQS drops the repeat if both are posted within five minutes", taken.get().line),
            )),
        }
        remarks
    }

    /// Warnings about order, by line: versions missing in between, and versions that follow later ones. Neither is a
    /// fault, because Leadstream holds early events.
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
                    "{missing} not in this file: this event is held until all earlier versions are recorded"
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
                    format!("version {version} follows version {later} of this offer, which is in line {at}"),
                )),
                Some(_) | None => latest = Some((offer, version, line)),
            }
        }
        remarks.sort_by_key(|remark| remark.line);
        remarks
    }
}

/// The fingerprint of several parts. They must not contain a slash.
fn fingerprint(parts: &[&str]) -> Fingerprint {
    let digest = Sha256::digest(parts.join("/"));
    digest.iter().take(16).fold(0, |number, byte| (number << 8) | u128::from(*byte))
}
