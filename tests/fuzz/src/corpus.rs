//! The known inputs of each target, randomly changed copies of them, and how an input is read.

use std::path::Path;
use std::{fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::incoming::TYPES;
use domain::{BuyerId, CarId, Event, EventId, OfferChange, OfferId, OfferVersion};
use serde_json::Value;
use testkit::{SplitMix64, contact};

/// The known inputs of a target with their names: its file in `corpus`, and for `incoming` also the contract's
/// examples.
///
/// # Panics
///
/// If a file is missing or damaged.
#[must_use]
pub fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("corpus/{target}.jsonl"));
    let mut corpus: Vec<_> = fs::read_to_string(file).unwrap().lines().map(input).collect();
    if target == "incoming" {
        corpus.extend(examples());
    }
    corpus
}

/// An input from its line: text is stored as `input`, anything else as `base64`.
fn input(line: &str) -> (String, Vec<u8>) {
    let line: Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| line[name].as_str();
    let bytes = text("input")
        .map_or_else(|| STANDARD.decode(text("base64").unwrap()).unwrap(), |text| text.as_bytes().to_vec());
    (text("name").unwrap().to_owned(), bytes)
}

/// The events in the contract's examples, valid and invalid.
fn examples() -> impl Iterator<Item = (String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/contract/examples");
    let mut files = TYPES.map(|kind| format!("valid/{kind}.jsonl")).to_vec();
    files.push("invalid.jsonl".to_owned());
    let text: String = files.iter().map(|file| fs::read_to_string(folder.join(file)).unwrap()).collect();
    let events: Vec<Vec<u8>> = text
        .lines()
        .map(|line| line.split_once("\"event\":").unwrap().1.strip_suffix('}').unwrap().into())
        .collect();
    events.into_iter().enumerate().map(|(index, event)| (format!("example-{index}"), event))
}

/// Writes the known inputs of a target into a folder, a file each, as `libFuzzer` reads them.
///
/// # Errors
///
/// If a file cannot be written.
pub fn unpack(target: &str, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    corpus(target).into_iter().try_for_each(|(name, bytes)| fs::write(folder.join(name), bytes))
}

/// Fragments of JSON, e-mails and templates, and bytes that often break their parsers.
const PIECES: [&[u8]; 24] = [
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"0",
    b"-1",
    b"1e999",
    b"18446744073709551615",
    b"4294967296",
    b"\r\n",
    b"\0",
    b"<",
    b"{{x}}",
    b"\xe2\x80\xae",
    b"\xff",
    b"@",
    b"\x1e",
    b"/",
];

/// A generator of changed copies, which are the same on every machine.
#[derive(Debug, Clone)]
pub struct Changes(SplitMix64);

impl Changes {
    /// The generator with this seed.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self(SplitMix64(seed))
    }

    /// A copy of one of the known inputs, with one to four changes.
    pub fn of_one_of(&mut self, known: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = known[self.0.below(known.len())].clone();
        for _ in 0..=self.0.below(4) {
            self.change(&mut bytes, known);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, known: &[Vec<u8>]) {
        let at = self.0.below(bytes.len() + 1);
        let until = (at + self.0.below(16)).min(bytes.len());
        match self.0.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.0.below(8),
            1 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(1),
            2 => drop(bytes.drain(at..until)),
            3 => {
                let again = bytes[at..until].to_vec();
                bytes.splice(at..at, again);
            }
            // Replaces the end by the end of another input.
            4 => {
                let other = &known[self.0.below(known.len())];
                bytes.truncate(at);
                bytes.extend(&other[self.0.below(other.len() + 1)..]);
            }
            _ => {
                let piece = PIECES[self.0.below(PIECES.len())];
                bytes.splice(at..until.min(at + self.0.below(2)), piece.iter().copied());
            }
        }
    }
}

/// The parts of an input. They are separated by the ASCII record separator, which our texts never contain.
pub(crate) fn parts(bytes: &[u8]) -> impl Iterator<Item = String> {
    bytes.split(|byte| *byte == 0x1e).map(|part| String::from_utf8_lossy(part).into_owned())
}

/// Reads an event in the short form, as in `m car-1 1`: a letter for the change, the offer and the version. The
/// letters are `m` (made), `a` (accepted), `w` (acceptance withdrawn), `r` (rejected) and `t` (offer withdrawn). The
/// form is short so that the fuzzer finds whole histories and not only single events.
pub(crate) fn event(text: &str) -> Option<Event> {
    let mut words = text.split(' ');
    let (change, offer, version) = (words.next()?, words.next()?, words.next()?);
    let change = match change {
        "m" => OfferChange::Made { car: CarId::parse(offer).ok()?, contact: Some(contact()) },
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

pub(crate) fn buyer(text: &str) -> Option<BuyerId> {
    BuyerId::parse(text).ok()
}
