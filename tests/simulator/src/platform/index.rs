use std::collections::BTreeMap;

use contract::stored::StoredCommit;
use event_store::FeedEntry;
use jiff::Timestamp;

use crate::chance::Chance;

/// The sparse index `feed` of commits with effects or held events.
///
/// "Changes to the table data are propagated to the global secondary indexes within a fraction of a second, under
/// normal conditions. However, in some unlikely failure scenarios, longer propagation delays might occur." Source:
/// Amazon DynamoDB Developer Guide, "Using Global Secondary Indexes in DynamoDB".
#[derive(Debug, Default)]
pub(crate) struct Index {
    partitions: BTreeMap<String, Vec<(i64, FeedEntry)>>,
}

impl Index {
    pub(crate) fn add(&mut self, now: i64, commit: &StoredCommit, noise: Option<&mut Chance>) {
        let (Some(partition), Some(entry)) = (&commit.feed, FeedEntry::of(commit)) else { return };
        let visible_at = now + noise.map_or(0, |chance| chance.pick(&[0, 0, 1_000, 300_000]));
        let entries = self.partitions.entry(partition.clone()).or_default();
        let at = entries.partition_point(|(_, known)| known.recorded_at <= entry.recorded_at);
        entries.insert(at, (visible_at, entry));
    }

    pub(crate) fn query(
        &self,
        now: i64,
        partition: &str,
        after: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Vec<FeedEntry> {
        let entries = self.partitions.get(partition).into_iter().flatten();
        entries
            .filter(|(visible_at, entry)| {
                *visible_at <= now && entry.recorded_at > after && entry.recorded_at <= until
            })
            .map(|(_, entry)| entry.clone())
            .take(limit)
            .collect()
    }
}
