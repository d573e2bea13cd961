//! The change feed of the streams table: inserts only, keys only, until the reactor has taken them.

use std::collections::BTreeSet;

use contract::stored::Commit;
use domain::BuyerId;
use serde_json::{Value, json};
use testkit::doorbell;

type Key = (BuyerId, u64);

#[derive(Debug, Default)]
pub(crate) struct ChangeFeed {
    taken: BTreeSet<Key>,
}

impl ChangeFeed {
    /// Up to so many records that the reactor has not taken, and their keys.
    pub(crate) fn receive(&self, commits: &[Commit], most: usize) -> (Value, Vec<Key>) {
        let keys: Vec<Key> = commits
            .iter()
            .map(|commit| (commit.buyer.clone(), commit.first.get()))
            .filter(|key| !self.taken.contains(key))
            .take(most)
            .collect();
        (records(&keys), keys)
    }

    pub(crate) fn settle(&mut self, keys: Vec<Key>) {
        self.taken.extend(keys);
    }
}

/// These inserts as Lambda hands them over.
pub(crate) fn records(keys: &[Key]) -> Value {
    let records = keys.iter().map(|(buyer, sequence)| doorbell(buyer.as_str(), &sequence.to_string()));
    json!({ "Records": records.collect::<Vec<_>>() })
}
