//! The leads table: cursors, announced leads, the e-mail ledger, open work, and how effects were settled.

mod cursor;
mod dynamo;
mod ledger;
mod memory;
mod pauses;
mod receipts;
mod store;
mod work;

pub use cursor::{
    Behind, CURSORS_AT_ONCE, Closing, Cursor, Held, HeldAtHead, LeadChange, Moved, Opening, Outcome, Progress,
};
pub use dynamo::{
    About, DynamoLeads, DynamoReceipts, FoundEmails, KnownLead, LeadLook, OpenLead, Scanned, SeenWork,
    WorkLook,
};
pub use ledger::{
    AddressDigest, Claim, Claimed, LedgerEntry, ReceiptRecord, Settled, Status, Taking, Verdict,
};
pub use memory::{MemoryLeads, Tables};
pub use pauses::{Pausable, Pause, Pauses, Span};
pub use receipts::{ReceiptOutcome, Receipts};
pub use store::{LeadsStore, LeadsUnavailable};
pub use work::{Again, Lease, Open, OpenWork, Walked, WorkCount, WorkKind, WorkPage, WorkPlace, WorkShard};
