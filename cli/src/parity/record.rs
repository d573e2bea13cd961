//! The state file of a comparison, with one line for each compared buyer.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;

use contract::stored::FOLD;
use domain::{BuyerId, OfferId, OfferVersion};
use serde_json::{Value, json};

use super::{Class, Difference, Seen};
use crate::Failure;

/// The result of comparing one buyer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The buyer.
    pub buyer: BuyerId,
    /// Whether either side knows the buyer.
    pub is_known: bool,
    /// The differences between the two systems.
    pub differences: Vec<Difference>,
}

/// A state file: one JSON line for each compared buyer, written after the comparison.
#[derive(Debug)]
pub(super) struct StateFile {
    name: String,
    file: File,
}

impl StateFile {
    /// Opens or creates a state file and reads the results in it. An incomplete last line is removed; its buyer is
    /// compared again.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Compared>), Failure> {
        let name = path.display().to_string();
        let failed = |source| Failure::WriteFile { file: name.clone(), source };
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(failed)?;
        }
        let mut earlier = Vec::new();
        let lines = bytes.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n');
        for (line, text) in (1..).zip(lines).filter(|(_, text)| !text.is_empty()) {
            let bad = |rule: &str| Failure::BadLine { file: name.clone(), line, rule: rule.to_owned() };
            let json: Value =
                serde_json::from_slice(text).map_err(|_| bad("not a line written by `leads parity`"))?;
            if json["fold"] != json!(FOLD) {
                return Err(bad("compared under other rules: remove the file to compare every buyer again"));
            }
            earlier.push(Compared::read(&json).ok_or_else(|| bad("not a line written by `leads parity`"))?);
        }
        Ok((Self { name, file }, earlier))
    }

    pub(super) fn add(&mut self, compared: &Compared) -> Result<(), Failure> {
        let line = format!("{}\n", compared.json());
        let written = self.file.write_all(line.as_bytes());
        written.map_err(|source| Failure::WriteFile { file: self.name.clone(), source })
    }
}

impl Compared {
    fn json(&self) -> Value {
        let differences: Vec<Value> = self.differences.iter().map(Difference::json).collect();
        json!({
            "buyerId": self.buyer.as_str(), "isKnown": self.is_known, "fold": FOLD, "differences": differences,
        })
    }

    fn read(json: &Value) -> Option<Self> {
        let differences = json["differences"].as_array()?.iter().map(Difference::read);
        Some(Self {
            buyer: BuyerId::parse(json["buyerId"].as_str()?).ok()?,
            is_known: json["isKnown"].as_bool()?,
            differences: differences.collect::<Option<_>>()?,
        })
    }
}

impl Difference {
    /// The difference as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "class": self.class.name(),
            "offerId": self.offer.as_ref().map(OfferId::as_str),
            "here": self.here.word,
            "hereVersion": self.here.version.map(OfferVersion::get),
            "there": self.there.word,
            "thereVersion": self.there.version.map(OfferVersion::get),
        })
    }

    fn read(json: &Value) -> Option<Self> {
        let seen = |word: &str, version: &str| {
            let version = match json[version].as_u64() {
                Some(version) => Some(OfferVersion::new(u32::try_from(version).ok()?)?),
                None => None,
            };
            Some(Seen { word: json[word].as_str()?.to_owned(), version })
        };
        let offer = match json["offerId"].as_str() {
            Some(id) => Some(OfferId::parse(id).ok()?),
            None => None,
        };
        Some(Self {
            class: Class::parse(json["class"].as_str()?)?,
            offer,
            here: seen("here", "hereVersion")?,
            there: seen("there", "thereVersion")?,
        })
    }
}
