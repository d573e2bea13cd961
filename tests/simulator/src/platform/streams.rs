//! The streams table with its change feed and its index.

use std::collections::BTreeMap;

use contract::stored::StoredCommit;
use event_store::{Appended, FeedEntry, Page};
use jiff::Timestamp;

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

/// A record of the change feed, which contains only keys.
#[derive(Debug, Clone)]
pub(crate) struct Doorbell {
    pub(crate) buyer: String,
    pub(crate) sequence: u64,
    visible_at: i64,
    recorded_at: i64,
    attempts: u32,
}

/// "Stores this information in a log for up to 24 hours." Source: Amazon DynamoDB Developer Guide, "Change data
/// capture for DynamoDB Streams".
const TRIMMED_AFTER: i64 = 24 * 3_600_000;

/// The number of retries after which the mapping gives up a batch (`MaximumRetryAttempts`).
const ATTEMPTS: u32 = 10;

/// The change feed with its Lambda mapping. Only records of the same item are ordered. Each commit is an item of its
/// own, so any order of commits is possible, and repeats too.
///
/// "For each item that is modified in a DynamoDB table, the stream records appear in the same sequence as the actual
/// modifications to the item", and no other order is promised. Source: Amazon DynamoDB Developer Guide, "Change data
/// capture for DynamoDB Streams". AWS does not lose records; the simulator does, because the product claims to
/// tolerate it.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    doorbells: Vec<Doorbell>,
    /// Whether no record is lost or late by more than seconds.
    pub(crate) is_prompt: bool,
}

impl Feed {
    /// Adds the record of a commit. With noise it may be lost, doubled or late. Returns `false` if it is lost.
    pub(crate) fn ring(&mut self, now: i64, buyer: &str, sequence: u64, noise: Option<&mut Chance>) -> bool {
        let (copies, latest) = noise.map_or((1, 0), |chance| {
            let copies = chance.pick(&[0, 1, 1, 1, 2]);
            let latest = chance.pick(&[0, 0, 500, 5_000, 600_000, 30 * 3_600_000]);
            if self.is_prompt { (copies.max(1), latest.min(5_000)) } else { (copies, latest) }
        });
        for copy in 0..copies {
            self.doorbells.push(Doorbell {
                buyer: buyer.to_owned(),
                sequence,
                visible_at: now + latest * copy.max(1) / 2,
                recorded_at: now,
                attempts: 0,
            });
        }
        copies > 0
    }

    pub(crate) fn has_ready(&self, now: i64) -> bool {
        self.doorbells.iter().any(|doorbell| doorbell.visible_at <= now)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.doorbells.is_empty()
    }

    pub(crate) fn next_visible(&self, now: i64) -> Option<i64> {
        self.doorbells.iter().map(|doorbell| doorbell.visible_at).filter(|at| *at > now).min()
    }

    /// Removes records that are too old. Returns whether there were any.
    pub(crate) fn trim(&mut self, now: i64) -> bool {
        let before = self.doorbells.len();
        self.doorbells.retain(|doorbell| now - doorbell.recorded_at < TRIMMED_AFTER);
        self.doorbells.len() < before
    }

    /// Takes one to `most` ready records, in any order.
    pub(crate) fn receive(&mut self, now: i64, chance: &mut Chance, most: usize) -> Vec<Doorbell> {
        let mut batch = Vec::new();
        for _ in 0..chance.between(1, most) {
            let ready = self.doorbells.iter().filter(|doorbell| doorbell.visible_at <= now).count();
            let wanted = chance.below(ready);
            let found = self.doorbells.iter().enumerate().filter(|(_, doorbell)| doorbell.visible_at <= now);
            if let Some((index, _)) = found.into_iter().nth(wanted) {
                batch.push(self.doorbells.swap_remove(index));
            }
        }
        batch
    }

    /// Delivers a failed batch again, unless its records have reached the limit of attempts.
    pub(crate) fn give_back(&mut self, batch: &[Doorbell]) {
        for doorbell in batch.iter().filter(|doorbell| doorbell.attempts < ATTEMPTS) {
            self.doorbells.push(Doorbell { attempts: doorbell.attempts + 1, ..doorbell.clone() });
        }
    }
}

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
