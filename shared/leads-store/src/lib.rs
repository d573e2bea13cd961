//! The leads table: cursors, announced leads, the e-mail ledger, open work, and how effects were settled.

mod cursor;
mod dynamo;
mod lead_change;
mod ledger;
mod memory;
mod receipts;
mod work;

use std::error::Error;

pub use cursor::{Behind, CURSORS_AT_ONCE, Cursor, Cursors, Held, HeldAtHead, Moved, Progress};
pub use dynamo::{About, DynamoLeads, DynamoReceipts, FoundEmails, KnownLead, OpenLead, Scanned};
pub use lead_change::{Closing, LeadChange, Opening, Outcome};
use ledger::is_claimable;
pub use ledger::{AddressDigest, Claim, Claimed, Ledger, LedgerEntry, Settled, Status, Taking, Verdict};
pub use memory::{MemoryLeads, Tables};
pub use receipts::{ReceiptOutcome, ReceiptRecord, Receipts};
pub use work::{
    Again, Lease, Open, OpenWork, Sweeps, Walked, Work, WorkCount, WorkKind, WorkPage, WorkPlace, WorkShard,
};

/// The leads table could not complete an operation. A write may have happened.
#[derive(Debug, thiserror::Error)]
#[error("the leads table did not answer {operation} for {buyer}")]
pub struct LeadsUnavailable {
    /// The operation that failed.
    pub operation: &'static str,
    /// The buyer concerned, or a placeholder if the operation concerns none or all.
    pub buyer: String,
    /// The cause.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}
