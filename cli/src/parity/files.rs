//! The files of a comparison: known differences, and the buyers that an earlier run compared.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;

use contract::stored::FOLD;
use domain::{BuyerId, OfferId, OfferVersion};
use serde_json::{Value, json};

use super::compare::{Class, Difference, Seen};
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
                return Err(bad(
                    "written by a version with other rules: remove the file to compare every buyer again",
                ));
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

/// A pattern for known differences. A field that is not set matches any value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    class: Class,
    buyer: Option<BuyerId>,
    offer: Option<OfferId>,
    here: Option<String>,
    there: Option<String>,
    /// Why the systems are allowed to differ.
    pub reason: String,
}

const FIELDS: [&str; 6] = ["class", "buyer", "offer", "here", "there", "reason"];

impl Known {
    /// Parses one line of JSON.
    ///
    /// # Errors
    /// The rule that the line breaks.
    pub fn parse(line: &str) -> Result<Self, String> {
        let json: Value = serde_json::from_str(line).map_err(|_| "must be a JSON object".to_owned())?;
        let fields = json.as_object().ok_or("must be a JSON object")?;
        // If a misspelt field were ignored, the pattern would match more differences than intended.
        if let Some(other) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return Err(format!("`{}` is not one of {}", crate::output::harmless(other), FIELDS.join(", ")));
        }
        let text = |name: &str| match fields.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.clone())),
            Some(_) => Err(format!("`{name}` must be a non-empty string")),
        };
        let missing = |name: &str| format!("`{name}` is required");
        let class = text("class")?.ok_or_else(|| missing("class"))?;
        let class = Class::parse(&class).filter(|class| *class != Class::Explained);
        let classes = || {
            let names = Class::ALL.into_iter().filter(|class| *class != Class::Explained).map(Class::name);
            format!("`class` must be one of {}", names.collect::<Vec<_>>().join(", "))
        };
        let bad_id = |name: &str| format!("`{name}` must be 1 to 128 visible ASCII characters without '/'");
        Ok(Self {
            class: class.ok_or_else(classes)?,
            buyer: text("buyer")?.map(|id| BuyerId::parse(&id)).transpose().map_err(|_| bad_id("buyer"))?,
            offer: text("offer")?.map(|id| OfferId::parse(&id)).transpose().map_err(|_| bad_id("offer"))?,
            here: text("here")?,
            there: text("there")?,
            reason: text("reason")?.ok_or_else(|| missing("reason"))?,
        })
    }

    /// Whether this pattern matches a buyer's difference.
    #[must_use]
    pub fn explains(&self, buyer: &BuyerId, difference: &Difference) -> bool {
        let is_word =
            |wanted: &Option<String>, word: &str| wanted.as_deref().is_none_or(|wanted| wanted == word);
        self.class == difference.class
            && self.buyer.as_ref().is_none_or(|wanted| wanted == buyer)
            && self.offer.as_ref().is_none_or(|wanted| difference.offer.as_ref() == Some(wanted))
            && is_word(&self.here, &difference.here.word)
            && is_word(&self.there, &difference.there.word)
    }
}

/// Reads a file of known differences, one per line.
pub(super) fn read_known(path: &Path) -> Result<Vec<Known>, Failure> {
    let file = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|source| Failure::Read { file: file.clone(), source })?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let read = lines.map(|(line, text)| {
        Known::parse(text).map_err(|rule| Failure::BadLine { file: file.clone(), line, rule })
    });
    read.collect()
}
