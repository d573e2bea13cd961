//! The published schemas and the decoder accept the same events. Every field of every type is tried with many values,
//! and each event is judged by both.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use contract::incoming::{self, IncomingEvent, TYPES};
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use testkit::SplitMix64;

/// The number of random events, in addition to every value in every field.
const AT_RANDOM: usize = 100_000;

/// A value as it is written, and as the schema validator sees it. The two differ if `serde_json` cannot represent the
/// written value.
#[derive(Debug, Clone)]
struct Written {
    json: String,
    seen: Value,
}

fn written(json: impl Into<String>, seen: Value) -> Written {
    Written { json: json.into(), seen }
}

fn plain(value: Value) -> Written {
    written(value.to_string(), value)
}

/// All values that are tried in every field.
fn values() -> Vec<Written> {
    let mut values: Vec<Written> = [
        "null",
        "true",
        "false",
        "0",
        "1",
        "2",
        "3",
        "-1",
        "-2",
        "1.0",
        "2.0",
        "1.5",
        "1e0",
        "2e0",
        "10.0e-1",
        "20e-1",
        "0.2e1",
        "200E-2",
        "1E+0",
        "1.0000000001",
        "-0",
        "-0.0",
        "0.0",
        "0.5",
        "2147483647",
        "2147483648",
        "2147483647.0",
        "2.147483647e9",
        "2147483647.5",
        "2147483648.0",
        "4294967295",
        "4294967296",
        "4294967297",
        "4294967297.0",
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "1e300",
        "-1e300",
        "1e-300",
        "1e-999",
        "[]",
        "{}",
        "[1]",
        "[\"a\"]",
        "[null]",
        "{\"a\":1}",
        "{\"\":{}}",
    ]
    .map(|json| written(json, serde_json::from_str(json).unwrap()))
    .to_vec();
    // Numbers beyond the range of a double, and nesting deeper than serde_json accepts.
    for json in ["1e999", "123456789e999", "1.5E+400"] {
        values.push(written(json, json!(f64::MAX)));
        values.push(written(format!("-{json}"), json!(f64::MIN)));
        values.push(written(format!("[{json}]"), json!([f64::MAX])));
        values.push(written(format!("{{\"name\":{json}}}"), json!({ "name": f64::MAX })));
    }
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        values.push(written(format!("{}0{}", open.repeat(1000), close.repeat(1000)), json!([])));
    }
    // Strings around the length limits, of characters of one to four bytes and of one or two UTF-16 code units.
    for length in [1, 63, 64, 65, 127, 128, 129, 255, 256, 257, 319, 320, 321, 1023, 1024, 1025] {
        for character in ["a", "é", "€", "😀"] {
            values.push(plain(json!(character.repeat(length))));
        }
        values.push(written(format!("\"{}\"", r"\ud83d\ude00".repeat(length)), json!("😀".repeat(length))));
        values.push(written(format!("\"{}\"", r"\uD83D".repeat(length)), json!("\u{fffd}".repeat(length))));
    }
    for (json, seen) in [
        (r"\ud83d", "\u{fffd}"),
        (r"a\udc00b", "a\u{fffd}b"),
        (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
        (r"\\ud83d", r"\ud83d"),
        (r"\\\ud83d", "\\\u{fffd}"),
        (r"\ud83d\\ude00", "\u{fffd}\\ude00"),
        (r"\u0061", "a"),
        (r"\u0000", "\0"),
        (r"\/", "/"),
    ] {
        values.push(written(format!("\"{json}\""), json!(seen)));
    }
    // Each ASCII character, alone and at either end of a text.
    for byte in 0..=0x7f_u8 {
        let character = char::from(byte);
        values.extend(
            [character.to_string(), format!("{character}a"), format!("a{character}")]
                .map(|it| plain(json!(it))),
        );
    }
    let strange = ["\u{80}", "\u{a0}", "\u{200b}", "\u{2028}", "\u{feff}", "\u{fffe}", "\u{10ffff}"];
    let words = ["1.0", "0.3", "1", "1.00", " 1.0", "", "null", "7", "offer.updated.v1", "Offer.made.v1"];
    let texts = strange.iter().chain(&words).chain(&TYPES).map(|text| (*text).to_owned());
    values.extend(texts.chain(moments()).map(|text| plain(json!(text))));
    values
}

