use contract::stored::StoredCommit;
use domain::{BuyerId, Sequence};

use crate::{Appended, Commits, EventStore, Page, StoreError};
use platform::clock::{CALL_TIME, Clock, Deadline};

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
