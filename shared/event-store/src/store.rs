use std::error::Error;

use contract::stored::{StoredCommit, Undecodable};
use domain::{BuyerId, Sequence};
use platform::clock::{CALL_TIME, Clock, Deadline};

/// Read access to the recorded commits.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Commits {
    /// Up to `limit` commits, newest first, whose first sequence is less than `before`. The read is strongly
    /// consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn page(&self, buyer: &BuyerId, before: Option<Sequence>, limit: usize)
    -> Result<Page, StoreError>;
}

/// A store that can also append. All other operations are built from `page` and `append`.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait EventStore: Commits {
    /// Writes a commit if its key is free. This is the only write of an append.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the commit may or may not have been written. Load the stream to find out.
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError>;
}

/// Removal of personal data from commits.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Clearing {
    /// Replaces the facts of the stored commit by those of `cleared`, and removes its snapshot. Nothing else changes.
    /// If the commit does not exist, nothing happens.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the change may or may not have been written. Repeat the call.
    async fn clear(&self, cleared: &StoredCommit) -> Result<(), StoreError>;
}

/// The outcome of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// The commit is recorded.
    Written,
    /// The place was taken by the enclosed commit. It may be our own earlier put, whose answer was lost.
    Conflict(Box<StoredCommit>),
}

/// A page of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The commits, newest first.
    pub commits: Vec<StoredCommit>,
    /// Whether older commits may follow.
    pub has_more: bool,
}

/// The reason why a stream could not be read or written. The variants differ in what the caller does.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The table throttled the request, timed out, could not be reached, or too little time was left to ask. Retry
    /// later. A write may have happened.
    #[error("the streams table did not answer {operation} for {buyer}")]
    Unavailable {
        /// The operation that failed.
        operation: &'static str,
        /// The buyer to whose stream the operation belongs.
        buyer: String,
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The commit does not fit into one item of the table.
    #[error("the commit for {buyer} has {bytes} bytes and does not fit into one item")]
    TooLarge {
        /// The buyer to whose stream the commit belongs.
        buyer: String,
        /// The size of the commit in bytes.
        bytes: usize,
    },
    /// This version of the software cannot read a stored commit. The buyer's work stops until an operator intervenes.
    #[error("the stream cannot be read")]
    Undecodable(#[source] Undecodable),
}

/// A store that refuses calls that could outlive the invocation. Each page of a long stream is checked separately.
#[derive(Debug)]
pub struct WithinDeadline<'a, S, W> {
    /// The store.
    pub store: &'a S,
    /// The end of the invocation.
    pub deadline: Deadline,
    /// The clock.
    pub clock: &'a W,
}

impl<S, W: Clock> WithinDeadline<'_, S, W> {
    fn check(&self, operation: &'static str, buyer: &str) -> Result<(), StoreError> {
        self.deadline.leaves(CALL_TIME, self.clock).map_err(|source| StoreError::Unavailable {
            operation,
            buyer: buyer.to_owned(),
            source: Box::new(source),
        })
    }
}

impl<S: Commits, W: Clock> Commits for WithinDeadline<'_, S, W> {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.check("page", buyer.as_str())?;
        self.store.page(buyer, before, limit).await
    }
}

impl<S: EventStore, W: Clock> EventStore for WithinDeadline<'_, S, W> {
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError> {
        self.check("append", &commit.buyer)?;
        self.store.append(commit).await
    }
}
