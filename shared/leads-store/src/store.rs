//! What the leads table can do, for those who perform effects, and the error of all its operations.

use std::collections::BTreeMap;
use std::error::Error;

use domain::BuyerId;
use jiff::Timestamp;

use crate::cursor::{Behind, Cursor, Moved, Progress};
use crate::ledger::{Claim, Claimed, Settled, Verdict};
use crate::pauses::Pauses;
use crate::work::{Lease, Walked, WorkCount, WorkPage, WorkPlace, WorkShard};

/// The leads table, for those who perform effects. Its operations are in five groups:
///
/// - **Cursors**, how far each buyer's effects are settled: [`cursor`](Self::cursor), [`cursors`](Self::cursors),
///   [`move_cursor`](Self::move_cursor), [`mark_behind`](Self::mark_behind).
/// - **The e-mail ledger**, with at most one attempt at a time, and at most one e-mail per effect id:
///   [`claim`](Self::claim), [`settle`](Self::settle).
/// - **Open work** for the sweeper: [`due`](Self::due), [`count`](Self::count), [`postpone`](Self::postpone).
/// - **The sweeper's own item**, with its lease and how far it has walked: [`begin`](Self::begin),
///   [`set_walked`](Self::set_walked), [`end`](Self::end).
/// - **Pauses** by operators: [`pauses`](Self::pauses).
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait LeadsStore {
    /// The buyer's cursor, in a strongly consistent read. An unknown buyer has a cursor at the start.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn cursor(&self, buyer: &BuyerId) -> Result<Cursor, LeadsUnavailable>;

    /// The cursors of up to [`CURSORS_AT_ONCE`] different buyers, in one strongly consistent request.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn cursors(&self, buyers: &[BuyerId]) -> Result<BTreeMap<BuyerId, Cursor>, LeadsUnavailable>;

    /// Moves the cursor forward and writes the rest of the progress on the same condition, so that a late worker cannot
    /// reopen a closed lead. Clears the mark with the given name, and no other.
    ///
    /// If `progress` does not move the cursor, only the mark is cleared, and what is held is written if the cursor is
    /// still at the same place: a worker that moved it has seen a later head.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn move_cursor(
        &self,
        buyer: &BuyerId,
        progress: &Progress,
        mark_to_clear: Option<&str>,
    ) -> Result<Moved, LeadsUnavailable>;

    /// Marks the buyer as behind, replacing any older mark.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn mark_behind(&self, buyer: &BuyerId, behind: &Behind) -> Result<(), LeadsUnavailable>;

    /// Claims an e-mail, in one transaction with the check that nothing was recorded after the head.
    ///
    /// An e-mail can be claimed if it has no entry; if its entry is `superseded`, `rejected` for another address, or
    /// `abandoned`, certainly never sent and called for at an earlier sequence; or if its entry is the `retry` that the
    /// sweeper found. A repeated claim with the same nonce succeeds, as after a lost answer.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn claim(&self, claim: &Claim) -> Result<Claimed, LeadsUnavailable>;

    /// Changes the status of an entry whose nonce and status match the verdict. If the verdict judges a head, the
    /// change is one transaction with the check that nothing was recorded after the head.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn settle(
        &self,
        buyer: &BuyerId,
        key: &str,
        verdict: &Verdict,
    ) -> Result<Settled, LeadsUnavailable>;

    /// Up to `limit` items of a shard that are due by `until`, longest due first, starting after the place `after`. The
    /// read is eventually consistent: an item that it misses is found by the next sweep.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn due(
        &self,
        shard: WorkShard,
        until: Timestamp,
        after: Option<&WorkPlace>,
        limit: usize,
    ) -> Result<WorkPage, LeadsUnavailable>;

    /// Counts the items in a shard, due or not, starting after the place `after`, as far as one request reaches. The
    /// read is eventually consistent.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn count(&self, shard: WorkShard, after: Option<&WorkPlace>)
    -> Result<WorkCount, LeadsUnavailable>;

    /// Postpones an unreadable item, so that it does not delay others. The item must still be due at the found time.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn postpone(&self, place: &WorkPlace, until: Timestamp) -> Result<(), LeadsUnavailable>;

    /// Takes the lease. Returns `None` if another sweep has it, otherwise how far the sweeper has walked, which is
    /// `Some(None)` before the first walk.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn begin(&self, lease: &Lease) -> Result<Option<Option<Walked>>, LeadsUnavailable>;

    /// Records how far the sweeper has walked. No position moves back.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn set_walked(&self, walked: Walked) -> Result<(), LeadsUnavailable>;

    /// Releases the lease, unless another sweep has taken it since.
    ///
    /// # Errors
    /// [`LeadsUnavailable`]: the lease expires by itself.
    async fn end(&self, lease: &Lease) -> Result<(), LeadsUnavailable>;

    /// What operators have paused, in a strongly consistent read.
    ///
    /// # Errors
    /// [`LeadsUnavailable`], also if the item cannot be read: no effect may be performed then.
    async fn pauses(&self) -> Result<Pauses, LeadsUnavailable>;
}

/// The leads table could not complete an operation. A write may have happened.
#[derive(Debug, thiserror::Error)]
#[error("the leads table did not answer {operation} for {buyer}")]
pub struct LeadsUnavailable {
    /// The operation that failed.
    pub operation: &'static str,
    /// The buyer concerned, or a placeholder if the operation concerns none or all.
    pub buyer: String,
    /// The cause.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}
