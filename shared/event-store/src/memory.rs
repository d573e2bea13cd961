use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use contract::stored::StoredCommit;
use domain::{BuyerId, Sequence};

use jiff::Timestamp;

use crate::{Appended, Clearing, Commits, EventStore, Feed, FeedEntry, FeedPartition, Page, StoreError};

/// An event store in memory, for tests. It gives the same guarantees as DynamoDB and never fails.
#[derive(Debug, Default)]
pub struct MemoryStreams {
    commits: Mutex<BTreeMap<(String, u64), StoredCommit>>,
}

impl MemoryStreams {
    /// All stored commits, ordered by buyer and sequence.
    #[must_use]
    pub fn commits(&self) -> Vec<StoredCommit> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl Commits for MemoryStreams {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        let end = before.map_or(u64::MAX, Sequence::get);
        let buyer = buyer.as_str();
        let mut found = commits.range((buyer.to_owned(), 0)..(buyer.to_owned(), end)).rev();
        let page = found.by_ref().take(limit).map(|(_, commit)| commit.clone()).collect();
        Ok(Page { commits: page, has_more: found.next().is_some() })
    }
}

impl EventStore for MemoryStreams {
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError> {
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (commit.buyer.clone(), commit.sequence);
        if let Some(stored) = commits.get(&key) {
            return Ok(Appended::Conflict(Box::new(stored.clone())));
        }
        commits.insert(key, commit.clone());
        Ok(Appended::Written)
    }
}

impl Clearing for MemoryStreams {
    async fn clear(&self, cleared: &StoredCommit) -> Result<(), StoreError> {
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(commit) = commits.get_mut(&(cleared.buyer.clone(), cleared.sequence)) {
            commit.facts.clone_from(&cleared.facts);
            commit.format = cleared.format;
            commit.snapshot = None;
        }
        Ok(())
    }
}

impl Feed for MemoryStreams {
    async fn recorded(
        &self,
        partition: &FeedPartition,
        after: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, StoreError> {
        let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<FeedEntry> = commits
            .values()
            .filter(|commit| commit.feed.as_deref() == Some(partition.key()))
            .filter_map(FeedEntry::of)
            .filter(|entry| entry.recorded_at > after && entry.recorded_at <= until)
            .collect();
        found.sort_by_key(|entry| entry.recorded_at);
        found.truncate(limit);
        Ok(found)
    }
}
