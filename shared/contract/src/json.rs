//! Lenient JSON reading: malformed values in fields that no rule reads do not cause a message to be refused.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Error, Value};

/// The fields of an object, each still as raw text. Fields that no rule reads are never interpreted, so a number out of
/// range or deep nesting inside them does no harm. The last of several fields with the same name wins.
pub(crate) type Object<'a> = BTreeMap<String, &'a RawValue>;

/// Reads the fields of a document. JSON other than an object has no fields.
///
/// # Errors
/// The error names the place at which the document stops being JSON.
pub(crate) fn object(text: &str) -> Result<Object<'_>, Error> {
    match serde_json::from_str(text) {
        Ok(fields) => Ok(fields),
        Err(_) => serde_json::from_str::<IgnoredAny>(text).map(|_| Object::new()),
    }
}

/// The value of one field. A number out of range, or nesting deeper than `serde_json` accepts, becomes an empty array,
/// which no rule accepts in any field.
pub(crate) fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or(Value::Array(Vec::new()))
}

/// Replaces every escape of an unpaired surrogate by `\ufffd`. The replacement has the same number of bytes, so line
/// and column numbers of errors remain correct.
///
/// JavaScript writes such escapes when it cuts a string within an emoji; RFC 8259, section 8.2, permits them, and
/// `serde_json` refuses them (serde-rs/json#495). The input must be JSON, in which backslashes occur only inside
/// strings.
pub(crate) fn paired(text: &str) -> Cow<'_, str> {
    if !text.contains("\\ud") && !text.contains("\\uD") {
        return Cow::Borrowed(text);
    }
    let mut paired = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('\\') {
        let (before, escape) = rest.split_at(start);
        paired.push_str(before);
        let length = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                paired.push_str("\\ufffd");
                rest = escape.get(6..).unwrap_or_default();
                continue;
            }
            (Some(_), _) => 6,
            // This is an escape of one character, which may be a backslash, or an escape cut off by the end of the
            // text.
            (None, _) => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
        };
        let (whole, after) = escape.split_at(length);
        paired.push_str(whole);
        rest = after;
    }
    paired.push_str(rest);
    Cow::Owned(paired)
}

/// The UTF-16 code unit of the `\uXXXX` escape at the start of the text, if there is one.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| are_digits)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;
    use serde::de::{Deserializer as _, Error, Visitor};

    use super::{object, paired, value};

    #[test]
    fn only_unpaired_surrogates_become_u_fffd() {
        for (given, expected) in [
            (r"\ud83d", r"\ufffd"),
            (r"\uDC00", r"\ufffd"),
            (r"\ud83d\ude00", r"\ud83d\ude00"),
            (r"\uD83D\uDE00", r"\uD83D\uDE00"),
            (r"\ud83d\ud83d\ude00", r"\ufffd\ud83d\ude00"),
            (r"\ude00\ud83d", r"\ufffd\ufffd"),
            (r"\ud83d\n\ude00", r"\ufffd\n\ufffd"),
            (r"\\ud83d", r"\\ud83d"),
            (r"\\\ud83d", r"\\\ufffd"),
            (r"\ud83d\\ude00", r"\ufffd\\ude00"),
            (r"\ud8", r"\ud8"),
            (r"\ud83", r"\ud83"),
            (r"\ud83d\ude0", r"\ufffd\ude0"),
            (r"\u+d83", r"\u+d83"),
            (r"\ud8é", r"\ud8é"),
            (r"\é\ud83d", r"\é\ufffd"),
            (r"\ud83d\", r"\ufffd\"),
        ] {
            assert_eq!(paired(given), expected, "{given}");
        }
        assert!(matches!(paired(r"no \u00e9 surrogate"), Cow::Borrowed(_)));
    }

    /// Reads a string into bytes. `serde_json` then encodes unpaired surrogates in the three-byte form that UTF-8
    /// forbids.
    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
            Ok(text.as_bytes().to_vec())
        }
    }

    /// The content of a JSON string according to `serde_json`'s byte reader, or `None` if the text is not JSON.
    fn by_bytes(json: &str) -> Option<String> {
        let mut reader = serde_json::Deserializer::from_str(json);
        let mut bytes = reader.deserialize_bytes(Bytes).ok().filter(|_| reader.end().is_ok())?;
        for at in 0..bytes.len() {
            if let [0xed, 0xa0..=0xbf, _, ..] = bytes[at..] {
                bytes[at..at + 3].copy_from_slice("\u{fffd}".as_bytes());
            }
        }
        Some(String::from_utf8(bytes).unwrap())
    }

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => (0xd7f0_u16..=0xe00f).prop_map(|unit| format!("\\u{unit:04x}")),
            2 => (0xd7f0_u16..=0xe00f).prop_map(|unit| format!("\\u{unit:04X}")),
            1 => any::<u16>().prop_map(|unit| format!("\\u{unit:04x}")),
            2 => prop::sample::select(vec!["\\", "\\\\", "\\\"", "\\n", "\\u", "\\ud8", "u", "d83d", "é", "😀", "\\/"])
                .prop_map(str::to_owned),
            1 => any::<char>().prop_filter("the byte reader accepts control characters", |it| *it >= ' ').prop_map(String::from),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn strings_are_read_as_by_the_byte_reader_of_serde_json(pieces in prop::collection::vec(piece(), 0..8)) {
            let json = format!("\"{}\"", pieces.concat());
            let paired = paired(&json);
            prop_assert_eq!(paired.len(), json.len());
            prop_assert_eq!(serde_json::from_str::<String>(&paired).ok(), by_bytes(&json));
            // Pairing is idempotent, and text that serde_json reads without it is unchanged.
            prop_assert_eq!(&super::paired(&paired), &paired);
            if serde_json::from_str::<String>(&json).is_ok() {
                prop_assert_eq!(&*paired, &json);
            }
        }
    }

    #[test]
    fn unread_fields_may_be_out_of_range_or_deeply_nested() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let json = format!(r#"{{"large":1e999,"deep":{deep},"a":1,"a":2}}"#);
        let fields = object(&json).unwrap();
        assert_eq!(value(fields["a"]), 2);
        for name in ["large", "deep"] {
            assert_eq!(value(fields[name]), serde_json::json!([]), "{name}");
        }
        for json in ["[]", "7", "null", "\"x\"", "1e999"] {
            assert!(object(json).unwrap().is_empty(), "{json}");
        }
        for json in ["", "[", "{\"a\":}", "{\"a\":01}", "[1e]", "{} {}", "{\"a\":1,}", "\u{0}"] {
            assert!(object(json).is_err(), "{json}");
        }
    }
}