/// Valid timestamps, and texts that only resemble one.
fn moments() -> impl Iterator<Item = String> {
    let dates = [
        "2026-11-23",
        "2024-02-29",
        "2026-02-29",
        "2026-02-30",
        "1900-02-29",
        "2000-02-29",
        "0000-01-01",
        "9999-12-31",
        "2026-13-01",
        "2026-00-10",
        "2026-01-00",
        "2026-04-31",
        "2016-12-31",
        "2026-1-01",
        "20261123",
        "+2026-11-23",
        "-2026-11-23",
        "12026-11-23",
        "2026/11/23",
        "２026-11-23",
    ];
    let times = [
        "10:00:00",
        "00:00:00",
        "23:59:59",
        "23:59:60",
        "10:00:60",
        "22:59:60",
        "24:00:00",
        "10:60:00",
        "10:00:61",
        "10:00",
        "10",
        "100000",
        "10:00:00.1",
        "10:00:00.1234567890",
        "10:00:00.",
        "10:00:00,5",
        "1:00:00",
        "23:59:60.5",
        "10:00:00.00000000000000000000000000000000000000001",
    ];
    let offsets = [
        "Z",
        "z",
        "",
        "+00:00",
        "-00:00",
        "+05:30",
        "-23:59",
        "+23:59",
        "+24:00",
        "+05:60",
        "+0530",
        "+05",
        "+05:30:15",
        "-01:00",
        "+01:00",
        "[UTC]",
        "Z[UTC]",
        " Z",
        "\u{2212}05:00",
        "+5:30",
        "ZZ",
    ];
    let separators = ["T", "t", " ", "", "_", "TT"];
    dates.into_iter().flat_map(move |date| {
        // All combinations would be 48,000. Instead: every date, every time with every offset, and every separator.
        let with_offsets = times.into_iter().flat_map(move |time| {
            offsets
                .into_iter()
                .filter(move |_| date == dates[0])
                .map(move |offset| format!("{date}T{time}{offset}"))
        });
        with_offsets
            .chain(separators.map(|separator| format!("{date}{separator}10:00:00Z")))
            .chain([date.to_owned(), format!("{date}T23:59:60Z")])
    })
}

/// The fields of an event by path, in any order, possibly with repeated fields.
type Draft = Vec<Field>;

/// The path and the value of a field.
type Field = (&'static str, Written);

const PATHS: [&str; 17] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "data",
    "extension",
    "data.buyerId",
    "data.offerId",
    "data.offerVersion",
    "data.carId",
    "data.reason",
    "data.extra",
    "data.buyer.name",
    "data.buyer.email",
    "data.buyer.phone",
];

fn draft(kind: &str) -> Draft {
    let version = if kind == "offer.made.v1" { 1 } else { 2 };
    [
        ("specversion", json!("1.0")),
        ("id", json!("event-1")),
        ("source", json!("/offers")),
        ("type", json!(kind)),
        ("subject", json!("offer-1")),
        ("time", json!("2026-11-23T10:00:00Z")),
        ("data.buyerId", json!("buyer-7")),
        ("data.offerId", json!("offer-1")),
        ("data.offerVersion", json!(version)),
        ("data.carId", json!("car-1")),
        ("data.reason", json!("too low")),
        ("data.buyer.name", json!("Ada")),
        ("data.buyer.email", json!("ada@example.com")),
        ("data.buyer.phone", json!("+61")),
    ]
    .map(|(path, value)| (path, plain(value)))
    .to_vec()
}

/// The object at the path `object`, assembled from its fields, as it is written and as the validator sees it.
fn object(draft: &[Field], object: &str) -> Written {
    let (mut json, mut seen) = (Vec::new(), Map::new());
    let mut take = |name: &str, value: Written| {
        json.push(format!("{}:{}", json!(name), value.json));
        seen.insert(name.to_owned(), value.seen);
    };
    let inner = match object {
        "" => Some("data"),
        "data" => Some("data.buyer"),
        _ => None,
    };
    if let Some(inner) = inner
        && draft.iter().any(|(path, _)| path.strip_prefix(inner).is_some_and(|rest| rest.starts_with('.')))
    {
        take(inner.rsplit('.').next().unwrap(), self::object(draft, inner));
    }
    for (path, value) in draft {
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        if parent == object {
            take(name, value.clone());
        }
    }
    written(format!("{{{}}}", json.join(",")), Value::Object(seen))
}

