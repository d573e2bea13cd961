//! The JSON document of an event, parsed in one pass. Names and strings are borrowed from the body where possible.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::json;

/// The number of nested objects that rules read: the event, `data` and `data.buyer`.
const LEVELS: usize = 3;

/// The initial capacity for the fields of an object, which most objects do not exceed.
const USUAL_FIELDS: usize = 8;

/// The value of a field, as far as the rules distinguish values.
#[derive(Debug, PartialEq)]
pub(super) enum Field<'a> {
    Null,
    Text(Cow<'a, str>),
    /// A number without a fraction, in any notation.
    Whole(u32),
    Object(Object<'a>),
    /// Any other number, `true`, `false`, or an array.
    Other,
}

/// The fields of an object, in the order in which they are written.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Field<'a>)>);

impl<'a> Object<'a> {
    /// Parses a document that `serde_json` accepts as a whole; `None` for any other document and for JSON other than an
    /// object. [`Self::lenient`] gives the same result for these documents, but takes several times as many
    /// instructions.
    pub(super) fn strict(text: &'a str) -> Option<Self> {
        match serde_json::from_str(text) {
            Ok(Field::Object(object)) => Some(object),
            Ok(Field::Null | Field::Text(_) | Field::Whole(_) | Field::Other) | Err(_) => None,
        }
    }

    /// Parses a document field by field, so that a field that `serde_json` refuses does not affect the others. JSON
    /// other than an object has no fields.
    ///
    /// # Errors
    /// The error names the place at which the document stops being JSON.
    pub(super) fn lenient(text: &'a str) -> Result<Self, serde_json::Error> {
        json::object(text).map(|fields| Self::of(fields, LEVELS))
    }

    fn of(fields: json::Object<'a>, levels: usize) -> Self {
        let read = |(name, raw)| (Cow::Owned(name), Field::lenient(raw, levels - 1));
        Self(fields.into_iter().map(read).collect())
    }

    /// The field with this name. The last of several fields with the same name wins.
    pub(super) fn get(&self, name: &str) -> Option<&Field<'a>> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, field)| field)
    }

    /// The object in the field with this name, if that field holds an object.
    pub(super) fn within(&self, name: &str) -> Option<&Self> {
        match self.get(name)? {
            Field::Object(object) => Some(object),
            Field::Null | Field::Text(_) | Field::Whole(_) | Field::Other => None,
        }
    }
}

impl<'a> Field<'a> {
    fn lenient(raw: &'a RawValue, levels: usize) -> Self {
        match serde_json::from_str(raw.get()) {
            Ok(field) => field,
            Err(_) if levels > 0 && raw.get().starts_with('{') => Self::Object(
                json::object(raw.get()).map(|fields| Object::of(fields, levels)).unwrap_or_default(),
            ),
            // This is a number out of range, or nesting deeper than `serde_json` accepts. No rule accepts either.
            Err(_) => Self::Other,
        }
    }

    fn whole(number: Option<u32>) -> Self {
        number.map_or(Self::Other, Self::Whole)
    }
}

impl<'de> Deserialize<'de> for Field<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

/// A visitor that accepts any JSON value.
struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Field<'de>, E> {
        Ok(Field::Null)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    /// A string with escapes cannot be borrowed.
    fn visit_str<E: Error>(self, text: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Field<'de>, E> {
        Ok(Field::whole(u32::try_from(number).ok()))
    }

    /// Only negative numbers arrive here; others are visited as `u64`.
    fn visit_i64<E: Error>(self, _: i64) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Field<'de>, E> {
        Ok(Field::whole(whole(number)))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Field<'de>, A::Error> {
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Field<'de>, A::Error> {
        let mut fields = Vec::with_capacity(USUAL_FIELDS);
        while let Some((name, value)) = object.next_entry()? {
            if let Field::Text(name) = name {
                fields.push((name, value));
            }
        }
        Ok(Field::Object(Object(fields)))
    }
}

