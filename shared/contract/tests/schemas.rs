//! The published JSON Schemas, the published examples and this code agree.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use contract::incoming::{self, Refusal, TYPES};
use contract::outgoing::sales_message;
use domain::{Effect, State};
use jiff::Timestamp;
use jsonschema::Validator;
use serde_json::Value;
use testkit::{acceptance_withdrawn, accepted, append, buyer, made};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/contract")
}

fn json_files(folder: &str) -> Vec<(String, Value)> {
    let mut files: Vec<(String, Value)> = fs::read_dir(docs().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
        })
        .collect();
    files.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(!files.is_empty(), "{folder} is empty");
    files
}

/// The lines of a published file. Each has a `name` and an `event`, an invalid one also a `why`.
fn examples(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(docs().join("examples").join(file)).unwrap();
    let examples: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!examples.is_empty(), "{file} is empty");
    examples
}

/// The valid examples of these event types: name and event.
fn valid_examples<'a>(types: impl IntoIterator<Item = &'a String>) -> Vec<(String, Value)> {
    let of_type = |kind: &'a String| {
        examples(&format!("valid/{kind}.jsonl")).into_iter().map(move |mut example| {
            assert_eq!(&example["event"]["type"], kind, "{}", example["name"]);
            (example["name"].to_string(), example["event"].take())
        })
    };
    types.into_iter().flat_map(of_type).collect()
}

/// The validators in a folder by event type, such as `offer.made.v1`.
fn schemas(folder: &str) -> BTreeMap<String, Validator> {
    json_files(folder)
        .into_iter()
        .map(|(name, schema)| {
            let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
            (name.strip_suffix(".schema.json").unwrap().to_owned(), validator)
        })
        .collect()
}

#[test]
fn every_event_type_has_a_schema() {
    let mut types = TYPES.map(str::to_owned).to_vec();
    types.sort();
    assert_eq!(schemas("incoming").into_keys().collect::<Vec<_>>(), types);
    assert_eq!(
        schemas("outgoing").into_keys().collect::<Vec<_>>(),
        ["lead.closed.v1", "lead.opened.v1", "quote.requested.v1"]
    );
}

#[test]
fn valid_incoming_examples_match_their_schema_and_decode() {
    let schemas = schemas("incoming");
    for (name, example) in valid_examples(schemas.keys()) {
        let schema = &schemas[example["type"].as_str().unwrap()];
        assert!(schema.is_valid(&example), "{name}: {:?}", schema.iter_errors(&example).next());
        let incoming =
            incoming::decode(&example.to_string()).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(incoming.buyer.as_str(), example["data"]["buyerId"], "{name}");
        assert_eq!(incoming.event.offer.as_str(), example["data"]["offerId"], "{name}");
        assert_eq!(incoming.event.version.get(), example["data"]["offerVersion"], "{name}");
        assert_eq!(format!("offer.{}.v1", incoming.event.change.name()), example["type"], "{name}");
        assert_eq!(incoming.event.id.as_str(), example["id"], "{name}");
    }
}

#[test]
fn invalid_incoming_examples_are_refused_by_schema_and_decoder() {
    let schemas = schemas("incoming");
    for example in examples("invalid.jsonl") {
        let (name, event) = (&example["name"], &example["event"]);
        let refusal = incoming::decode(&event.to_string()).expect_err(&name.to_string());
        match event["type"].as_str().and_then(|kind| schemas.get(kind)) {
            Some(schema) => {
                assert!(
                    !schema.is_valid(event),
                    "{name}: the schema accepts it, the code refuses: {refusal}"
                );
                assert_eq!(refusal.reason().name(), "not-an-offer-event", "{name}");
            }
            None => {
                assert!(matches!(refusal.reason().name(), "unknown-type" | "not-an-offer-event"), "{name}");
            }
        }
        if let Some(email) =
            event.pointer("/data/buyer/email").and_then(Value::as_str).filter(|email| email.len() > 3)
        {
            assert!(!refusal.to_string().contains(email), "{name}: {refusal}");
        }
    }
}

