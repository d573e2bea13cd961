//! Reads and validates the fields of an event, and collects every violation instead of stopping at the first.

use std::fmt;

use domain::{BuyerId, CarId, EventId, InvalidId, OfferId, OfferVersion};
use jiff::civil;

use super::document::{Field, Object};
use crate::trace::TraceParent;

/// One violation of the contract by an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The path of the field, as in `data.offerVersion`.
    pub path: &'static str,
    /// The rule that the field violates.
    pub rule: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.rule)
    }
}

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
    fn remark<T>(&mut self, path: &'static str, parse: impl Fn(&'a str) -> Option<T>) -> Option<T> {
        let parsed = match self.at(path)? {
            Field::Null => return None,
            Field::Text(text) => parse(text),
            Field::Whole(_) | Field::Object(_) | Field::Other => None,
        };
        if parsed.is_none() {
            self.dropped.push(path);
        }
        parsed
    }

    /// Checks `subject`, which is not recorded, only to report a malformed one as dropped.
    pub(super) fn subject(&mut self) {
        self.remark("subject", |text| (!is_longer(text, 1024)).then_some(()));
    }

    /// The time of the event, in RFC 3339.
    pub(super) fn time(&mut self) -> Option<&'a str> {
        self.remark("time", |text| (text.len() <= LONGEST_TIME && is_rfc3339(text)).then_some(text))
    }

    /// The sender's place in a trace.
    pub(super) fn trace(&mut self) -> Option<TraceParent> {
        self.remark("traceparent", TraceParent::parse)
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

/// The longest accepted timestamp in characters. RFC 3339 permits any number of digits in a fraction.
pub(super) const LONGEST_TIME: usize = 64;

/// Whether a text is a `date-time` of RFC 3339, section 5.6, in any year and with a fraction of any length. Second 60
/// is valid only where a leap second can occur: immediately before midnight UTC.
pub(super) fn is_rfc3339(text: &str) -> bool {
    parts(text.as_bytes()).is_some_and(|(hour, minute, second, offset)| {
        let in_utc = (i32::from(hour) * 60 + i32::from(minute) - offset).rem_euclid(24 * 60);
        hour <= 23 && minute <= 59 && (second <= 59 || (second == 60 && in_utc == 24 * 60 - 1))
    })
}

/// Hour, minute, second and the offset in minutes, if the format and the date are valid.
fn parts(text: &[u8]) -> Option<(u8, u8, u8, i32)> {
    let (date, rest) = text.split_at_checked(10)?;
    let [y1, y2, y3, y4, b'-', month @ .., b'-', d1, d2] = date else { return None };
    let year = i16::from(two(*y1, *y2)?) * 100 + i16::from(two(*y3, *y4)?);
    let [m1, m2] = month else { return None };
    let (month, day) = (i8::try_from(two(*m1, *m2)?).ok()?, i8::try_from(two(*d1, *d2)?).ok()?);
    civil::Date::new(year, month, day).ok()?;

    let [b'T' | b't', h1, h2, b':', i1, i2, b':', s1, s2, rest @ ..] = rest else { return None };
    let offset = match rest {
        [b'.', fraction @ ..] => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            fraction.get(digits..).filter(|_| digits > 0)?
        }
        without => without,
    };
    let offset = match offset {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(*h1, *h2)?, two(*m1, *m2)?);
            let offset = i32::from(hours) * 60 + i32::from(minutes);
            let is_valid = hours <= 23 && minutes <= 59;
            is_valid.then_some(if *sign == b'-' { -offset } else { offset })?
        }
        _ => return None,
    };
    Some((two(*h1, *h2)?, two(*i1, *i2)?, two(*s1, *s2)?, offset))
}

/// The number that two ASCII digits form.
fn two(tens: u8, ones: u8) -> Option<u8> {
    let are_digits = tens.is_ascii_digit() && ones.is_ascii_digit();
    are_digits.then(|| (tens - b'0') * 10 + (ones - b'0'))
}
