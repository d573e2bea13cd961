//! Stored commits: their size, format and shard, and what a load needs of them.
#![expect(clippy::unwrap_used, reason = "test code")]

use contract::stored::{self, Act, StoredCommit};
use domain::{Fact, Known, OfferVersion, Sequence, Stage, State};
use jiff::Timestamp;
use testkit::{acceptance_withdrawn, accepted, append, buyer, made, offer};

fn moment() -> Timestamp {
    "2026-11-23T10:00:00.123Z".parse().unwrap()
}

#[test]
fn a_commit_without_personal_data_has_the_format_that_can_hold_it() {
    let stored =
        stored::encode(&buyer("ada"), Sequence::new(1), &[made("car-1").into()], &[], false, moment());
    assert_eq!((stored.format, stored.without_personal_data().unwrap().format), (1, 2));
    let newer = StoredCommit { format: 3, ..stored };
    assert_eq!(newer.without_personal_data().unwrap().format, 3);
}

/// Each name and each text counts its bytes, a number one byte for two significant digits and one more, a Boolean one
/// (Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats").
#[test]
fn the_size_of_a_commit_is_the_sum_of_its_attributes() {
    let text = |text: &str| Some(text.to_owned());
    let smallest = StoredCommit {
        buyer: "ada".to_owned(),        // 5 + 3
        sequence: 7,                    // 8 + 2
        last: 120,                      // 4 + 2, as the zero at the end is not significant
        format: 3,                      // 6 + 2
        facts: "[]".to_owned(),         // 5 + 2
        recorded_at: "2026".to_owned(), // 10 + 4
        effects: None,
        snapshot: None,
        feed: None,
        shadow: false,
        traces: None,
        by: None,
        because: None,
        emptied_by: None,
    };
    assert_eq!(smallest.bytes(), 8 + 10 + 6 + 8 + 7 + 14);
    let whole = StoredCommit {
        effects: text("e"),
        snapshot: text("state"),
        feed: text("hour#3"),
        shadow: true,
        traces: text("1 00-0-0-01"),
        by: text("kim"),
        because: text("lost"),
        ..smallest.clone()
    };
    let act = (2 + 3) + (7 + 4);
    assert_eq!(whole.bytes(), smallest.bytes() + (7 + 1) + (8 + 5) + (4 + 6) + (6 + 1) + (6 + 11) + act);
    // An emptied commit has no attribute `facts`.
    let emptied = StoredCommit { emptied_by: Some(12_345), ..smallest.clone() };
    assert_eq!(emptied.bytes(), smallest.bytes() - 7 + (9 + 4));
}

#[test]
fn a_commit_says_whose_act_it_is_and_an_erasure_removes_the_reason() {
    let facts = [Fact::Reset(None)];
    let written = stored::encode(&buyer("ada"), Sequence::new(1), &facts, &[], true, moment());
    assert_eq!(stored::decode(&written).unwrap().act, None);
    let act = Act { by: "arn:aws:iam::123456789012:user/kim".to_owned(), because: "Ada called".to_owned() };
    let signed = written.by(&act);
    assert_eq!(stored::decode(&signed).unwrap().act, Some(act.clone()));
    let cleared = signed.without_personal_data().unwrap();
    let nameless = Act { because: String::new(), ..act };
    assert_eq!(stored::decode(&cleared).unwrap().act, Some(nameless.clone()));
    assert_eq!(nameless.to_string(), "by arn:aws:iam::123456789012:user/kim");
    assert_eq!(written.by(&nameless), cleared, "no reason is no attribute");
}

#[test]
fn a_load_reads_back_to_a_snapshot_or_a_fact_that_needs_no_earlier_one() {
    let is_fresh = |facts: &[Fact], snapshot: Option<&State>| {
        let mut stored = stored::encode(&buyer("ada"), Sequence::new(1), facts, &[], false, moment());
        stored.snapshot = snapshot.map(stored::encode_snapshot);
        stored::decode(&stored).unwrap().is_fresh_start()
    };
    let event = [Fact::from(made("car-1"))];
    let mut state = State::default();
    append(&mut state, made("car-1"));
    assert!(!is_fresh(&event, None));
    assert!(is_fresh(&event, Some(&state)));
    assert!(is_fresh(&[Fact::Reset(None)], None));
}

#[test]
fn a_state_in_a_fact_of_an_older_version_is_kept() {
    let mut state = State::default();
    append(&mut state, made("car-1").without_personal_data());
    for fact in [Fact::Reset(Some(Box::new(state.clone()))), Fact::Erased(Some(Box::new(state)))] {
        let facts = [fact];
        let stored = stored::encode(&buyer("ada"), Sequence::new(1), &facts, &[], false, moment());
        assert_eq!(stored::decode(&stored).unwrap().facts, facts);
    }
}

#[test]
fn a_snapshot_keeps_both_versions_of_an_acceptance() {
    let mut state = State::default();
    for event in [made("car-1"), accepted("car-1").v(2), acceptance_withdrawn("car-1").v(3), made("car-2")] {
        append(&mut state, event);
    }
    append(&mut state, accepted("car-1").v(4));
    let mut known = Known { offers: state.offers.into(), low_lead: None, was_invited: true };
    known.offers.values_mut().for_each(|offer| offer.digests.clear());
    let (at, since) = (OfferVersion::new(4).unwrap(), OfferVersion::new(2).unwrap());
    known.offers.get_mut(&offer("car-1")).unwrap().stage = Stage::Accepted { at, since };
    let facts = [Fact::HandedOver(Box::new(known))];
    let stored = stored::encode(&buyer("ada"), Sequence::new(1), &facts, &[], false, moment());
    assert_eq!(stored::decode(&stored).unwrap().facts, facts);
}

#[test]
fn buyers_are_spread_over_all_shards() {
    let mut counts = [0_u32; 8];
    for number in 0..800 {
        counts[usize::from(stored::shard_of(&buyer(&format!("buyer-{number}")), 8))] += 1;
    }
    assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
}
