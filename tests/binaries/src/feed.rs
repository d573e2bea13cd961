//! The change feed of the streams table. It contains the keys of inserts only, and keeps a record until the reactor has
//! taken it.

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
    /// At most `most` records that the reactor has not taken, as a batch, and their keys.
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

/// The batch with which Lambda invokes the reactor for these inserts.
pub(crate) fn records(keys: &[Key]) -> Value {
    let records = keys.iter().map(|(buyer, sequence)| doorbell(buyer.as_str(), &sequence.to_string()));
    json!({ "Records": records.collect::<Vec<_>>() })
}
