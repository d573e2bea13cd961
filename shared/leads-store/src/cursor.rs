//! Cursors: how far each buyer's effects are settled.

use std::collections::{BTreeMap, BTreeSet};

use domain::{BuyerId, LeadId, Sequence};
use jiff::Timestamp;

use super::{AddressDigest, LeadChange, LeadsUnavailable, Outcome};

/// A buyer's cursor: how far its effects are settled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The last sequence whose effects are settled.
    pub through: Sequence,
    /// The mark of a buyer that is behind; `None` if no retry is scheduled.
    pub behind: Option<Behind>,
    /// Addresses that get no more e-mail, because one bounced permanently or the recipient complained.
    pub stopped: BTreeSet<AddressDigest>,
    /// Whether the table records that events are held, in an item [`Held`] beside the cursor.
    pub holds: bool,
}

/// The oldest held event of a buyer, which waits for an earlier event that has not arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The sequence at which the oldest held event is recorded.
    pub sequence: Sequence,
    /// When that event was recorded.
    pub since: Timestamp,
    /// When the sweeper should check again whether it still waits.
    pub due: Timestamp,
}

/// What an advance found held at the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldAtHead {
    /// The oldest held event, or `None` if nothing is held.
    pub oldest: Option<Held>,
    /// Whether the cursor already agreed when it was read. In that case nothing is written, provided it still agrees.
    pub is_known: bool,
}

/// The mark of a buyer that is behind: its pending effects must be retried later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The name of this mark. A worker clears only the mark that it read, so a newer mark survives.
    pub mark: String,
    /// Why the buyer is behind, without personal data.
    pub reason: String,
    /// The number of failed attempts.
    pub attempts: u32,
    /// The earliest time of the next attempt.
    pub not_before: Timestamp,
}

/// The progress of an advance. A cursor moves together with all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Where the cursor was when it was read.
    pub from: Sequence,
    /// Where the cursor moves to.
    pub through: Sequence,
    /// The changes of leads that were announced on the way.
    pub leads: BTreeMap<LeadId, LeadChange>,
    /// The outcomes of effects by sequence and effect key, for outcomes that are written ([`Outcome::is_written`]).
    pub settled: BTreeMap<Sequence, BTreeMap<String, Outcome>>,
    /// What is held at the head; `None` if the progress does not come from reading the head.
    pub held: Option<HeldAtHead>,
}

impl Progress {
    /// The number of items that it writes besides the cursor.
    #[must_use]
    pub fn items(&self) -> usize {
        self.leads.len() + self.settled.len() + usize::from(self.reports_held())
    }

    /// Whether it reports a change in what is held.
    #[must_use]
    pub fn reports_held(&self) -> bool {
        self.held.as_ref().is_some_and(|held| !held.is_known)
    }

    /// Appends the progress that followed.
    pub fn extend(&mut self, later: Self) {
        self.through = later.through;
        for (lead, change) in later.leads {
            self.leads.entry(lead).or_default().merge(change);
        }
        self.settled.extend(later.settled);
    }
}

/// The outcome of moving a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// The cursor is where it should be.
    Done,
    /// Another worker had already moved the cursor at least as far. Nothing was written.
    Overtaken,
}

/// "A single operation can retrieve up to 16 MB of data, which can contain as many as 100 items." Source: Amazon
/// DynamoDB API Reference, `BatchGetItem`.
pub const CURSORS_AT_ONCE: usize = 100;

/// Access to the cursors.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Cursors {
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
}
