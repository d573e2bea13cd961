use contract::stored::{StoredCommit, decode, encode, encode_snapshot};
use domain::{Arrival, Sequence, State};
use event_store::LARGEST_ITEM;
use serde_json::Value;
use testkit::{accepted, made, withdrawn};

use crate::clock::now;

/// The target `snapshot`: a stored snapshot, which is JSON.
///
/// Properties: a snapshot is used or ignored, but never an error. A snapshot that is used stays the same when it is
/// written and read again. All queries on its state have an answer, and further events can be folded onto it.
pub(crate) fn take(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    // A snapshot counts only at the sequence of its commit.
    let sequence = serde_json::from_str::<Value>(&text).ok().and_then(|json| json["sequence"].as_u64());
    let sequence = Sequence::new(sequence.unwrap_or(1).max(1));
    let Some(state) = read(sequence, text) else { return };
    let again = encode_snapshot(&state);
    assert_eq!(read(sequence, again.clone()), Some(state.clone()));
    assert!(again.len() <= LARGEST_ITEM || bytes.len() > LARGEST_ITEM / 2, "{} bytes", again.len());
    assert_can_be_continued(state);
}

fn read(sequence: Sequence, snapshot: String) -> Option<State> {
    let facts = [made("car-1").into()];
    let mut stored: StoredCommit = encode(&testkit::buyer("ada"), sequence, &facts, &[], false, now());
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
                let effects = state.fold(&event);
                assert!(effects.len() <= before + 8);
            }
        }
    }
    for lead in state.open_leads() {
        assert!(state.is_open(&lead));
    }
    assert_eq!(state.open_leads().count() > 0, state.low_lead.is_some() || state.has_high_lead());
}
