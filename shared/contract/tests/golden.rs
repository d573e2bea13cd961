//! Every version ever written stays readable: from the first release on, the golden files are never edited.
//! Create the file for a new format with the code that first writes that format.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;

use contract::stored::{self, Emptied, StoredCommit, Undecodable};
use contract::trace::TraceParent;
use domain::{Effect, Event, Fact, FormerLeadId, Known, OfferVersion, Sequence, State};
use jiff::Timestamp;
use serde_json::Value;
use testkit::{acceptance_withdrawn, accepted, append, buyer, made, offer, rejected, withdrawn};

fn moment() -> Timestamp {
    "2026-11-23T10:00:00.123Z".parse().unwrap()
}

fn commit(facts: &[Fact]) -> (StoredCommit, State, Vec<Effect>) {
    let mut state = State::default();
    let effects: Vec<Effect> = facts.iter().flat_map(|fact| append(&mut state, fact.clone())).collect();
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

/// The facts that format 3 adds: those that concern the former system, and those of an erased buyer.
fn every_other_kind() -> Vec<Fact> {
    let lead = |name: &str| FormerLeadId::parse(name).unwrap();
    let mut state = State::default();
    for event in [made("car-1"), accepted("car-1").v(2), made("car-2")] {
        state.fold(&event.into());
    }
    let mut known = Known { offers: state.offers.into(), low_lead: None, was_invited: true };
    known.offers.values_mut().for_each(|offer| offer.digests.clear());
    let looked_up = Known { was_invited: false, ..known.clone() };
    known.offers.get_mut(&offer("car-1")).unwrap().former_lead = Some(lead("F-17"));
    let mut low = Known { low_lead: Some(lead("F-18")), ..Known::default() };
    low.offers.insert(offer("car-2"), known.offers[&offer("car-2")].clone());
    vec![
        made("car-9").into(),
        Fact::Reset(None),
        Fact::Migrated(Box::new(looked_up)),
        Fact::Voided { offer: offer("car-3"), through: OfferVersion::new(2).unwrap() },
        Fact::HandedOver(Box::new(known)),
        acceptance_withdrawn("car-1").v(3).into(),
        withdrawn("car-4").v(2).into(),
        made("car-4").into(),
        Fact::HandedOver(Box::new(low)),
        Fact::Erased(None),
        made("car-5").without_personal_data().into(),
    ]
}

const COMMIT_V1: &str = include_str!("golden/commit-v1.json");
const COMMIT_V2: &str = include_str!("golden/commit-v2.json");
const COMMIT_V3: &str = include_str!("golden/commit-v3.json");

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
        traces: text("traces"),
        by: text("by"),
        because: text("because"),
        emptied_by: json["emptiedBy"].as_u64(),
    }
}

#[test]
fn format_1_is_read_correctly() {
    let (_, state, effects) = commit(&every_kind());
    let read = stored::decode(&golden(COMMIT_V1)).unwrap();
    assert_eq!(read.facts, every_kind());
    assert_eq!(read.effects, effects);
    assert_eq!(read.snapshot, None, "the snapshot is of another fold, so the facts are folded again");
    assert_eq!(read.recorded_at, moment());
    assert_eq!((read.first, read.last()), (Sequence::new(1), Sequence::new(8)));
    assert_eq!(folded(&read.facts), state);
}

fn folded(facts: &[Fact]) -> State {
    let mut state = State::default();
    for fact in facts {
        state.fold(fact);
    }
    state
}

