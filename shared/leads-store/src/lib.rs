//! The leads table: what the world was told. Cursors, leads, the e-mail ledger, and how effects were settled.

mod cursor;
mod dynamo;
mod ledger;
mod memory;
mod receipts;
mod told;
mod work;

use std::error::Error;

pub use cursor::{Behind, CURSORS_AT_ONCE, Cursor, Cursors, Held, HeldAtHead, Moved, Progress};
pub use dynamo::{About, DynamoLeads, DynamoReceipts, FoundEmails, KnownLead, OpenLead, Scanned};
use ledger::is_claimable;
pub use ledger::{AddressDigest, Claim, Claimed, Ledger, LedgerEntry, Settled, Status, Taking, Verdict};
pub use memory::{MemoryLeads, Tables};
pub use receipts::{Heard, Learned, Receipts};
pub use told::{Closing, LeadTold, Opening, Outcome};
pub use work::{
    Again, Lease, Open, OpenWork, Sweeps, Walked, Work, WorkCount, WorkKind, WorkPage, WorkPlace, WorkShard,
};

/// The leads table did not answer. A write may have happened.
#[derive(Debug, thiserror::Error)]
#[error("the leads table did not answer {operation} for {buyer}")]
pub struct LeadsUnavailable {
    /// What was asked.
    pub operation: &'static str,
    /// Of whom.
    pub buyer: String,
    /// Why.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}
