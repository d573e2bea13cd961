//! The index `feed`: commits that call for effects or leave events held, ordered by the time of recording. The sweeper
//! uses it to find work whose doorbell was lost.

use contract::stored;
use domain::{BuyerId, Sequence};
use jiff::{SignedDuration, Timestamp};

use crate::StoreError;

/// The number of partitions per hour, chosen so that the index never throttles an append.
const SHARDS: u8 = 8;

/// One partition of the index: an hour of recording and a shard of buyers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPartition(pub(crate) String);

impl FeedPartition {
    /// The partition of the index `feed` for a commit of this buyer that was recorded at this time.
    #[must_use]
    pub fn of(buyer: &BuyerId, recorded_at: Timestamp) -> Self {
        Self::numbered(recorded_at, stored::shard_of(buyer, SHARDS))
    }

    fn numbered(moment: Timestamp, shard: u8) -> Self {
        let text = stored::written(moment);
        let hour = text.get(..13).unwrap_or(&text);
        Self(format!("{hour}#{shard}"))
    }

    /// All partitions of the hour that contains this moment.
    #[must_use]
    pub fn of_hour(moment: Timestamp) -> Vec<Self> {
        (0..SHARDS).map(|shard| Self::numbered(moment, shard)).collect()
    }

    /// The start of the hour after the one that contains this moment.
    #[must_use]
    pub fn next_hour(moment: Timestamp) -> Timestamp {
        const HOUR: i64 = 3600;
        let next = (moment.as_second().div_euclid(HOUR) + 1) * HOUR;
        Timestamp::from_second(next).unwrap_or(Timestamp::MAX)
    }

    /// The partition's key in the index.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0
    }
}

/// An entry of the index: the key of a commit and the time of its recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEntry {
    /// The buyer to whose stream the commit belongs.
    pub buyer: BuyerId,
    /// The sequence of its first fact.
    pub sequence: Sequence,
    /// When the commit was recorded, by the recorder's clock.
    pub recorded_at: Timestamp,
}

impl FeedEntry {
    /// The index entry of a commit, or `None` if the commit is not in the index.
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

/// The index of commits that call for effects or leave events held.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Feed {
    /// Up to `limit` commits of a partition that were recorded after `after` and up to `until`, oldest first. The read
    /// is eventually consistent, because an index lags slightly behind its table.
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

/// A contiguous part of the index within one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The entries, oldest first.
    pub entries: Vec<FeedEntry>,
    /// The end of the slice: every entry recorded after `after` and up to this moment is included.
    pub through: Timestamp,
}

/// Reads the slice that follows `after`. It ends at `until`, at the end of the hour, or after about `limit` commits of
/// each partition, whichever comes first.
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
    // `after` itself was read before. The slice begins a tick later, which may be in the next hour.
    let first = after.saturating_add(TICK).unwrap_or(Timestamp::MAX);
    let end = FeedPartition::next_hour(first).saturating_sub(TICK).unwrap_or(Timestamp::MAX).min(until);
    // Recorded times have milliseconds. If none is between the two, there is nothing to ask for, and DynamoDB refuses a
    // BETWEEN whose upper bound is below its lower one ("ValidationException" of `Query`; seen by `leads tail`).
    if first.as_millisecond() > until.as_millisecond() {
        return Ok(Slice { entries: Vec::new(), through: until.max(after) });
    }
    let mut limit = limit;
    loop {
        let mut through = end;
        let mut entries = Vec::new();
        for partition in FeedPartition::of_hour(first) {
            let page = feed.recorded(&partition, after, end, limit).await?;
            if page.len() >= limit
                && let Some(last) = page.last()
            {
                // More entries of the last millisecond may follow, so that millisecond is left for the next slice.
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