/// The schemas and the decoder, which judge every event, and the counts of events judged and accepted.
struct Judges {
    schemas: BTreeMap<&'static str, Validator>,
    moment: Validator,
    judged: usize,
    accepted: usize,
}

impl Judges {
    fn new() -> Self {
        let validator =
            |schema: &Value| jsonschema::options().should_validate_formats(true).build(schema).unwrap();
        let schemas = TYPES.map(|kind| {
            let file = format!("../../docs/contract/incoming/{kind}.schema.json");
            let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
            (kind, validator(&serde_json::from_str(&text).unwrap()))
        });
        let moment = validator(&json!({ "type": "string", "format": "date-time", "maxLength": 64 }));
        Self { schemas: schemas.into(), moment, judged: 0, accepted: 0 }
    }

    #[track_caller]
    fn judge(&mut self, draft: &[Field]) {
        let event = object(draft, "");
        let by_schema = match event.seen["type"].as_str().and_then(|kind| self.schemas.get(kind)) {
            Some(schema) => schema.is_valid(&event.seen),
            None => self.schemas.values().any(|schema| schema.is_valid(&event.seen)),
        };
        let decoded = incoming::decode(&event.json);
        assert_eq!(decoded.is_ok(), by_schema, "{decoded:?}\n{}", event.json);
        self.judged += 1;
        if let Ok(incoming) = decoded {
            self.accepted += 1;
            self.assert_as_written(&incoming, &event.seen);
        }
    }

    #[track_caller]
    fn assert_as_written(&self, incoming: &IncomingEvent, seen: &Value) {
        let IncomingEvent { buyer, event, trace, dropped } = incoming;
        assert_eq!(buyer.as_str(), seen["data"]["buyerId"]);
        assert_eq!(Some(f64::from(event.version.get())), seen["data"]["offerVersion"].as_f64());
        if let domain::OfferChange::Made { contact: Some(contact), .. } = &event.change {
            assert_eq!(contact.name, seen["data"]["buyer"]["name"]);
        }
        let has_moment = self.moment.is_valid(&seen["time"]);
        assert_eq!(event.time.as_deref(), seen["time"].as_str().filter(|_| has_moment), "{seen}");
        assert_eq!(dropped.contains(&"time"), !seen["time"].is_null() && !has_moment, "{seen}");
        assert_eq!(
            dropped.contains(&"traceparent"),
            !seen["traceparent"].is_null() && trace.is_none(),
            "{seen}"
        );
        let has_subject = seen["subject"].as_str().is_some_and(|text| text.chars().count() <= 1024);
        assert_eq!(dropped.contains(&"subject"), !seen["subject"].is_null() && !has_subject, "{seen}");
    }
}

#[test]
fn schemas_and_decoder_accept_the_same_events() {
    let (values, mut judges, mut dice) = (values(), Judges::new(), SplitMix64(11));
    for kind in TYPES {
        for path in PATHS {
            let mut without = draft(kind);
            without.retain(|(field, _)| *field != path && !(path == "data" && field.starts_with("data.")));
            judges.judge(&without);
            for value in &values {
                let mut with = without.clone();
                with.push((path, value.clone()));
                judges.judge(&with);
            }
        }
    }
    for _ in 0..AT_RANDOM {
        let mut draft = draft(one_of(&mut dice, &TYPES));
        for _ in 0..dice.below(4) {
            match dice.below(6) {
                0 => drop(draft.remove(dice.below(draft.len()))),
                // The field is repeated, before or after the existing one.
                1 => draft
                    .insert(dice.below(draft.len()), (one_of(&mut dice, &PATHS), one_of(&mut dice, &values))),
                2 => draft.push(("data.buyer", one_of(&mut dice, &values))),
                _ => draft.push((one_of(&mut dice, &PATHS), one_of(&mut dice, &values))),
            }
        }
        judges.judge(&draft);
    }
    let Judges { judged, accepted, .. } = judges;
    assert!(judged > 100_000 && accepted > judged / 5 && accepted < judged, "{accepted} of {judged}");
}

fn one_of<T: Clone>(dice: &mut SplitMix64, all: &[T]) -> T {
    all[dice.below(all.len())].clone()
}
