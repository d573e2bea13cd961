//! The index of commits that call for effects or after which events are held, by the time of recording: finds what the
//! doorbell missed.

use contract::stored;
use domain::{BuyerId, Sequence};
use jiff::{SignedDuration, Timestamp};

use crate::StoreError;

/// How many partitions an hour has: it must never be the place that throttles an append.
const SHARDS: u8 = 8;

/// One partition of the index: an hour of recording and a shard of buyers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPartition(pub(crate) String);

impl FeedPartition {
    /// Where a commit of this buyer, recorded then, is found.
    #[must_use]
    pub fn of(buyer: &BuyerId, recorded_at: Timestamp) -> Self {
        Self::numbered(recorded_at, stored::shard_of(buyer, SHARDS))
    }

    fn numbered(moment: Timestamp, shard: u8) -> Self {
        let text = stored::written(moment);
        let hour = text.get(..13).unwrap_or(&text);
        Self(format!("{hour}#{shard}"))
    }

    /// All partitions of the hour that this moment lies in.
    #[must_use]
    pub fn of_hour(moment: Timestamp) -> Vec<Self> {
        (0..SHARDS).map(|shard| Self::numbered(moment, shard)).collect()
    }

    /// The first moment of the hour after the one that this moment lies in.
    #[must_use]
    pub fn next_hour(moment: Timestamp) -> Timestamp {
        const HOUR: i64 = 3600;
        let next = (moment.as_second().div_euclid(HOUR) + 1) * HOUR;
        Timestamp::from_second(next).unwrap_or(Timestamp::MAX)
    }

    /// Its key in the table.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0
    }
}

/// A commit, as the index knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEntry {
    /// Whose.
    pub buyer: BuyerId,
    /// The sequence number of its first fact.
    pub sequence: Sequence,
    /// When it was recorded, by the recorder's clock.
    pub recorded_at: Timestamp,
}

impl FeedEntry {
    /// The entry that a commit makes, if it is in the index.
    #[must_use]
    pub fn of(commit: &stored::StoredCommit) -> Option<Self> {
        commit.feed.as_ref()?;
        Some(Self {
            buyer: BuyerId::parse(&commit.buyer).ok()?,
            sequence: Sequence::new(commit.sequence),
            recorded_at: commit.recorded_at.parse().ok()?,
        })
    }
}

/// The index of commits that somebody must look at.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Feed {
    /// Up to `limit` commits of a partition recorded after one moment and until another, oldest first. Not consistent: an
    /// index is late by a moment.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn recorded(
        &self,
        partition: &FeedPartition,
        after: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, StoreError>;
}

/// A slice of what was recorded: everything of one hour, in the order of recording, up to a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Oldest first.
    pub entries: Vec<FeedEntry>,
    /// Nothing recorded after `after` and until here is missing.
    pub through: Timestamp,
}

/// Reads on from a moment, no further than `until`, no further than the end of the hour, and about `limit` commits of each
/// partition.
///
/// # Errors
/// [`StoreError`].
pub async fn slice(
    feed: &impl Feed,
    after: Timestamp,
    until: Timestamp,
    limit: usize,
) -> Result<Slice, StoreError> {
    const TICK: SignedDuration = SignedDuration::from_millis(1);
    // `after` itself is done: what is next begins a tick later, perhaps in the next hour.
    let first = after.saturating_add(TICK).unwrap_or(Timestamp::MAX);
    let end = FeedPartition::next_hour(first).saturating_sub(TICK).unwrap_or(Timestamp::MAX).min(until);
    let mut limit = limit;
    loop {
        let mut through = end;
        let mut entries = Vec::new();
        for partition in FeedPartition::of_hour(first) {
            let page = feed.recorded(&partition, after, end, limit).await?;
            if page.len() >= limit
                && let Some(last) = page.last()
            {
                // More of its last millisecond may follow: that one is left for the next slice.
                through = through.min(last.recorded_at.saturating_sub(TICK).unwrap_or(Timestamp::MIN));
            }
            entries.extend(page);
        }
        if through > after || through >= end {
            entries.retain(|entry| entry.recorded_at <= through);
            entries.sort_by_key(|entry| entry.recorded_at);
            return Ok(Slice { entries, through });
        }
        limit = limit.saturating_mul(4);
    }
}