#[test]
fn every_payload_in_the_async_api_document_is_a_valid_example() {
    let types: Vec<String> = schemas("incoming").into_keys().chain(schemas("outgoing").into_keys()).collect();
    let published: Vec<Value> = valid_examples(&types).into_iter().map(|(_, event)| event).collect();
    let document = fs::read_to_string(docs().join("asyncapi.yaml")).unwrap();
    let payloads = document.lines().filter_map(|line| line.split_once("payload: {\"")).map(|(_, rest)| {
        let payload: Value = serde_json::from_str(&format!("{{\"{rest}")).unwrap();
        assert!(published.contains(&payload), "{payload}");
        payload["type"].as_str().unwrap().to_owned()
    });
    assert_eq!(payloads.collect::<BTreeSet<_>>(), types.into_iter().collect());
}

#[test]
fn a_refusal_lists_every_violation() {
    let body =
        r#"{"specversion":"0.3","id":"a/b","type":"offer.made.v1","data":{"buyerId":"b","offerVersion":2}}"#;
    let refusal = incoming::decode(body).unwrap_err();
    let Refusal::NotAnOfferEvent(findings) = &refusal else { panic!("{refusal}") };
    let paths: Vec<&str> = findings.iter().map(|finding| finding.path).collect();
    assert_eq!(
        paths,
        [
            "specversion",
            "id",
            "source",
            "data.offerId",
            "data.offerVersion",
            "data.carId",
            "data.buyer.name",
            "data.buyer.email"
        ],
        "{refusal}"
    );
}

