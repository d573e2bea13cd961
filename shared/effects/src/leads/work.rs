//! What is left to be done, and how far the sweeper came.

use domain::BuyerId;
use jiff::Timestamp;

use super::{Held, LeadsUnavailable, LedgerEntry, Status};

/// Something that must be looked at again, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenWork {
    /// Whose.
    pub buyer: BuyerId,
    /// Since when it is due.
    pub due: Timestamp,
    /// What.
    pub what: Open,
}

/// What can be open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Open {
    /// The buyer is behind.
    Behind,
    /// An e-mail is not settled for good.
    Email {
        /// The effect's key.
        key: String,
        /// Its entry as it was found.
        entry: Box<LedgerEntry>,
    },
    /// Events wait for earlier ones.
    Held(Held),
}

/// How far the sweeper has walked the index of effectful commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// Every commit recorded up to here, by its recorder's clock, is settled or its buyer marked behind.
    pub through: Timestamp,
    /// When the last whole second walk began, which looks further back for what came late.
    pub again_at: Timestamp,
    /// The second walk that is under way if it began after that.
    pub again: Again,
}

/// A second walk: a later one is further, however far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Again {
    /// When it began.
    pub began: Timestamp,
    /// How far it has come.
    pub through: Timestamp,
}

impl Walked {
    /// Walked so far, both times.
    #[must_use]
    pub const fn to(moment: Timestamp) -> Self {
        Self { through: moment, again_at: moment, again: Again { began: moment, through: moment } }
    }

    /// Both of what is known, each as far as it goes: none goes back.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            through: self.through.max(other.through),
            again_at: self.again_at.max(other.again_at),
            again: self.again.max(other.again),
        }
    }
}

/// What is left to be done, and how far the sweeper came.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Work {
    /// Up to `limit` items of each shard that are due, longest due first. Not consistent: a late one is found next time.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn open_work(&self, now: Timestamp, limit: usize) -> Result<Vec<OpenWork>, LeadsUnavailable>;

    /// Gives up on an e-mail that is not being sent: if the nonce and the status are still those found. `false` if not.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn close(
        &self,
        buyer: &BuyerId,
        key: &str,
        found: &LedgerEntry,
        status: Status,
        now: Timestamp,
    ) -> Result<bool, LeadsUnavailable>;

    /// How far the sweeper has walked; `None` before its first walk.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn walked(&self) -> Result<Option<Walked>, LeadsUnavailable>;

    /// Writes down how far the sweeper has walked; never back.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn set_walked(&self, walked: Walked) -> Result<(), LeadsUnavailable>;
}
