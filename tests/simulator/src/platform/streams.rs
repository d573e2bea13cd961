use std::collections::BTreeMap;

use contract::stored::StoredCommit;
use event_store::{Appended, Page};

use crate::chance::Chance;

/// A corrupt snapshot.
pub(crate) const SPOILT: &str = "{\"fold\":";

/// The streams table with its raw items, by buyer and sequence.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    pub(crate) buyers: BTreeMap<String, BTreeMap<u64, StoredCommit>>,
    /// The commits from which personal data were cleared, as they were before.
    pub(crate) cleared: BTreeMap<(String, u64), StoredCommit>,
}

impl Streams {
    /// `PutItem` with `attribute_not_exists(buyer)`.
    ///
    /// "Returns the item attributes for a `PutItem` operation that failed a condition check." Source: Amazon DynamoDB
    /// API Reference, `PutItem`, `ReturnValuesOnConditionCheckFailure`.
    pub(crate) fn append(&mut self, commit: &StoredCommit, has_condition: bool) -> Appended {
        if !self.buyers.contains_key(&commit.buyer) {
            self.buyers.insert(commit.buyer.clone(), BTreeMap::new());
        }
        let Some(stream) = self.buyers.get_mut(&commit.buyer) else { return Appended::Written };
        match stream.get(&commit.sequence) {
            Some(stored) if has_condition => Appended::Conflict(Box::new(stored.clone())),
            Some(_) | None => {
                stream.insert(commit.sequence, commit.clone());
                Appended::Written
            }
        }
    }

    /// A consistent `Query`, newest first. A page may be shorter than asked for, even empty, and yet not the last.
    ///
    /// "The only way to know when you have reached the end of the result set is when `LastEvaluatedKey` is empty."
    /// Source: Amazon DynamoDB API Reference, `Query`.
    pub(crate) fn page(
        &self,
        buyer: &str,
        before: Option<u64>,
        limit: usize,
        noise: Option<&mut Chance>,
    ) -> Page {
        let Some(stream) = self.buyers.get(buyer) else {
            return Page { commits: Vec::new(), has_more: false };
        };
        let mut limit = limit;
        if let Some(chance) = noise
            && chance.per_mille(30)
        {
            limit = chance.between(1, 3).min(limit);
        }
        let mut found = stream.range(..before.unwrap_or(u64::MAX)).rev();
        let commits: Vec<StoredCommit> =
            found.by_ref().take(limit).map(|(_, commit)| commit.clone()).collect();
        // A full page does not show whether it is the last one.
        let has_more = commits.len() == limit;
        Page { commits, has_more }
    }

    /// Deletes all snapshots of a buyer, or makes them corrupt or of another fold. Snapshots may be deleted at any
    /// time. Returns whether there were any.
    pub(crate) fn spoil(&mut self, chance: &mut Chance) -> bool {
        let at = chance.below(self.buyers.len().max(1));
        let mut has_any = false;
        let kind = chance.below(3);
        for commit in self.buyers.values_mut().nth(at).into_iter().flat_map(BTreeMap::values_mut) {
            let Some(snapshot) = commit.snapshot.take().filter(|snapshot| snapshot != SPOILT) else {
                continue;
            };
            has_any = true;
            commit.snapshot = match kind {
                0 => None,
                1 => Some(SPOILT.to_owned()),
                _ => Some(snapshot.replacen("\"fold\":", "\"fold\":1000", 1)),
            };
        }
        has_any
    }

    /// `UpdateItem` on the condition that the item exists: it writes facts and format, and removes the snapshot.
    pub(crate) fn clear(&mut self, cleared: &StoredCommit) {
        let commit = self.buyers.get_mut(&cleared.buyer).and_then(|stream| stream.get_mut(&cleared.sequence));
        let Some(commit) = commit else { return };
        let place = (cleared.buyer.clone(), cleared.sequence);
        self.cleared.entry(place).or_insert_with(|| commit.clone());
        commit.facts.clone_from(&cleared.facts);
        commit.format = cleared.format;
        commit.snapshot = None;
    }

    pub(crate) fn has(&self, buyer: &str, sequence: u64) -> bool {
        self.buyers.get(buyer).is_some_and(|stream| stream.contains_key(&sequence))
    }

    /// The last fact's sequence number.
    pub(crate) fn last(&self, buyer: &str) -> u64 {
        let newest = self.buyers.get(buyer).and_then(|stream| stream.values().next_back());
        newest.map_or(0, |commit| commit.last)
    }
}
