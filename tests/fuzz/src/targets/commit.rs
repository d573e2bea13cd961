use contract::stored::{
    Commit, Emptied, StoredCommit, decode, encode, encode_snapshot, written as stored_moment,
};
use domain::{Fact, Sequence, State};

use super::parts;

/// The target `commit`: a stored commit. Each part of the input is one attribute.
///
/// Properties: a commit that can be read is the same after it is written and read again, and from then on every byte
/// stays the same. The error for any other commit repeats nothing of its content.
pub(crate) fn take(bytes: &[u8]) {
    let mut given = parts(bytes);
    let mut next = || given.next().unwrap_or_default();
    let (sequence, last, format) = (next(), next(), next());
    let (facts, effects, snapshot, recorded_at) = (next(), next(), next(), next());
    let (shadow, emptied_by) = (next(), next());
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
    assert_eq!(read, Commit { facts, snapshot: None, ..commit.clone() });
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
        drop(state.fold_fact(fact));
    }
    state
}
