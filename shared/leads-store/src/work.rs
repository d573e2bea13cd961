//! Open work: what the sweeper must look at again, and how far it has walked.

use contract::stored::written;
use domain::BuyerId;
use jiff::Timestamp;

use super::{Held, LeadsUnavailable, LedgerEntry};

/// How many shards the index of open work has for each kind.
pub(super) const WORK_SHARDS: u8 = 4;

/// A kind of open work. Each has partitions of its own in the index, so that none hides behind another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkKind {
    /// An e-mail that is not closed.
    Email,
    /// A buyer that is behind.
    Behind,
    /// Events that wait for earlier ones.
    Held,
}

impl WorkKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Email, Self::Behind, Self::Held];

    /// The word for it in the index, in metrics and in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Behind => "behind",
            Self::Held => "held",
        }
    }

    /// All of its shards.
    pub fn shards(self) -> impl Iterator<Item = WorkShard> {
        (0..WORK_SHARDS).map(move |shard| WorkShard { kind: self, shard })
    }
}

/// One partition of the index of open work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkShard {
    /// What is in it.
    pub kind: WorkKind,
    /// Which of the kind's partitions, from 0.
    pub shard: u8,
}

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

impl OpenWork {
    /// Where it stands in the index.
    #[must_use]
    pub fn place(&self) -> WorkPlace {
        let kind = match &self.what {
            Open::Behind => "cursor".to_owned(),
            Open::Email { key, .. } => format!("email/{key}"),
            Open::Held(_) => "held".to_owned(),
        };
        WorkPlace { due: written(self.due), buyer: self.buyer.to_string(), kind }
    }
}

/// What can be open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Open {
    /// The buyer is behind.
    Behind,
    /// An e-mail is not closed.
    Email {
        /// The effect's key.
        key: String,
        /// Its entry as it was found.
        entry: Box<LedgerEntry>,
    },
    /// Events wait for earlier ones.
    Held(Held),
}

/// Where an item stands in the index of open work, as its attributes say, readable or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkPlace {
    /// Its `due`.
    pub due: String,
    /// Its `buyer`.
    pub buyer: String,
    /// Its `kind`: the sort key.
    pub kind: String,
}

/// Some of the work that is due, longest due first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkPage {
    /// An item that cannot be read is given by its place.
    pub items: Vec<Result<OpenWork, WorkPlace>>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<WorkPlace>,
}

/// Some of the work that is open, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkCount {
    /// How many items.
    pub count: u64,
    /// Where the rest begins; `None` if this is all.
    pub next: Option<WorkPlace>,
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

/// Who sweeps: one sweep at a time, so that e-mails are paced in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Names the sweep.
    pub nonce: String,
    /// It is over by then, whatever becomes of it.
    pub until: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// Open work.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Work {
    /// Up to `limit` items of a shard that are due by `until`, longest due first, from after a place on. Not consistent: a
    /// late one is found next time.
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

    /// How much is open in a shard, due or not, from after a place on: as far as one request counts. Not consistent.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn count(&self, shard: WorkShard, after: Option<&WorkPlace>)
    -> Result<WorkCount, LeadsUnavailable>;

    /// Makes an item due later that cannot be read, if it is still due as it was found: others must not wait behind it.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn postpone(&self, place: &WorkPlace, until: Timestamp) -> Result<(), LeadsUnavailable>;
}

/// The sweeper's own place in the table.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Sweeps {
    /// Takes the lease, if no other sweep has it: `None` if one has. Else how far the sweeper has walked; `None` in it before
    /// the first walk.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn begin(&self, lease: &Lease) -> Result<Option<Option<Walked>>, LeadsUnavailable>;

    /// Writes down how far the sweeper has walked; never back.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    async fn set_walked(&self, walked: Walked) -> Result<(), LeadsUnavailable>;

    /// Gives the lease back, if it is still this one.
    ///
    /// # Errors
    /// [`LeadsUnavailable`]: it runs out by itself.
    async fn end(&self, lease: &Lease) -> Result<(), LeadsUnavailable>;
}
