//! `leads check`: checks every line of a file against the contract.

mod lines;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use contract::address;
use contract::incoming::{IncomingEvent, LARGEST_BODY, Refusal, TYPES};
use domain::OfferChange;
pub(crate) use lines::{Content, Lines};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::output::{Output, count};
use crate::{Exit, Failure};

/// A finding or a warning about a line. It names fields and numbers but never values, which may be personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The line, from 1.
    pub line: u64,
    /// Whether it is a warning. Warnings do not keep the event from being posted.
    pub is_warning: bool,
    /// The field, as in `data.offerVersion`; `None` if the remark is about the whole line.
    pub path: Option<&'static str>,
    /// The rule that is broken, or the problem.
    pub rule: String,
}

/// The counts of a check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// All lines, including blank ones.
    pub lines: u64,
    /// Lines that the contract accepts as events.
    pub events: u64,
    /// Faults that must be fixed before the file can be posted.
    pub findings: u64,
    /// Warnings.
    pub warnings: u64,
}

impl Remark {
    fn finding(line: u64, path: Option<&'static str>, rule: String) -> Self {
        Self { line, is_warning: false, path, rule }
    }

    fn warning(line: u64, path: Option<&'static str>, rule: String) -> Self {
        Self { line, is_warning: true, path, rule }
    }

    fn json(&self) -> Value {
        json!({ "line": self.line, "path": self.path, "rule": self.rule })
    }
}

impl fmt::Display for Remark {
    /// Writes `LINE: path: rule`, to be printed after the file's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warning = if self.is_warning { "warning: " } else { "" };
        match self.path {
            Some(path) => write!(f, "{}: {warning}{path}: {}", self.line, self.rule),
            None => write!(f, "{}: {warning}{}", self.line, self.rule),
        }
    }
}

/// Checks every line and calls `emit` with each remark: first findings and warnings in line order, then the warnings
/// about order. Only fingerprints are kept, so the file may be of any size. `name` names the file in errors.
///
/// # Errors
/// [`Failure::Read`], and the errors of `emit`.
pub fn check(
    reader: impl BufRead,
    name: &str,
    mut emit: impl FnMut(Remark) -> Result<(), Failure>,
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let mut across = Across::default();
    let mut lines = Lines::of(reader);
    let mut emit_all = |remarks: Vec<Remark>, tally: &mut Tally| {
        for remark in remarks {
            *(if remark.is_warning { &mut tally.warnings } else { &mut tally.findings }) += 1;
            emit(remark)?;
        }
        Ok(())
    };
    while let Some(line) = lines.next().map_err(|source| Failure::Read { file: name.to_owned(), source })? {
        tally.lines = line.number;
        let remarks = match line.content() {
            Content::Blank => Vec::new(),
            Content::NotUtf8 => vec![Remark::finding(line.number, None, "is not valid UTF-8".to_owned())],
            Content::ByteOrderMark => {
                let rule =
                    "begins with a byte order mark, which JSON does not allow: save the file without it";
                vec![Remark::finding(line.number, None, rule.to_owned())]
            }
            Content::Refused(refusal) => findings_of(line.number, refusal),
            Content::Event { body, incoming } => {
                tally.events += 1;
                let mut remarks = across.add(line.number, &incoming);
                remarks.extend(warnings_of(line.number, &incoming));
                // Source: Amazon SQS API Reference, `SendMessage`: the characters allowed in a message.
                if body.contains(['\u{fffe}', '\u{ffff}']) {
                    let rule = "contains U+FFFE or U+FFFF, which SQS rejects: write it as a JSON escape";
                    remarks.push(Remark::finding(line.number, None, rule.to_owned()));
                }
                remarks
            }
        };
        emit_all(remarks, &mut tally)?;
    }
    emit_all(across.order(), &mut tally)?;
    Ok(tally)
}

