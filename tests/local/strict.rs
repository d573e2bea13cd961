//! A JSON reader that refuses an object with a repeated key. `serde_json` alone silently keeps the last value.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads a text that is exactly one JSON value without repeated keys.
pub(crate) fn read(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text).map(|Strict(value)| value)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Strict)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Strict(value))) = entries.next_entry::<String, _>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key} is repeated")));
            }
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[test]
fn a_repeated_key_is_refused_at_every_level() {
    let good = r#"{"a":[{"b":1,"c":null},{"b":-2.5,"d":"x\n"}],"b":true}"#;
    assert_eq!(read(good).unwrap(), serde_json::from_str::<Value>(good).unwrap());
    for bad in [
        r#"{"message":"recorded","message":"3d53"}"#,
        r#"{"a":{"b":1,"b":1}}"#,
        r#"[{"a":[{"b":1,"\u0062":2}]}]"#,
        r#"{"a":1}{"b":2}"#,
        r#"{"a":NaN}"#,
        r#"{"a":1"#,
        "Error: no JSON",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}