/// The integer value of a number without a fractional part, in any notation: to JSON Schema `1`, `1.0` and `10e-1` are
/// the same integer.
///
/// Source: JSON Schema draft 2020-12, Core, section 4.2.1, and Validation, section 6.1.1.
fn whole(number: f64) -> Option<u32> {
    if !(0.0..=f64::from(u32::MAX)).contains(&number) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
    let whole = number as u32;
    (f64::from(whole) - number == 0.0).then_some(whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Field, Object};

    fn text(text: &str) -> Field<'_> {
        Field::Text(text.into())
    }

    #[test]
    fn a_field_refused_by_serde_json_does_not_affect_others() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let objects = format!("{}0{}", "{\"buyer\":".repeat(10_000), "}".repeat(10_000));
        for refused in ["1e999", "-1e999", "[1e999]", &deep, &objects] {
            let json = format!(
                r#"{{"x":{refused},"id":"e","data":{{"x":{refused},"carId":"c","buyer":{{"x":{refused},"name":"A","name":"B"}}}}}}"#
            );
            let event = Object::lenient(&json).unwrap();
            let data = event.within("data").unwrap();
            assert_eq!(event.get("id"), Some(&text("e")), "{refused:.20}");
            assert_eq!(data.get("carId"), Some(&text("c")), "{refused:.20}");
            assert_eq!(data.within("buyer").unwrap().get("name"), Some(&text("B")), "{refused:.20}");
        }
    }

    #[test]
    fn json_other_than_an_object_has_no_fields() {
        for json in ["[]", "7", "null", "\"x\"", "1e999", "[1,{}]"] {
            assert_eq!(Object::strict(json), None, "{json}");
            assert_eq!(Object::lenient(json).unwrap(), Object::default(), "{json}");
        }
        for json in ["", "{", "{\"a\":}", "{} {}"] {
            assert_eq!(Object::strict(json), None, "{json}");
            assert!(Object::lenient(json).is_err(), "{json}");
        }
    }

    /// Arbitrary JSON with the three nested names and others, some of them repeated.
    fn json(levels: u32) -> BoxedStrategy<String> {
        let leaf = prop::sample::select(vec![
            "null",
            "true",
            "0",
            "1",
            "1.0",
            "10e-1",
            "-1",
            "-0.0",
            "1.5",
            "4294967296",
            "1e999",
            "[]",
            "[1e999]",
            "\"\"",
            "\"a\"",
            r#""\u0061""#,
            r#""\ud83d""#,
            r#""\ud83d\ude00""#,
        ])
        .prop_map(str::to_owned);
        if levels == 0 {
            return leaf.boxed();
        }
        let name = prop::sample::select(vec!["data", "buyer", "name", r"n\u0061me", "é"]);
        let object = prop::collection::vec((name, json(levels - 1)), 0..5).prop_map(|fields| {
            let fields: Vec<String> =
                fields.into_iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
            format!("{{{}}}", fields.join(","))
        });
        prop_oneof![1 => leaf, 3 => object].boxed()
    }

    /// Every field that a rule could read.
    fn seen<'a>(event: &'a Object<'a>) -> Vec<Option<String>> {
        let data = event.within("data");
        let objects = [Some(event), data, data.and_then(|data| data.within("buyer"))];
        // `within` covers the content of objects.
        let shown = |field: &Field<'_>| match field {
            Field::Object(_) => "an object".to_owned(),
            field @ (Field::Null | Field::Text(_) | Field::Whole(_) | Field::Other) => format!("{field:?}"),
        };
        let names = ["data", "buyer", "name", "é"];
        objects
            .iter()
            .flat_map(|object| names.map(|name| object.and_then(|object| object.get(name)).map(shown)))
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn strict_and_lenient_parsing_agree(json in json(4)) {
            if let Some(strict) = Object::strict(&json) {
                let paired = crate::json::paired(&json);
                prop_assert_eq!(seen(&strict), seen(&Object::lenient(&paired).unwrap()));
            }
        }
    }
}