#[test]
fn bodies_that_are_not_events_are_refused_with_their_own_reason() {
    let reason = |body: &str| incoming::decode(body).unwrap_err().reason().name();
    assert_eq!(reason(""), "not-json");
    assert_eq!(reason("\u{0}"), "not-json");
    assert_eq!(reason(&"[".repeat(50_000)), "not-json", "an unterminated array");
    assert_eq!(reason(r#"{"id":"\ud83d"#), "not-json", "cut within a string");
    assert_eq!(reason(&format!("\"{}\"", "x".repeat(incoming::LARGEST_BODY))), "too-large");
    assert_eq!(reason("[]"), "not-an-offer-event");
    assert_eq!(reason("7"), "not-an-offer-event");
    assert_eq!(
        reason(r#"{"specversion":"1.0","id":"1","source":"/offers","type":"offer.updated.v1","data":{}}"#),
        "unknown-type"
    );
    assert_eq!(
        reason(r#"{"specversion":"1.0","id":"1","source":"/offers","type":"offer.made.v2","data":{}}"#),
        "unknown-type"
    );
}

#[test]
fn every_sales_message_matches_its_schema() {
    let schemas = schemas("outgoing");
    for (name, example) in valid_examples(schemas.keys()) {
        let schema = &schemas[example["type"].as_str().unwrap()];
        assert!(schema.is_valid(&example), "{name}: {:?}", schema.iter_errors(&example).next());
    }
    let mut state = State::default();
    let mut seen = Vec::new();
    for event in [made("car-1"), accepted("car-1").v(2), acceptance_withdrawn("car-1").v(3)] {
        for effect in append(&mut state, &event) {
            if let Some(message) = message(&effect, &state) {
                let schema = &schemas[message["type"].as_str().unwrap()];
                assert!(schema.is_valid(&message), "{message}: {:?}", schema.iter_errors(&message).next());
                assert_eq!(message["id"], effect.id(&buyer("buyer-7")));
                seen.push(effect.key());
            } else {
                assert!(effect.kind.is_email());
            }
        }
    }
    assert_eq!(
        seen,
        [
            "quote/car-1",
            "opened/low/1",
            "closed/low/1",
            "opened/high/car-1/2",
            "closed/high/car-1/2",
            "opened/low/3"
        ]
    );
}

#[test]
fn an_unknown_car_is_left_out_of_leads_and_never_quoted() {
    let schemas = schemas("outgoing");
    let mut state = State::default();
    let made = append(&mut state, made("car-1"));
    let accepted = append(&mut state, accepted("car-1").v(2));
    state.offers.change_each(|_, offer| offer.car = None);
    assert_eq!(made.iter().find_map(|effect| message(effect, &state)).unwrap()["type"], "lead.opened.v1");
    let opened = accepted
        .iter()
        .filter_map(|effect| message(effect, &state))
        .find(|it| it["type"] == "lead.opened.v1");
    let opened = opened.unwrap();
    assert_eq!((&opened["data"]["offerId"], &opened["data"]["carId"]), (&Value::from("car-1"), &Value::Null));
    assert!(schemas["lead.opened.v1"].is_valid(&opened), "{opened}");
}

fn message(effect: &Effect, head: &State) -> Option<Value> {
    let text = sales_message(&buyer("buyer-7"), effect, head, Timestamp::UNIX_EPOCH, None)?;
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn sales_messages_contain_only_characters_that_sqs_accepts() {
    let mut person = testkit::contact();
    person.name = "A\u{fffe}d\u{ffff}a\u{0}".to_owned();
    let mut state = State::default();
    let effects = append(&mut state, testkit::made_by("car-1", person.clone()));
    let text = sales_message(&buyer("b"), &effects[0], &state, Timestamp::UNIX_EPOCH, None).unwrap();
    let is_accepted = |character: char| matches!(character, '\u{9}' | '\u{a}' | '\u{d}' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(text.chars().all(is_accepted), "{text:?}");
    let message: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(message["data"]["contact"]["name"], person.name, "escaping keeps the content");
}

/// The published schema and the decoder accept the same answers of the former system, except for rules that a JSON
/// Schema cannot express: the decoder also refuses an answer about another buyer and an acceptance later than the
/// offer's version.
#[test]
fn answer_schema_and_decoder_accept_the_same_answers() {
    let schema = &json_files("former")[0].1;
    let validator = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    let good: Value = serde_json::from_str(
        r#"{"buyerId": "buyer-7", "wasInvited": true, "handedOver": true, "lowLeadId": "L-1", "more": 1,
            "offers": [{"offerId": "offer-1", "offerVersion": 3, "stage": "accepted", "acceptedVersion": 2,
                        "leadId": "L-2", "carId": "car-1", "more": {},
                        "buyer": {"name": "Ada", "email": "ada@example.com", "phone": "1"}}]}"#,
    )
    .unwrap();
    let values = [
        "null",
        "true",
        "0",
        "1",
        "2",
        "4294967295",
        "4294967296",
        "-1",
        "1.5",
        "\"\"",
        "\"pending\"",
        "\"a/b\"",
        "\"ü\"",
        "[]",
        "{}",
        "{\"name\": \"\", \"email\": \"\"}",
        "{\"name\": 1, \"email\": \"\"}",
    ];
    let places = [
        "",
        "/buyerId",
        "/wasInvited",
        "/handedOver",
        "/lowLeadId",
        "/offers",
        "/offers/0",
        "/offers/0/offerId",
        "/offers/0/offerVersion",
        "/offers/0/stage",
        "/offers/0/acceptedVersion",
        "/offers/0/leadId",
        "/offers/0/carId",
        "/offers/0/buyer",
        "/offers/0/buyer/name",
        "/offers/0/buyer/email",
        "/offers/0/buyer/phone",
    ];
    let mut variants = vec![good.clone()];
    for place in places {
        for value in values {
            let mut variant = good.clone();
            *variant.pointer_mut(place).unwrap() = serde_json::from_str(value).unwrap();
            variants.push(variant);
        }
        if let Some((parent, field)) = place.rsplit_once('/') {
            let mut variant = good.clone();
            if let Some(object) = variant.pointer_mut(parent).unwrap().as_object_mut() {
                object.remove(field);
                variants.push(variant);
            }
        }
    }
    for variant in variants {
        let decoded = contract::legacy::decode(&buyer("buyer-7"), variant.to_string().as_bytes());
        let is_beyond_schemas = variant["buyerId"] != "buyer-7"
            || variant["offers"][0]["acceptedVersion"].as_u64()
                > variant["offers"][0]["offerVersion"].as_u64();
        assert!(
            decoded.is_ok() == validator.is_valid(&variant) || is_beyond_schemas && decoded.is_err(),
            "{variant}: {decoded:?}"
        );
    }
}
