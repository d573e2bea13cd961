//! Every version ever written stays readable: from the first release on, these files are never edited.
//! To add one for a new format, write it with the code that first writes that format.
#![expect(clippy::unwrap_used, reason = "test code")]

use contract::stored::{self, Emptied, StoredCommit, Undecodable};
use domain::{Effect, Event, Fact, OfferVersion, Sequence, State};
use jiff::Timestamp;
use serde_json::Value;
use testkit::{acceptance_withdrawn, accepted, buyer, made, offer, rejected, withdrawn};

fn moment() -> Timestamp {
    "2026-11-23T10:00:00.123Z".parse().unwrap()
}

fn commit(facts: &[Fact]) -> (StoredCommit, State, Vec<Effect>) {
    let mut state = State::default();
    let effects: Vec<Effect> = facts.iter().flat_map(|fact| state.fold_fact(fact)).collect();
    let mut stored = stored::encode(&buyer("buyer-7"), Sequence::new(1), facts, &effects, false, moment());
    stored.snapshot = Some(stored::encode_snapshot(&state));
    stored.feed = Some("2026-11-23T10#3".to_owned());
    (stored, state, effects)
}

fn every_kind() -> Vec<Fact> {
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
    .into_iter()
    .map(Fact::from)
    .collect()
}

/// What format 2 adds: every other kind of fact, and an event of a buyer who is erased.
fn every_other_kind() -> Vec<Fact> {
    let mut known = State { was_invited: true, ..State::default() };
    known.fold(&made("car-1"));
    known.fold(&accepted("car-1").v(2));
    let mut state = State::default();
    let mut facts = Vec::new();
    let mut take = |fact: Option<Fact>| {
        let fact = fact.unwrap_or_else(|| if state.is_reset { state.erased() } else { state.reset() });
        state.fold_fact(&fact);
        facts.push(fact);
    };
    take(Some(Fact::Migrated(Box::new(State { low_lead: None, sequence: Sequence::START, ..known }))));
    take(Some(rejected("car-2").v(3).into()));
    take(Some(Fact::Voided { offer: offer("car-2"), through: OfferVersion::new(2).unwrap() }));
    take(None);
    take(None);
    take(Some(made("car-3").without_personal_data().into()));
    facts
}

const COMMIT_V1: &str = include_str!("golden/commit-v1.json");
const COMMIT_V2: &str = include_str!("golden/commit-v2.json");

fn golden(text: &str) -> StoredCommit {
    let json: Value = serde_json::from_str(text).unwrap();
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    StoredCommit {
        buyer: text("buyer").unwrap(),
        sequence: json["sequence"].as_u64().unwrap(),
        last: json["last"].as_u64().unwrap(),
        format: u32::try_from(json["format"].as_u64().unwrap()).unwrap(),
        facts: json["facts"].to_string(),
        effects: text("effects"),
        snapshot: json.get("snapshot").map(Value::to_string),
        recorded_at: text("recordedAt").unwrap(),
        feed: text("feed"),
        shadow: json["shadow"] == true,
        emptied_by: json["emptiedBy"].as_u64(),
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
fn format_2_reads_as_it_was_meant() {
    let (_, state, effects) = commit(&every_other_kind());
    let read = stored::decode(&golden(COMMIT_V2)).unwrap();
    assert_eq!(read.facts, every_other_kind());
    assert_eq!(read.effects, effects);
    assert_eq!(read.snapshot, Some(state));
    assert!(read.is_fresh_start());
}

#[test]
fn what_is_written_today_is_the_oldest_format_that_can_hold_it() {
    is_written_as(&every_kind(), COMMIT_V1);
    is_written_as(&every_other_kind(), COMMIT_V2);
}

#[test]
fn an_older_version_reads_only_what_it_would_do_right_by() {
    let events = [Fact::from(made("car-1"))];
    let format = |facts: &[Fact], is_shadow| {
        stored::encode(&buyer("b"), Sequence::new(1), facts, &[], is_shadow, moment()).format
    };
    assert_eq!((format(&events, false), format(&events, true)), (1, 2));
    for fact in every_other_kind() {
        let is_plain = fact.event().is_some_and(|event| event.change.name() == "rejected");
        assert_eq!(format(&[fact], false), if is_plain { 1 } else { 2 });
    }
    // A state that it knows no words for is no snapshot to it.
    let (stored, ..) = commit(&every_other_kind());
    assert!(stored.snapshot.unwrap().starts_with("{\"fold\":2,"));
}

#[test]
fn an_emptied_commit_keeps_its_key_its_effects_and_a_pointer() {
    let (mut stored, _, effects) = commit(&every_kind());
    stored.empty(Sequence::new(9));
    let read = stored::decode(&stored).unwrap();
    assert_eq!((read.facts, read.snapshot, read.effects), (Vec::new(), None, effects));
    assert_eq!(read.emptied, Some(Emptied { last: Sequence::new(8), by: Sequence::new(9) }));
    let text = format!("{stored:?}").to_lowercase();
    assert!(!text.contains("canary") && !text.contains("+61"), "{text}");
    for broken in [StoredCommit { emptied_by: Some(8), ..stored.clone() }, StoredCommit { last: 0, ..stored }]
    {
        assert!(matches!(stored::decode(&broken), Err(Undecodable::Corrupt { part: "last", .. })));
    }
}

#[track_caller]
fn is_written_as(facts: &[Fact], golden_text: &str) {
    let (stored, ..) = commit(facts);
    let golden = golden(golden_text);
    let same = |one: &str, other: &str| {
        let [one, other]: [Value; 2] = [one, other].map(|text| serde_json::from_str(text).unwrap());
        assert_eq!(one, other);
    };
    same(&stored.facts, &golden.facts);
    same(&stored.snapshot.unwrap(), &golden.snapshot.unwrap());
    assert_eq!(stored.effects, golden.effects);
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
        &text.replace("\"fold\":1", "\"fold\":3"),
        &text.replace("\"fold\":1", "\"fold\":0"),
        &text.replace("\"sequence\":8", "\"sequence\":7"),
    ] {
        let read = stored::decode(&with(broken)).unwrap();
        assert_eq!((read.snapshot, read.facts.len()), (None, 8), "{broken}");
    }
}

#[test]
fn facts_that_cannot_be_read_are_an_error_and_never_guessed() {
    let (good, ..) = commit(&every_kind());
    let newer = StoredCommit { format: 3, ..good.clone() };
    assert!(matches!(stored::decode(&newer), Err(Undecodable::NewerFormat { format: 3, .. })));
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
        contact: Some(domain::Contact { name: escaped(256), email: escaped(320), phone: Some(escaped(64)) }),
    };
    let mut talkative = rejected("car-1").v(2);
    talkative.change = domain::OfferChange::Rejected { reason: Some(escaped(1024)) };
    let bytes = |event: Event| {
        let batch: Vec<Fact> = std::iter::repeat_n(Fact::from(event), 10).collect();
        stored::encode(&buyer("b"), Sequence::new(1), &batch, &[], false, moment()).bytes()
    };
    let largest = bytes(largest).max(bytes(talkative));
    assert!(largest < 400_000 / 4, "{largest}");
}
