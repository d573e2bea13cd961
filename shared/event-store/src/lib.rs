//! The event store: one stream per buyer, in commits that are written once. The key serves as the lock: an append is
//! one conditional put at the next sequence, and a writer that loses the race receives the commit that the winner
//! wrote.
//!
//! The rules of reading and appending are implemented once. [`Commits`] and [`EventStore`] contain only the operations
//! that differ between DynamoDB and memory.

mod append;
mod dynamo;
mod feed;
mod load;
mod memory;
mod operators;
mod store;

pub use append::{Appending, LARGEST_ITEM};
pub use dynamo::{CommitKey, DynamoStreams, KeysPage, KeysPlace};
pub use feed::{Feed, FeedEntry, FeedPartition, Slice, slice};
pub use load::{Head, Tail, history, load, oldest_held, stored_history, tail_after};
pub use memory::MemoryStreams;
pub use operators::{NotErased, erase, go_live, handed_over, migrated, reset, void};
pub use store::{Appended, Clearing, Commits, EventStore, Page, StoreError, WithinDeadline};
