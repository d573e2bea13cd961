//! The event store in memory and in DynamoDB behind one type.

use contract::stored::StoredCommit;
use domain::{BuyerId, Sequence};
use event_store::{Appended, Clearing, Commits, DynamoStreams, EventStore, MemoryStreams, Page, StoreError};

use crate::story::Story;
use crate::table::{Table, streams_at};

pub(crate) enum Streams {
    Memory(MemoryStreams),
    Dynamo(DynamoStreams, Table),
}

/// Runs a rule against both stores. The last line that the test printed names the store that broke it.
pub(crate) async fn in_both(rule: impl AsyncFn(&Streams)) {
    eprintln!("in memory");
    rule(&Streams::Memory(MemoryStreams::default())).await;
    eprintln!("in DynamoDB");
    let table = Table::start().await;
    rule(&Streams::Dynamo(streams_at(&table.url), table)).await;
}

impl Streams {
    /// Stores a long stream quickly, without the code under test; [`Story::record`] appends it properly.
    pub(crate) async fn lay(&self, story: Story) -> Story {
        match self {
            Self::Memory(streams) => story.record(streams).await,
            Self::Dynamo(_, table) => {
                table.lay(&story.commits);
                story
            }
        }
    }
}

impl Commits for Streams {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        match self {
            Self::Memory(streams) => streams.page(buyer, before, limit).await,
            Self::Dynamo(streams, _) => streams.page(buyer, before, limit).await,
        }
    }
}

impl EventStore for Streams {
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError> {
        match self {
            Self::Memory(streams) => streams.append(commit).await,
            Self::Dynamo(streams, _) => streams.append(commit).await,
        }
    }
}

impl Clearing for Streams {
    async fn clear(&self, cleared: &StoredCommit) -> Result<(), StoreError> {
        match self {
            Self::Memory(streams) => streams.clear(cleared).await,
            Self::Dynamo(streams, _) => streams.clear(cleared).await,
        }
    }
}
