//! What an operator sees of the open work at a glance: one request for each shard, however much work is open.

use super::table::{DynamoLeads, partition, read_cursor, text, unavailable};
use super::work::{read_work, walked};
use crate::cursor::Behind;
use crate::store::LeadsUnavailable;
use crate::work::{OpenWork, Walked, WorkShard};

/// The beginning of a shard of open work, longest due first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkLook {
    /// The items that can be read.
    pub items: Vec<SeenWork>,
    /// The number of items that cannot be read.
    pub unreadable: u64,
    /// Whether the shard has more items than were read.
    pub is_cut: bool,
}

/// An item of open work, with what is stored of a buyer that is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenWork {
    /// The item.
    pub work: OpenWork,
    /// Why the buyer is behind, if it is.
    pub behind: Option<Behind>,
}

impl DynamoLeads {
    /// The first `limit` items of a shard, due or not, in one eventually consistent `Query`.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    pub async fn look_at_work(&self, shard: WorkShard, limit: u16) -> Result<WorkLook, LeadsUnavailable> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("open-work")
            .key_condition_expression("openWork = :work")
            .expression_attribute_values(":work", text(partition(shard)))
            .limit(limit.into())
            .send()
            .await
            .map_err(|error| unavailable("Query", &shard.kind.name(), error))?;
        let mut look = WorkLook { is_cut: page.last_evaluated_key().is_some(), ..WorkLook::default() };
        for item in page.items() {
            match read_work(item) {
                Some(work) => look.items.push(SeenWork { work, behind: read_cursor(item).behind }),
                None => look.unreadable += 1,
            }
        }
        Ok(look)
    }

    /// How far the sweeper has walked, in one `GetItem`; `None` before the first walk.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    pub async fn walked(&self) -> Result<Option<Walked>, LeadsUnavailable> {
        walked(self).await
    }
}