/// Warnings about one event: malformed optional fields that are dropped, and an e-mail address that cannot be used.
fn warnings_of(line: u64, incoming: &IncomingEvent) -> Vec<Remark> {
    let event = &incoming.event;
    let dropped = incoming.dropped.iter().map(|field| {
        let rule = match *field {
            "time" => {
                "is not an RFC 3339 timestamp such as 2026-11-23T10:00:00Z: the event is recorded without it"
            }
            _ => "is malformed: the event is recorded without it",
        };
        Remark::warning(line, Some(field), rule.to_owned())
    });
    let address = match &event.change {
        OfferChange::Made { contact: Some(contact), .. } if address::checked(&contact.email).is_none() => {
            let rule = format!(
                "is not a usable e-mail address: every e-mail about the offer of event {} would be rejected",
                event.id
            );
            Some(Remark::warning(line, Some("data.buyer.email"), rule))
        }
        OfferChange::Made { .. }
        | OfferChange::Accepted
        | OfferChange::AcceptanceWithdrawn
        | OfferChange::Rejected { .. }
        | OfferChange::Withdrawn => None,
    };
    dropped.chain(address).collect()
}

fn findings_of(line: u64, refusal: Refusal) -> Vec<Remark> {
    match refusal {
        Refusal::TooLarge { bytes } => {
            vec![Remark::finding(
                line,
                None,
                format!("is {bytes} bytes long: at most {LARGEST_BODY} are allowed"),
            )]
        }
        Refusal::NotJson { column, .. } => {
            vec![Remark::finding(line, None, format!("is not valid JSON from column {column} on"))]
        }
        Refusal::UnknownType => {
            vec![Remark::finding(line, Some("type"), format!("must be one of {}", TYPES.join(", ")))]
        }
        Refusal::NotAnOfferEvent(findings) => findings
            .into_iter()
            .map(|finding| Remark::finding(line, Some(finding.path), finding.rule.to_owned()))
            .collect(),
    }
}

/// Checks a file and prints the remarks: immediately as text, or at the end as part of the returned JSON document.
pub(crate) fn report<O: Write, E: Write>(
    reader: impl BufRead,
    name: &str,
    output: &mut Output<'_, O, E>,
) -> Result<(Tally, Value), Failure> {
    let (mut findings, mut warnings) = (Vec::new(), Vec::new());
    let tally = check(reader, name, |remark| {
        if !output.is_json {
            return output.line(&format!("{name}:{remark}"));
        }
        (if remark.is_warning { &mut warnings } else { &mut findings }).push(remark.json());
        Ok(())
    })?;
    let document =
        json!({ "lines": tally.lines, "events": tally.events, "findings": findings, "warnings": warnings });
    Ok((tally, document))
}

pub(crate) fn command<O: Write, E: Write>(
    file: &Path,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let (tally, document) = if file == Path::new("-") {
        report(io::stdin().lock(), "-", output)?
    } else {
        let name = file.display().to_string();
        report(open(file)?, &name, output)?
    };
    if output.is_json {
        output.json(&document)?;
    } else {
        output.line(&summary(&file.display().to_string(), &tally))?;
    }
    Ok(if tally.findings == 0 { Exit::Good } else { Exit::Findings })
}

pub(crate) fn open(file: &Path) -> Result<BufReader<File>, Failure> {
    let opened = File::open(file).map(|file| BufReader::with_capacity(128 * 1024, file));
    opened.map_err(|source| Failure::Read { file: file.display().to_string(), source })
}

pub(crate) fn summary(name: &str, tally: &Tally) -> String {
    format!(
        "{name}: {}, {}, {}, {}",
        count(tally.lines, "line"),
        count(tally.events, "event"),
        count(tally.findings, "finding"),
        count(tally.warnings, "warning"),
    )
}

/// The first 16 bytes of a SHA-256 digest. Equal fingerprints are taken to mean equal values.
type Fingerprint = u128;

/// The events seen so far.
#[derive(Debug, Default)]
struct Across {
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
    fn add(&mut self, line: u64, incoming: &IncomingEvent) -> Vec<Remark> {
        let IncomingEvent { buyer, event, .. } = incoming;
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
    fn order(self) -> Vec<Remark> {
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