/// In format 2, `reset` and `erased` carried a state.
#[test]
fn format_2_is_read_correctly() {
    let read = stored::decode(&golden(COMMIT_V2)).unwrap();
    let names: Vec<&str> = read.facts.iter().map(Fact::name).collect();
    assert_eq!(names, ["migrated", "rejected", "voided", "reset", "erased", "made"]);
    let [Fact::Migrated(known), _, _, Fact::Reset(Some(reset)), Fact::Erased(Some(erased)), _] = &*read.facts
    else {
        panic!("{:?}", read.facts)
    };
    assert!(known.was_invited && known.low_lead.is_none() && known.offers.len() == 1);
    assert_eq!((reset.sequence.get(), reset.offers.len(), reset.is_erased), (3, 2, false));
    assert_eq!((erased.sequence.get(), erased.offers.len(), erased.is_erased), (4, 2, true));
    assert!(read.is_fresh_start());
    let state = folded(&read.facts);
    let versions: Vec<u32> = state.offers.values().map(|offer| offer.version.get()).collect();
    assert_eq!((versions, state.sequence.get(), state.is_erased), (vec![2, 3, 1], 6, true));
    assert!(state.offers.values().all(|offer| offer.contact.is_none()));
}

#[test]
fn format_3_is_read_correctly() {
    let (_, state, effects) = commit(&every_other_kind());
    let read = stored::decode(&golden(COMMIT_V3)).unwrap();
    assert_eq!(read.facts, every_other_kind());
    assert_eq!(read.effects, effects);
    assert_eq!(read.snapshot, Some(state));
}

#[test]
fn a_commit_is_written_in_the_oldest_format_that_can_hold_it() {
    assert_written_as(&every_kind(), COMMIT_V1);
    assert_written_as(&every_other_kind(), COMMIT_V3);
}

#[test]
fn facts_that_older_versions_would_mishandle_have_a_newer_format() {
    let format = |fact: Fact, is_shadow| {
        stored::encode(&buyer("b"), Sequence::new(1), &[fact], &[], is_shadow, moment()).format
    };
    assert_eq!((format(made("car-1").into(), false), format(made("car-1").into(), true)), (1, 3));
    let formats: Vec<u32> = every_other_kind().into_iter().map(|fact| format(fact, false)).collect();
    assert_eq!(formats, [1, 3, 3, 2, 3, 1, 1, 1, 3, 3, 2]);
}

#[test]
fn a_snapshot_keeps_the_names_of_former_leads() {
    let until = |facts: usize| folded(&every_other_kind()[..facts]);
    for state in [until(5), until(6), until(9)] {
        let mut stored = golden(COMMIT_V3);
        stored.last = state.sequence.get();
        stored.sequence = 1;
        stored.facts = stored::encode(
            &buyer("b"),
            Sequence::new(1),
            &every_other_kind()[..usize::try_from(stored.last).unwrap()],
            &[],
            false,
            moment(),
        )
        .facts;
        stored.effects = None;
        stored.snapshot = Some(stored::encode_snapshot(&state));
        assert_eq!(stored::decode(&stored).unwrap().snapshot, Some(state));
    }
    assert_eq!(until(5).open_leads().map(|lead| lead.to_string()).collect::<Vec<_>>(), ["F-17"]);
    assert_eq!(until(9).open_leads().map(|lead| lead.to_string()).collect::<Vec<_>>(), ["F-18"]);
}

#[test]
fn removing_personal_data_keeps_everything_else() {
    for facts in [every_kind(), every_other_kind()] {
        let (mut stored, ..) = commit(&facts);
        stored.shadow = true;
        let cleared = stored.without_personal_data().unwrap();
        let text = format!("{cleared:?}").to_lowercase();
        for personal in ["canary", "+61", "too low"] {
            assert!(!text.contains(personal), "{personal}: {text}");
        }
        let read = stored::decode(&cleared).unwrap();
        let expected: Vec<Fact> = facts.iter().map(Fact::without_personal_data).collect();
        assert_eq!(read.facts, expected);
        assert_eq!(
            (cleared.effects.clone(), cleared.last, cleared.shadow),
            (stored.effects, stored.last, true)
        );
        assert_eq!(cleared.without_personal_data().unwrap(), cleared, "removal is idempotent");
    }
    let corrupt = StoredCommit { facts: "[]".to_owned(), ..golden(COMMIT_V1) };
    assert!(corrupt.without_personal_data().is_err());
}

