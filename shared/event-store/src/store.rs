use std::error::Error;

use contract::stored::{StoredCommit, Undecodable};
use domain::{BuyerId, Sequence};

/// What is recorded, for those who only read.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Commits {
    /// Up to `limit` commits, newest first, whose first sequence number is before `before`. Consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn page(&self, buyer: &BuyerId, before: Option<Sequence>, limit: usize)
    -> Result<Page, StoreError>;
}

/// Where streams lie, for those who append. Two operations; everything else is made of them.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait EventStore: Commits {
    /// Puts a commit at its key if nothing is there: the one write of an append.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it may or may not have been written. Load, and find out.
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError>;
}

/// Taking out of commits what is personal.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Clearing {
    /// Writes the facts of a commit that is there as they are in this one, and takes its snapshot out. All else stays. Nothing
    /// happens where there is no such commit.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it may or may not be written. Do it again.
    async fn clear(&self, cleared: &StoredCommit) -> Result<(), StoreError>;
}

/// How an append ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// It is recorded.
    Written,
    /// Another writer was there first; this is what it wrote. It may be our own put, whose answer was lost.
    Conflict(Box<StoredCommit>),
}

/// Some commits of a stream, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The commits, newest first.
    pub commits: Vec<StoredCommit>,
    /// Whether older ones may follow.
    pub has_more: bool,
}

/// Why a stream could not be read or written, by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Throttled, timed out, unreachable: try again later. A write may have happened.
    #[error("the streams table did not answer {operation} for {buyer}")]
    Unavailable {
        /// What was asked.
        operation: &'static str,
        /// Of which stream.
        buyer: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// It does not fit one item of the table.
    #[error("what is to be recorded of {buyer} takes {bytes} bytes, which one item cannot hold")]
    TooLarge {
        /// Of which stream.
        buyer: String,
        /// Its size.
        bytes: usize,
    },
    /// What is stored cannot be read by this version. Nothing of this buyer goes on until a person looks.
    #[error("the stream cannot be read")]
    Undecodable(#[source] Undecodable),
}
