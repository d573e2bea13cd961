use contract::stored::{Emptied, StoredCommit, decode, encode, encode_snapshot, written as stored_moment};

use super::parts;

/// A commit as it lies in the table, its attributes in parts.
///
/// What can be read is the same when it is written again and read again, and from then on every byte stays. What cannot is
/// told without a word of what is in it.
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
    let written = |commit: &contract::stored::Commit| {
        let contract::stored::Commit { buyer, first, facts, effects, is_shadow, recorded_at, .. } = commit;
        let mut stored = encode(buyer, *first, facts, effects, *is_shadow, *recorded_at);
        stored.snapshot = commit.snapshot.as_ref().map(encode_snapshot);
        if let Some(Emptied { last, by }) = commit.emptied {
            stored.last = last.get();
            stored.empty(by);
        }
        stored
    };
    let again = written(&commit);
    let mut read = decode(&again).unwrap();
    // It is kept in milliseconds.
    assert_eq!(stored_moment(read.recorded_at), stored_moment(commit.recorded_at));
    assert_eq!(written(&read), again);
    read.recorded_at = commit.recorded_at;
    assert_eq!(read, commit);
}
