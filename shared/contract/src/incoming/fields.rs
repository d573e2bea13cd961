//! Reads fields out of a JSON document and collects everything that is wrong with them, not just the first fault.

use domain::{BuyerId, CarId, EventId, InvalidId, OfferId, OfferVersion};
use serde_json::Value;

use super::Finding;

const ID_RULE: &str = "must be 1 to 128 visible ASCII characters without '/'";

pub(super) struct Fields<'a> {
    json: &'a Value,
    findings: Vec<Finding>,
}

impl<'a> Fields<'a> {
    pub(super) const fn of(json: &'a Value) -> Self {
        Self { json, findings: Vec::new() }
    }

    pub(super) fn find(&mut self, path: &'static str, rule: &'static str) {
        self.findings.push(Finding { path, rule });
    }

    pub(super) fn findings(self) -> Vec<Finding> {
        self.findings
    }

    fn at(&self, path: &str) -> Option<&'a Value> {
        path.split('.').try_fold(self.json, |value, name| value.get(name))
    }

    fn missing<T>(&mut self, path: &'static str, rule: &'static str) -> Option<T> {
        self.find(path, rule);
        None
    }

    /// A text of 1 to `longest` characters.
    pub(super) fn text(&mut self, path: &'static str, longest: usize) -> Option<&'a str> {
        match self.at(path).and_then(Value::as_str) {
            Some(text) if !text.is_empty() && text.chars().count() <= longest => Some(text),
            Some("") => self.missing(path, "must not be empty"),
            Some(_) => self.missing(path, "is too long"),
            None => self.missing(path, "must be there, as a text"),
        }
    }

    /// A text of at most `longest` characters; absent and `null` are the same.
    pub(super) fn optional_text(&mut self, path: &'static str, longest: usize) -> Option<&'a str> {
        match self.at(path) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.chars().count() <= longest => Some(text),
            Some(Value::String(_)) => self.missing(path, "is too long"),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                self.missing(path, "must be a text, or absent")
            }
        }
    }

    /// A moment in RFC 3339; absent and `null` are the same.
    pub(super) fn time(&mut self, path: &'static str) -> Option<&'a str> {
        let text = self.optional_text(path, 64)?;
        if is_rfc3339(text) {
            Some(text)
        } else {
            self.missing(path, "must be a moment in RFC 3339, such as 2026-11-23T10:00:00Z")
        }
    }

    pub(super) fn version(&mut self, path: &'static str) -> Option<OfferVersion> {
        let number = self.at(path).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        match number.and_then(OfferVersion::new) {
            Some(version) => Some(version),
            None => self.missing(path, "must be a whole number from 1 to 4294967295"),
        }
    }

    fn id<T>(&mut self, path: &'static str, parse: impl Fn(&str) -> Result<T, InvalidId>) -> Option<T> {
        match self.at(path).and_then(Value::as_str).map(parse) {
            Some(Ok(id)) => Some(id),
            Some(Err(InvalidId)) | None => self.missing(path, ID_RULE),
        }
    }

    pub(super) fn event_id(&mut self, path: &'static str) -> Option<EventId> {
        self.id(path, EventId::parse)
    }

    pub(super) fn buyer_id(&mut self, path: &'static str) -> Option<BuyerId> {
        self.id(path, BuyerId::parse)
    }

    pub(super) fn offer_id(&mut self, path: &'static str) -> Option<OfferId> {
        self.id(path, OfferId::parse)
    }

    pub(super) fn car_id(&mut self, path: &'static str) -> Option<CarId> {
        self.id(path, CarId::parse)
    }
}

/// jiff reads more forms than RFC 3339 has (a blank for the `T`, no seconds, a zone in brackets): those are refused.
fn is_rfc3339(text: &str) -> bool {
    let is_at =
        |index: usize, allowed: &[u8]| text.as_bytes().get(index).is_some_and(|byte| allowed.contains(byte));
    is_at(4, b"-")
        && is_at(7, b"-")
        && is_at(10, b"Tt")
        && is_at(13, b":")
        && is_at(16, b":")
        && is_at(19, b".Zz+-")
        && !text.contains('[')
        && text.parse::<jiff::Timestamp>().is_ok()
}
