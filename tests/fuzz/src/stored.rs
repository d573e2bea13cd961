use contract::stored::{
    Act, Commit, Emptied, StoredCommit, decode, encode, encode_snapshot, encode_traces,
    written as stored_moment,
};
use domain::{Arrival, Fact, Sequence, State};
use event_store::LARGEST_ITEM;
use serde_json::Value;
use testkit::{accepted, append, at, made, withdrawn};

use crate::corpus::parts;

/// The target `commit`: a stored commit. Each part of the input is one attribute.
///
/// Properties: a commit that can be read is the same after it is written and read again, and from then on every byte
/// stays the same. The error for any other commit repeats nothing of its content.
pub(crate) fn commit(bytes: &[u8]) {
    let mut given = parts(bytes);
    let mut next = || given.next().unwrap_or_default();
    let (sequence, last, format) = (next(), next(), next());
    let (facts, effects, snapshot, recorded_at) = (next(), next(), next(), next());
    let (shadow, emptied_by, traces, by, because) = (next(), next(), next(), next(), next());
    let stored = StoredCommit {
        buyer: "ada".to_owned(),
        sequence: sequence.parse().unwrap_or(1),
        last: last.parse().unwrap_or(1),
        format: format.parse().unwrap_or(1),
        facts,
        effects: Some(effects).filter(|text| !text.is_empty()),
        snapshot: Some(snapshot).filter(|text| !text.is_empty()),
        recorded_at,
        feed: None,
        shadow: !shadow.is_empty(),
        traces: Some(traces).filter(|text| !text.is_empty()),
        by: Some(by).filter(|text| !text.is_empty()),
        because: Some(because).filter(|text| !text.is_empty()),
        emptied_by: emptied_by.parse().ok(),
    };
    let commit = match decode(&stored) {
        Ok(commit) => commit,
        Err(error) => {
            let words = error.to_string();
            assert!(words.len() < 256 && !words.to_lowercase().contains("canary"), "{words}");
            return;
        }
    };
    assert_eq!((commit.first.get(), commit.last().get()), (stored.sequence, stored.last));
    let written = |commit: &Commit| {
        let Commit { buyer, first, facts, effects, is_shadow, recorded_at, .. } = commit;
        let mut stored = encode(buyer, *first, facts, effects, *is_shadow, *recorded_at);
        stored.snapshot = commit.snapshot.as_ref().map(encode_snapshot);
        stored.traces = encode_traces(&commit.traces);
        if let Some(act) = &commit.act {
            stored = stored.by(act);
        }
        if let Some(Emptied { last, by }) = commit.emptied {
            // Older versions of the software wrote emptied commits this way.
            (stored.last, stored.format, stored.emptied_by) = (last.get(), 2, Some(by.get()));
            (stored.facts, stored.snapshot) = (String::new(), None);
        }
        stored
    };
    let again = written(&commit);
    let mut read = decode(&again).unwrap();
    // The time is stored in milliseconds.
    assert_eq!(stored_moment(read.recorded_at), stored_moment(commit.recorded_at));
    assert_eq!(written(&read), again);
    read.recorded_at = commit.recorded_at;
    assert_eq!(read, commit);
    assert_can_be_cleared(&stored, &commit);
}

/// A commit whose personal data are removed can still be read, and everything else in it stays. The state of an erased
/// buyer is the same with and without these data. Removing them again changes nothing.
fn assert_can_be_cleared(stored: &StoredCommit, commit: &Commit) {
    let cleared = stored.without_personal_data().unwrap();
    assert_eq!(cleared.without_personal_data().unwrap(), cleared);
    let read = decode(&cleared).unwrap();
    let facts: Vec<Fact> = commit.facts.iter().map(Fact::without_personal_data).collect();
    let nameless =
        |act: Act| if commit.emptied.is_some() { act } else { Act { because: String::new(), ..act } };
    let act = commit.act.clone().map(nameless);
    assert_eq!(read, Commit { facts, snapshot: None, act, ..commit.clone() });
    if commit.emptied.is_none() {
        let (whole, bare) = (erased(commit), erased(&read));
        assert_eq!(whole, bare);
        assert!(whole.offers.values().all(|offer| offer.contact.is_none()));
    }
}

/// The state of a buyer that is erased and migrated after this commit.
fn erased(commit: &Commit) -> State {
    let mut state = State { sequence: Sequence::new(commit.first.get() - 1), ..State::default() };
    let known = Fact::Migrated(Box::default());
    for fact in commit.facts.iter().chain([&Fact::Erased(None), &known]) {
        state.fold(fact);
    }
    state
}

/// The target `snapshot`: a stored snapshot, which is JSON.
///
/// Properties: a snapshot is used or ignored, but never an error. A snapshot that is used stays the same when it is
/// written and read again. All queries on its state have an answer, and further events can be folded onto it.
pub(crate) fn snapshot(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    // A snapshot counts only at the sequence of its commit.
    let sequence = serde_json::from_str::<Value>(&text).ok().and_then(|json| json["sequence"].as_u64());
    let sequence = Sequence::new(sequence.unwrap_or(1).max(1));
    let Some(state) = read_snapshot(sequence, text) else { return };
    let again = encode_snapshot(&state);
    assert_eq!(read_snapshot(sequence, again.clone()), Some(state.clone()));
    assert!(again.len() <= LARGEST_ITEM || bytes.len() > LARGEST_ITEM / 2, "{} bytes", again.len());
    assert_can_be_continued(state);
}

fn read_snapshot(sequence: Sequence, snapshot: String) -> Option<State> {
    let facts = [made("car-1").into()];
    let mut stored: StoredCommit =
        encode(&testkit::buyer("ada"), sequence, &facts, &[], false, at("10:00:00"));
    stored.snapshot = Some(snapshot);
    decode(&stored).ok()?.snapshot
}

fn assert_can_be_continued(mut state: State) {
    let offers: Vec<String> = state.offers.keys().chain(state.held.keys()).map(ToString::to_string).collect();
    // The test kit builds event ids from the offer's id and a suffix, so the offer's id must not be too long.
    let known = offers.iter().map(String::as_str).filter(|name| name.len() <= 100);
    for name in known.chain(["car-new"]).take(8) {
        for event in [made(name), accepted(name).v(2), withdrawn(name).v(3)] {
            let before = state.open_leads().count();
            if matches!(state.arrival_of(&event), Arrival::Next | Arrival::Early) {
                let effects = append(&mut state, &event);
                assert!(effects.len() <= before + 8);
            }
        }
    }
    for lead in state.open_leads() {
        assert!(state.is_open(&lead));
    }
    assert_eq!(state.open_leads().count() > 0, state.low_lead.is_some() || state.has_high_lead());
}
