//! Open work for the sweeper, and how far the sweeper has walked the index `feed`.

use contract::stored::written;
use domain::BuyerId;
use jiff::Timestamp;

use crate::cursor::Held;
use crate::ledger::LedgerEntry;

/// The number of shards per kind in the index `open-work`.
pub(super) const WORK_SHARDS: u8 = 4;

/// A kind of open work. Each kind has its own partitions in the index, so that one kind's backlog does not delay
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkKind {
    /// An e-mail whose ledger entry is open.
    Email,
    /// A buyer that is behind.
    Behind,
    /// Held events.
    Held,
}

impl WorkKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Email, Self::Behind, Self::Held];

    /// The name of the kind in the index, in metrics and in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Behind => "behind",
            Self::Held => "held",
        }
    }

    /// All shards of this kind.
    pub fn shards(self) -> impl Iterator<Item = WorkShard> {
        (0..WORK_SHARDS).map(move |shard| WorkShard { kind: self, shard })
    }
}

/// One partition of the index `open-work`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkShard {
    /// The kind of work in it.
    pub kind: WorkKind,
    /// The number of the partition within the kind, from 0.
    pub shard: u8,
}

/// An item of open work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenWork {
    /// The buyer concerned.
    pub buyer: BuyerId,
    /// When the item is due.
    pub due: Timestamp,
    /// What is open.
    pub what: Open,
}

impl OpenWork {
    /// The item's place in the index.
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

/// The kinds of open work with their details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Open {
    /// The buyer is behind.
    Behind,
    /// The ledger entry of an e-mail is open.
    Email {
        /// The effect key of the e-mail.
        key: String,
        /// The entry as it was found.
        entry: Box<LedgerEntry>,
    },
    /// Events are held.
    Held(Held),
}

/// The place of an item in the index `open-work`. It is taken from the item's raw attributes, so that an unreadable
/// item has one too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkPlace {
    /// The attribute `due`.
    pub due: String,
    /// The attribute `buyer`.
    pub buyer: String,
    /// The attribute `kind`, which is the sort key of the table.
    pub kind: String,
}

/// A page of due work, longest due first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkPage {
    /// The items. An unreadable item is represented by its place.
    pub items: Vec<Result<OpenWork, WorkPlace>>,
    /// The start of the next page, or `None` after the last one.
    pub next: Option<WorkPlace>,
}

/// A partial count of open work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkCount {
    /// The number of items counted.
    pub count: u64,
    /// Where counting continues, or `None` if everything is counted.
    pub next: Option<WorkPlace>,
}

/// How far the sweeper has walked the index `feed`. The first walk follows the newest commits. Once an hour, a second
/// walk covers the preceding hours again, to find commits that reached the index late or that a slow clock wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// The end of the first walk: the effects of every commit recorded up to here, by the recorder's clock, are
    /// settled, or the buyer is marked behind.
    pub through: Timestamp,
    /// When the last complete second walk began.
    pub again_at: Timestamp,
    /// The second walk that is in progress, if it began after `again_at`.
    pub again: Again,
}

/// The progress of a second walk. A walk that began later counts as further, however far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Again {
    /// When the walk began.
    pub began: Timestamp,
    /// How far the walk has come.
    pub through: Timestamp,
}

impl Walked {
    /// Both walks completed up to this moment.
    #[must_use]
    pub const fn to(moment: Timestamp) -> Self {
        Self { through: moment, again_at: moment, again: Again { began: moment, through: moment } }
    }

    /// The further of two positions, for each field separately. No position ever moves back.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            through: self.through.max(other.through),
            again_at: self.again_at.max(other.again_at),
            again: self.again.max(other.again),
        }
    }
}

/// The sweeper's lease. It allows one sweep at a time, so that e-mails are paced in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The nonce of the sweep.
    pub nonce: String,
    /// When the lease expires. The sweep has certainly ended by then.
    pub until: Timestamp,
    /// The current time.
    pub now: Timestamp,
}
