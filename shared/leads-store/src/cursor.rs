//! How far each buyer's effects are settled.

use std::collections::{BTreeMap, BTreeSet};

use domain::{BuyerId, LeadId, Sequence};
use jiff::Timestamp;

use super::{AddressDigest, LeadTold, LeadsUnavailable, Outcome};

/// How far a buyer's effects are settled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The last sequence number whose effects are settled.
    pub through: Sequence,
    /// Set while pending effects must be tried again later.
    pub behind: Option<Behind>,
    /// Addresses that no mail goes to any more: it bounced for good, or the buyer complained.
    pub stopped: BTreeSet<AddressDigest>,
    /// Whether the table says that events are held: beside the cursor lies [`Held`].
    pub holds: bool,
}

/// Events of a buyer wait for earlier ones that have not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Where the oldest of them stands in the stream.
    pub sequence: Sequence,
    /// When that was recorded.
    pub since: Timestamp,
    /// When to look whether it still waits.
    pub due: Timestamp,
}

/// What was found held at the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldAtHead {
    /// The oldest of it; `None` if nothing is held.
    pub oldest: Option<Held>,
    /// Whether the cursor said so when it was read. Then nothing is written, if it still does.
    pub is_known: bool,
}

/// The mark of a buyer whose pending effects must be tried again later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Names this mark: only who read it clears it, so a newer mark survives.
    pub mark: String,
    /// Why, without anything personal.
    pub reason: String,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// When to try again.
    pub not_before: Timestamp,
}

/// How far an advance came: written all at once or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Where the cursor was read.
    pub from: Sequence,
    /// The cursor moves here.
    pub through: Sequence,
    /// What was told of each lead on the way.
    pub leads: BTreeMap<LeadId, LeadTold>,
    /// How effects were settled, where it was not plainly *sent*.
    pub settled: BTreeMap<Sequence, BTreeMap<String, Outcome>>,
    /// What is held at the head; `None` where this does not come from a look at the head.
    pub held: Option<HeldAtHead>,
}

impl Progress {
    /// How many items it touches besides the cursor.
    #[must_use]
    pub fn items(&self) -> usize {
        self.leads.len() + self.settled.len() + usize::from(self.tells_of_held())
    }

    /// Whether it says something new of what is held.
    #[must_use]
    pub fn tells_of_held(&self) -> bool {
        self.held.as_ref().is_some_and(|held| !held.is_known)
    }

    /// Adds what came after.
    pub fn extend(&mut self, later: Self) {
        self.through = later.through;
        for (lead, told) in later.leads {
            self.leads.entry(lead).or_default().merge(told);
        }
        self.settled.extend(later.settled);
    }
}

/// How moving the cursor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It is where it should be.
    Done,
    /// Another worker had moved it at least as far; nothing was written.
    Overtaken,
}

/// "A single operation can retrieve up to 16 MB of data, which can contain as many as 100 items." Source: Amazon DynamoDB
/// API Reference, `BatchGetItem`.
pub const CURSORS_AT_ONCE: usize = 100;

/// How far each buyer's effects are settled.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Cursors {
    /// The buyer's cursor, read consistently. A buyer never heard of has one at the start.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn cursor(&self, buyer: &BuyerId) -> Result<Cursor, LeadsUnavailable>;

    /// The cursors of up to [`CURSORS_AT_ONCE`] different buyers, read consistently in one request, in no order.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn cursors(&self, buyers: &[BuyerId]) -> Result<BTreeMap<BuyerId, Cursor>, LeadsUnavailable>;

    /// Moves the cursor forward and writes what was told on the way, in one transaction: so no late worker can revive a
    /// closed lead. Clears the mark of this name, and no other. Where `progress` does not move, only the mark is cleared, and
    /// what is held is written if the cursor is still there: whoever moved it has seen more.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn move_cursor(
        &self,
        buyer: &BuyerId,
        progress: &Progress,
        mark_to_clear: Option<&str>,
    ) -> Result<Moved, LeadsUnavailable>;

    /// Marks the buyer as behind, over any older mark.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn mark_behind(&self, buyer: &BuyerId, behind: &Behind) -> Result<(), LeadsUnavailable>;
}