/// An older version of the software emptied commits in this form.
#[test]
fn an_emptied_commit_keeps_its_key_and_effects() {
    let (stored, _, effects) = commit(&every_kind());
    let stored = StoredCommit { facts: String::new(), snapshot: None, emptied_by: Some(9), ..stored };
    let read = stored::decode(&stored).unwrap();
    assert_eq!((read.facts, read.snapshot, read.effects), (Vec::new(), None, effects));
    assert_eq!(read.emptied, Some(Emptied { last: Sequence::new(8), by: Sequence::new(9) }));
    assert_eq!(stored.without_personal_data().unwrap(), stored);
    for broken in [StoredCommit { emptied_by: Some(8), ..stored.clone() }, StoredCommit { last: 0, ..stored }]
    {
        assert!(matches!(stored::decode(&broken), Err(Undecodable::Corrupt { part: "last", .. })));
    }
}

#[track_caller]
fn assert_written_as(facts: &[Fact], golden_text: &str) {
    let (stored, ..) = commit(facts);
    let golden = golden(golden_text);
    let same = |one: &str, other: &str| {
        let [one, other]: [Value; 2] = [one, other].map(|text| serde_json::from_str(text).unwrap());
        assert_eq!(one, other);
    };
    same(&stored.facts, &golden.facts);
    // A snapshot is a cache; snapshots of an older fold are no longer written.
    if golden.format == stored::FORMAT {
        same(&stored.snapshot.unwrap(), &golden.snapshot.unwrap());
    }
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
fn stored_effects_contain_no_personal_data() {
    let (stored, ..) = commit(&every_kind());
    let effects = stored.effects.unwrap().to_lowercase();
    assert!(!effects.contains("canary") && !effects.contains("+61"));
}

#[test]
fn an_unusable_snapshot_is_ignored_and_the_facts_are_read() {
    let (good, ..) = commit(&every_kind());
    let with = |snapshot: &str| StoredCommit { snapshot: Some(snapshot.to_owned()), ..good.clone() };
    let text = good.snapshot.clone().unwrap();
    for broken in [
        "",
        "{}",
        "not json",
        &text.replace("\"fold\":3", "\"fold\":2"),
        &text.replace("\"fold\":3", "\"fold\":4"),
        &text.replace("\"sequence\":8", "\"sequence\":7"),
    ] {
        let read = stored::decode(&with(broken)).unwrap();
        assert_eq!((read.snapshot, read.facts.len()), (None, 8), "{broken}");
    }
}

#[test]
fn unreadable_facts_are_an_error() {
    let (good, ..) = commit(&every_kind());
    let newer = StoredCommit { format: 4, ..good.clone() };
    assert!(matches!(stored::decode(&newer), Err(Undecodable::NewerFormat { format: 4, .. })));
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
fn the_largest_batch_takes_less_than_a_quarter_of_an_item() {
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

#[test]
fn traces_of_a_commit_are_read_as_they_were_written_and_unreadable_ones_are_left_out() {
    let good = golden(COMMIT_V1);
    assert_eq!(stored::decode(&good).unwrap().traces, BTreeMap::new());
    let trace = |last: &str| {
        TraceParent::parse(&format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b{last}-01")).unwrap()
    };
    let traces = BTreeMap::from([(Sequence::new(1), trace("7")), (Sequence::new(12), trace("8"))]);
    let written = stored::encode_traces(&traces).unwrap();
    assert_eq!(
        written,
        "1 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n\
         12 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-01"
    );
    let with = |traces: &str| StoredCommit { traces: Some(traces.to_owned()), ..good.clone() };
    assert_eq!(stored::decode(&with(&written)).unwrap().traces, traces);
    assert_eq!(with(&written).bytes(), good.bytes() + "traces".len() + written.len());
    assert_eq!(with(&written).without_personal_data().unwrap().traces, Some(written.clone()));
    let damaged = format!("{written}\nx\n3 00-4b-00-01\n");
    assert_eq!(stored::decode(&with(&damaged)).unwrap().traces, traces);
    assert_eq!(stored::encode_traces(&BTreeMap::new()), None);
}
