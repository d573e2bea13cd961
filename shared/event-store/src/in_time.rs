use contract::stored::StoredCommit;
use domain::{BuyerId, Sequence};

use crate::{Appended, Commits, EventStore, Page, StoreError};
use platform::clock::{Clock, Deadline, NEEDED};

/// A store of which nothing is asked that cannot end before the deadline: each page of a long stream counts.
#[derive(Debug)]
pub struct InTime<'a, S, W> {
    /// The store.
    pub store: &'a S,
    /// When the invocation ends.
    pub deadline: Deadline,
    /// The clock.
    pub clock: &'a W,
}

impl<S, W: Clock> InTime<'_, S, W> {
    fn check(&self, operation: &'static str, buyer: &str) -> Result<(), StoreError> {
        self.deadline.leaves(NEEDED, self.clock).map_err(|source| StoreError::Unavailable {
            operation,
            buyer: buyer.to_owned(),
            source: Box::new(source),
        })
    }
}

impl<S: Commits, W: Clock> Commits for InTime<'_, S, W> {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.check("a page", buyer.as_str())?;
        self.store.page(buyer, before, limit).await
    }
}

impl<S: EventStore, W: Clock> EventStore for InTime<'_, S, W> {
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError> {
        self.check("an append", &commit.buyer)?;
        self.store.append(commit).await
    }
}
