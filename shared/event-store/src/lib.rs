//! Streams: one per buyer, in commits that are written once. The key is the lock: an append is one conditional put at
//! the next sequence number, and whoever comes second is told what lies there.
//!
//! The rules of reading and appending are here once; [`Commits`] and [`EventStore`] are only what differs between DynamoDB
//! and memory.

mod append;
mod dynamo;
mod feed;
mod head;
mod in_time;
mod load;
mod memory;
mod operate;
mod store;

pub use append::{Appending, LARGEST_ITEM};
pub use dynamo::{CommitKey, DynamoStreams, KeysPage, KeysPlace};
pub use feed::{Feed, FeedEntry, FeedPartition, Slice, slice};
pub use head::{Head, Tail};
pub use in_time::InTime;
pub use load::{history, load, tail_after};
pub use memory::MemoryStreams;
pub use operate::{
    NotErased, NotReset, NotVoided, erase, go_live, handed_over, migrated, not_reset, reset, void,
};
pub use platform::clock::NEEDED;
pub use store::{Appended, Clearing, Commits, EventStore, Page, StoreError};
