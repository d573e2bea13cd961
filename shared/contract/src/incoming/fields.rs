//! Reads and validates the fields of an event, and collects every violation instead of stopping at the first.

use domain::{BuyerId, CarId, EventId, InvalidId, OfferId, OfferVersion};

use super::document::{Field, Object};
use super::{Finding, moment};

const ID_RULE: &str = "must be 1 to 128 visible ASCII characters without '/'";

pub(super) struct Fields<'a> {
    event: &'a Object<'a>,
    data: Option<&'a Object<'a>>,
    buyer: Option<&'a Object<'a>>,
    findings: Vec<Finding>,
    dropped: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(event: &'a Object<'a>) -> Self {
        let data = event.within("data");
        let buyer = data.and_then(|data| data.within("buyer"));
        Self { event, data, buyer, findings: Vec::new(), dropped: Vec::new() }
    }

    pub(super) fn find(&mut self, path: &'static str, rule: &'static str) {
        self.findings.push(Finding { path, rule });
    }

    /// The violations found, and the names of the fields that were dropped.
    pub(super) fn findings(self) -> (Vec<Finding>, Vec<&'static str>) {
        (self.findings, self.dropped)
    }

    fn at(&self, path: &str) -> Option<&'a Field<'a>> {
        let (object, name) = match path.rsplit_once('.') {
            None => (Some(self.event), path),
            Some(("data", name)) => (self.data, name),
            Some((_, name)) => (self.buyer, name),
        };
        object?.get(name)
    }

    fn missing<T>(&mut self, path: &'static str, rule: &'static str) -> Option<T> {
        self.find(path, rule);
        None
    }

    /// A required string of 1 to `longest` characters.
    pub(super) fn text(&mut self, path: &'static str, longest: usize) -> Option<&'a str> {
        match self.at(path) {
            Some(Field::Text(text)) if text.is_empty() => self.missing(path, "must not be empty"),
            Some(Field::Text(text)) if is_longer(text, longest) => self.missing(path, "is too long"),
            Some(Field::Text(text)) => Some(text),
            Some(Field::Null | Field::Whole(_) | Field::Object(_) | Field::Other) | None => {
                self.missing(path, "is required and must be a string")
            }
        }
    }

    /// An optional string of at most `longest` characters. An absent field and `null` are equivalent.
    pub(super) fn optional_text(&mut self, path: &'static str, longest: usize) -> Option<&'a str> {
        match self.at(path) {
            None | Some(Field::Null) => None,
            Some(Field::Text(text)) if is_longer(text, longest) => self.missing(path, "is too long"),
            Some(Field::Text(text)) => Some(text),
            Some(Field::Whole(_) | Field::Object(_) | Field::Other) => {
                self.missing(path, "must be a string or absent")
            }
        }
    }

    /// An optional string that no rule reads: kept if it is well-formed, otherwise dropped. An absent field and `null`
    /// are equivalent.
    fn remark(&mut self, path: &'static str, is_well_formed: impl Fn(&str) -> bool) -> Option<&'a str> {
        match self.at(path) {
            None | Some(Field::Null) => None,
            Some(Field::Text(text)) if is_well_formed(text) => Some(text),
            Some(Field::Text(_) | Field::Whole(_) | Field::Object(_) | Field::Other) => {
                self.dropped.push(path);
                None
            }
        }
    }

    /// Checks `subject`, which is not recorded, only to report a malformed one as dropped.
    pub(super) fn subject(&mut self) {
        self.remark("subject", |text| !is_longer(text, 1024));
    }

    /// The time of the event, in RFC 3339.
    pub(super) fn time(&mut self) -> Option<&'a str> {
        self.remark("time", |text| text.len() <= moment::LONGEST && moment::is_rfc3339(text))
    }

    pub(super) fn version(&mut self, path: &'static str) -> Option<OfferVersion> {
        let number = match self.at(path) {
            Some(Field::Whole(number)) => Some(*number),
            Some(Field::Null | Field::Text(_) | Field::Object(_) | Field::Other) | None => None,
        };
        match number.and_then(OfferVersion::new).filter(|version| *version <= OfferVersion::LAST) {
            Some(version) => Some(version),
            None => self.missing(path, "must be a whole number from 1 to 2147483647"),
        }
    }

    fn id<T>(&mut self, path: &'static str, parse: impl Fn(&str) -> Result<T, InvalidId>) -> Option<T> {
        let id = match self.at(path) {
            Some(Field::Text(text)) => parse(text).ok(),
            Some(Field::Null | Field::Whole(_) | Field::Object(_) | Field::Other) | None => None,
        };
        id.or_else(|| self.missing(path, ID_RULE))
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

/// Whether a text has more than `longest` characters. Counting is skipped if it does not even have as many bytes.
fn is_longer(text: &str, longest: usize) -> bool {
    text.len() > longest && text.chars().count() > longest
}
