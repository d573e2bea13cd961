//! The leads table in DynamoDB. Each operation is a function of its group.

mod about;
mod claim;
mod cursor;
mod operators;
mod pauses;
mod receipts;
mod status;
mod table;
mod work;

use std::collections::BTreeMap;

use domain::BuyerId;
use jiff::Timestamp;

use crate::cursor::{Behind, Cursor, Moved, Progress};
use crate::ledger::{Claim, Claimed, Settled, Verdict};
use crate::pauses::Pauses;
use crate::store::{LeadsStore, LeadsUnavailable};
use crate::work::{Lease, Walked, WorkCount, WorkPage, WorkPlace, WorkShard};

pub use about::{About, KnownLead};
pub use operators::{FoundEmails, LeadLook, OpenLead, Scanned};
pub use receipts::DynamoReceipts;
pub use status::{SeenWork, WorkLook};
pub use table::DynamoLeads;

impl LeadsStore for DynamoLeads {
    async fn cursor(&self, buyer: &BuyerId) -> Result<Cursor, LeadsUnavailable> {
        cursor::cursor(self, buyer).await
    }

    async fn cursors(&self, buyers: &[BuyerId]) -> Result<BTreeMap<BuyerId, Cursor>, LeadsUnavailable> {
        cursor::cursors(self, buyers).await
    }

    async fn move_cursor(
        &self,
        buyer: &BuyerId,
        progress: &Progress,
        mark_to_clear: Option<&str>,
    ) -> Result<Moved, LeadsUnavailable> {
        cursor::move_cursor(self, buyer, progress, mark_to_clear).await
    }

    async fn mark_behind(&self, buyer: &BuyerId, behind: &Behind) -> Result<(), LeadsUnavailable> {
        cursor::mark_behind(self, buyer, behind).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Claimed, LeadsUnavailable> {
        claim::claim(self, claim).await
    }

    async fn settle(
        &self,
        buyer: &BuyerId,
        key: &str,
        verdict: &Verdict,
    ) -> Result<Settled, LeadsUnavailable> {
        claim::settle(self, buyer, key, verdict).await
    }

    async fn due(
        &self,
        shard: WorkShard,
        until: Timestamp,
        after: Option<&WorkPlace>,
        limit: usize,
    ) -> Result<WorkPage, LeadsUnavailable> {
        work::due(self, shard, until, after, limit).await
    }

    async fn count(
        &self,
        shard: WorkShard,
        after: Option<&WorkPlace>,
    ) -> Result<WorkCount, LeadsUnavailable> {
        work::count(self, shard, after).await
    }

    async fn postpone(&self, place: &WorkPlace, until: Timestamp) -> Result<(), LeadsUnavailable> {
        work::postpone(self, place, until).await
    }

    async fn begin(&self, lease: &Lease) -> Result<Option<Option<Walked>>, LeadsUnavailable> {
        work::begin(self, lease).await
    }

    async fn set_walked(&self, walked: Walked) -> Result<(), LeadsUnavailable> {
        work::set_walked(self, walked).await
    }

    async fn end(&self, lease: &Lease) -> Result<(), LeadsUnavailable> {
        work::end(self, lease).await
    }

    async fn pauses(&self) -> Result<Pauses, LeadsUnavailable> {
        pauses::pauses(self).await
    }
}
