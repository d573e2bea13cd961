//! `leads check`: checks every line of a file against the contract.

mod across;
mod lines;

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use across::Across;
use contract::address;
use contract::incoming::{IncomingEvent, LARGEST_BODY, Refusal, TYPES};
use domain::OfferChange;
pub(crate) use lines::{Content, Lines};
use serde_json::{Value, json};

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
