//! Every version ever written stays readable: these files were written once and are never edited.
//! To add one for a new format, write it with the code that first writes that format.
#![expect(clippy::unwrap_used, reason = "test code")]

use contract::stored::{self, StoredCommit, Undecodable};
use domain::{Effect, Event, Sequence, State};
use jiff::Timestamp;
use serde_json::Value;
use testkit::{acceptance_withdrawn, accepted, buyer, made, rejected, withdrawn};

fn moment() -> Timestamp {
    "2026-11-23T10:00:00.123Z".parse().unwrap()
}

fn commit(events: &[Event]) -> (StoredCommit, State, Vec<Effect>) {
    let mut state = State::default();
    let effects: Vec<Effect> = events.iter().flat_map(|event| state.fold(event)).collect();
    let mut stored = stored::encode(&buyer("buyer-7"), Sequence::new(1), events, &effects, moment());
    stored.snapshot = Some(stored::encode_snapshot(&state));
    stored.feed = Some("2026-11-23T10#3".to_owned());
    (stored, state, effects)
}

fn every_kind() -> Vec<Event> {
    let mut with_reason = rejected("car-2").v(2);
    with_reason.change = domain::OfferChange::Rejected { reason: Some("too low".to_owned()) };
    with_reason.time = None;
    vec![
        made("car-1"),
        accepted("car-1").v(2),
        acceptance_withdrawn("car-1").v(3),
        made("car-2"),
        with_reason,
        made("car-3"),
        accepted("car-3").v(2),
        withdrawn("car-4").v(2),
    ]
}

const COMMIT_V1: &str = include_str!("golden/commit-v1.json");

fn golden(text: &str) -> StoredCommit {
    let json: Value = serde_json::from_str(text).unwrap();
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    StoredCommit {
        buyer: text("buyer").unwrap(),
        sequence: json["sequence"].as_u64().unwrap(),
        last: json["last"].as_u64().unwrap(),
        format: u32::try_from(json["format"].as_u64().unwrap()).unwrap(),
        facts: json["facts"].to_string(),
        effects: json.get("effects").map(Value::to_string),
        snapshot: json.get("snapshot").map(Value::to_string),
        recorded_at: text("recordedAt").unwrap(),
        feed: text("feed"),
    }
}

#[test]
fn format_1_reads_as_it_was_meant() {
    let (_, state, effects) = commit(&every_kind());
    let read = stored::decode(&golden(COMMIT_V1)).unwrap();
    assert_eq!(read.facts, every_kind());
    assert_eq!(read.effects, effects);
    assert_eq!(read.snapshot, Some(state));
    assert_eq!(read.recorded_at, moment());
    assert_eq!((read.first, read.last()), (Sequence::new(1), Sequence::new(8)));
}

#[test]
fn what_is_written_today_is_format_1() {
    let (stored, ..) = commit(&every_kind());
    let golden = golden(COMMIT_V1);
    let same = |one: &str, other: &str| {
        let [one, other]: [Value; 2] = [one, other].map(|text| serde_json::from_str(text).unwrap());
        assert_eq!(one, other);
    };
    same(&stored.facts, &golden.facts);
    same(&stored.effects.unwrap(), &golden.effects.unwrap());
    same(&stored.snapshot.unwrap(), &golden.snapshot.unwrap());
    assert_eq!((stored.sequence, stored.last, stored.format), (golden.sequence, golden.last, golden.format));
    assert_eq!((stored.recorded_at, stored.feed), (golden.recorded_at, golden.feed));
}

#[test]
fn fields_of_later_versions_are_ignored() {
    let mut commit = golden(COMMIT_V1);
    commit.facts = commit.facts.replace("\"type\":\"made\"", "\"type\":\"made\",\"later\":{\"x\":1}");
    assert_eq!(stored::decode(&commit).unwrap().facts, every_kind());
}

#[test]
fn an_effect_holds_nothing_personal() {
    let (stored, ..) = commit(&every_kind());
    let effects = stored.effects.unwrap().to_lowercase();
    assert!(!effects.contains("canary") && !effects.contains("+61"));
}

#[test]
fn a_snapshot_that_cannot_be_used_is_left_out_and_the_facts_stay() {
    let (good, ..) = commit(&every_kind());
    let with = |snapshot: &str| StoredCommit { snapshot: Some(snapshot.to_owned()), ..good.clone() };
    let text = good.snapshot.clone().unwrap();
    for broken in [
        "",
        "{}",
        "not json",
        &text.replace("\"fold\":1", "\"fold\":2"),
        &text.replace("\"sequence\":8", "\"sequence\":7"),
    ] {
        let read = stored::decode(&with(broken)).unwrap();
        assert_eq!((read.snapshot, read.facts.len()), (None, 8), "{broken}");
    }
}

#[test]
fn facts_that_cannot_be_read_are_an_error_and_never_guessed() {
    let (good, ..) = commit(&every_kind());
    let newer = StoredCommit { format: 2, ..good.clone() };
    assert!(matches!(stored::decode(&newer), Err(Undecodable::NewerFormat { format: 2, .. })));
    for broken in [
        StoredCommit { facts: "[]".to_owned(), ..good.clone() },
        StoredCommit { facts: good.facts.replace("accepted", "approved"), ..good.clone() },
        StoredCommit { effects: Some("[{}]".to_owned()), ..good.clone() },
        StoredCommit { last: 9, ..good.clone() },
        StoredCommit { sequence: 0, last: 7, ..good.clone() },
        StoredCommit { recorded_at: "yesterday".to_owned(), ..good.clone() },
    ] {
        let error = stored::decode(&broken).unwrap_err();
        assert!(matches!(error, Undecodable::Corrupt { .. }), "{error}");
        assert!(!error.to_string().to_lowercase().contains("canary"));
    }
}

#[test]
fn the_largest_batch_of_the_largest_events_fits_an_item_many_times() {
    let mut largest = made("car-1");
    let id = "x".repeat(128);
    largest.offer = domain::OfferId::parse(&id).unwrap();
    largest.id = domain::EventId::parse(&id).unwrap();
    largest.time = Some("2026-11-23T10:00:00.000000000+00:00".to_owned());
    let escaped = |count: usize| "\u{1}".repeat(count);
    largest.change = domain::OfferChange::Made {
        car: domain::CarId::parse(&id).unwrap(),
        contact: domain::Contact { name: escaped(256), email: escaped(320), phone: Some(escaped(64)) },
    };
    let mut talkative = rejected("car-1").v(2);
    talkative.change = domain::OfferChange::Rejected { reason: Some(escaped(1024)) };
    let batch: Vec<Event> = std::iter::repeat_n(talkative, 10).collect();
    let bytes =
        |events: &[Event]| stored::encode(&buyer("b"), Sequence::new(1), events, &[], moment()).bytes();
    assert!(bytes(&batch) < 400_000 / 4, "{}", bytes(&batch));
    assert!(bytes(&std::iter::repeat_n(largest, 10).collect::<Vec<_>>()) < 400_000 / 4);
}
