//! Expected differences, read from the file of `--explained`: the rules of the two systems differ on purpose.

use std::fs;
use std::path::Path;

use domain::{BuyerId, OfferId};
use serde_json::Value;

use super::{Class, Difference};
use crate::Failure;

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
pub(super) fn read(path: &Path) -> Result<Vec<Known>, Failure> {
    let file = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|source| Failure::Read { file: file.clone(), source })?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let read = lines.map(|(line, text)| {
        Known::parse(text).map_err(|rule| Failure::BadLine { file: file.clone(), line, rule })
    });
    read.collect()
}
