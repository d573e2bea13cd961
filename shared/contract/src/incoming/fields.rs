//! Reads fields out of a JSON document and collects everything that is wrong with them, not just the first fault.

use domain::{BuyerId, CarId, EventId, InvalidId, OfferId, OfferVersion};
use serde_json::Value;

use super::{Finding, moment};
use crate::json::{Object, object, value};

const ID_RULE: &str = "must be 1 to 128 visible ASCII characters without '/'";

pub(super) struct Fields<'a> {
    event: Object<'a>,
    data: Object<'a>,
    buyer: Object<'a>,
    findings: Vec<Finding>,
    dropped: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(event: Object<'a>) -> Self {
        let within = |outer: &Object<'a>, name: &str| {
            outer.get(name).and_then(|raw| object(raw.get()).ok()).unwrap_or_default()
        };
        let data = within(&event, "data");
        let buyer = within(&data, "buyer");
        Self { event, data, buyer, findings: Vec::new(), dropped: Vec::new() }
    }

    pub(super) fn find(&mut self, path: &'static str, rule: &'static str) {
        self.findings.push(Finding { path, rule });
    }

    /// What is wrong, and what was dropped.
    pub(super) fn findings(self) -> (Vec<Finding>, Vec<&'static str>) {
        (self.findings, self.dropped)
    }

    fn at(&self, path: &str) -> Option<Value> {
        let (object, name) = match path.rsplit_once('.') {
            None => (&self.event, path),
            Some(("data", name)) => (&self.data, name),
            Some((_, name)) => (&self.buyer, name),
        };
        object.get(name).map(|raw| value(raw))
    }

    fn missing<T>(&mut self, path: &'static str, rule: &'static str) -> Option<T> {
        self.find(path, rule);
        None
    }

    /// A text of 1 to `longest` characters.
    pub(super) fn text(&mut self, path: &'static str, longest: usize) -> Option<String> {
        match self.at(path) {
            Some(Value::String(text)) if text.is_empty() => self.missing(path, "must not be empty"),
            Some(Value::String(text)) if text.chars().count() > longest => self.missing(path, "is too long"),
            Some(Value::String(text)) => Some(text),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))
            | None => self.missing(path, "must be there, as a text"),
        }
    }

    /// A text of at most `longest` characters; absent and `null` are the same.
    pub(super) fn optional_text(&mut self, path: &'static str, longest: usize) -> Option<String> {
        match self.at(path) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.chars().count() <= longest => Some(text),
            Some(Value::String(_)) => self.missing(path, "is too long"),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                self.missing(path, "must be a text, or absent")
            }
        }
    }

    /// A text for readers only: kept if it is well-formed, else dropped. Absent and `null` are the same.
    fn remark(&mut self, path: &'static str, is_well_formed: impl Fn(&str) -> bool) -> Option<String> {
        match self.at(path) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if is_well_formed(&text) => Some(text),
            Some(
                Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_),
            ) => {
                self.dropped.push(path);
                None
            }
        }
    }

    /// Checked only to be counted: it is not recorded.
    pub(super) fn subject(&mut self) {
        self.remark("subject", |text| text.chars().count() <= 1024);
    }

    /// A moment in RFC 3339.
    pub(super) fn time(&mut self) -> Option<String> {
        self.remark("time", |text| text.len() <= moment::LONGEST && moment::is_rfc3339(text))
    }

    pub(super) fn version(&mut self, path: &'static str) -> Option<OfferVersion> {
        let number = self.at(path).as_ref().and_then(whole_number);
        match number.and_then(OfferVersion::new).filter(|version| *version <= OfferVersion::LAST) {
            Some(version) => Some(version),
            None => self.missing(path, "must be a whole number from 1 to 2147483647"),
        }
    }

    fn id<T>(&mut self, path: &'static str, parse: impl Fn(&str) -> Result<T, InvalidId>) -> Option<T> {
        match self.at(path).as_ref().and_then(Value::as_str).map(parse) {
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

/// A number without a fraction, in any notation: to JSON Schema `1`, `1.0` and `10e-1` are one and the same.
///
/// Source: JSON Schema draft 2020-12, Core, section 4.2.1, and Validation, section 6.1.1.
fn whole_number(value: &Value) -> Option<u32> {
    if let Some(number) = value.as_u64() {
        return u32::try_from(number).ok();
    }
    let number = value.as_f64().filter(|number| (0.0..=f64::from(u32::MAX)).contains(number))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
    let whole = number as u32;
    (f64::from(whole) - number == 0.0).then_some(whole)
}
