//! The operators' queries over all buyers, and the changes that operators may make.

use std::collections::BTreeSet;
use std::fmt;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConsumedCapacity, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
};
use contract::stored::Act;
use domain::{BuyerId, LeadId, Priority, Sequence};
use jiff::Timestamp;

use super::about::{KnownLead, Unreadable, read_lead};
use super::table::{
    DynamoLeads, Item, LEAD_SHARDS, buyer_of, entry_key, if_condition_holds, key, number, open_work,
    partition, read_entry, read_text, text, time, unavailable,
};
use super::work::read_work;
use crate::cursor::Behind;
use crate::ledger::{AddressDigest, LedgerEntry, Status};
use crate::store::LeadsUnavailable;
use crate::work::{OpenWork, WorkKind};

/// The name that errors of queries over all buyers give as buyer.
const ALL_BUYERS: &str = "all buyers";

/// An open lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLead {
    /// The buyer to whom the lead belongs.
    pub buyer: BuyerId,
    /// The name of the lead.
    pub lead: LeadId,
    /// The lead as it is stored.
    pub known: KnownLead,
}

/// The open leads of a priority that have been open longest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeadLook {
    /// The leads, oldest first.
    pub oldest: Vec<OpenLead>,
    /// The number of leads that were read.
    pub seen: usize,
    /// Whether there are more leads than were read.
    pub is_cut: bool,
}

/// The cost of a scan over the whole table.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Scanned {
    /// The number of requests.
    pub pages: u64,
    /// The number of items read, including those that the filter dropped.
    pub items: u64,
    /// The read units consumed.
    pub read_units: f64,
}

/// The e-mails of one status by buyer and effect key, and the cost of the scan that found them.
pub type FoundEmails = (Vec<(BuyerId, String, LedgerEntry)>, Scanned);

impl DynamoLeads {
    /// Every open lead of a priority, oldest first. The read is eventually consistent, because an index lags slightly
    /// behind its table.
    ///
    /// # Errors
    /// [`LeadsUnavailable`], also if an item cannot be read.
    pub async fn open_leads(&self, priority: Priority) -> Result<Vec<OpenLead>, LeadsUnavailable> {
        let mut leads = Vec::new();
        for shard in 0..LEAD_SHARDS {
            let partition = format!("{}#{shard}", priority.name());
            for item in self.partition("open-leads", "openLeads", partition).await? {
                leads.push(read_open_lead(&item).ok_or_else(|| unreadable(&item))?);
            }
        }
        leads.sort_by_key(|lead| lead.known.opened_at);
        Ok(leads)
    }

    /// The `limit` open leads of a priority that have been open longest, with one eventually consistent `Query` for each
    /// shard, however many are open.
    ///
    /// # Errors
    /// [`LeadsUnavailable`], also if an item cannot be read.
    pub async fn look_at_leads(&self, priority: Priority, limit: u16) -> Result<LeadLook, LeadsUnavailable> {
        let mut look = LeadLook::default();
        for shard in 0..LEAD_SHARDS {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("open-leads")
                .key_condition_expression("openLeads = :leads")
                .expression_attribute_values(":leads", text(format!("{}#{shard}", priority.name())))
                .limit(limit.into())
                .send()
                .await
                .map_err(|error| unavailable("Query", &ALL_BUYERS, error))?;
            look.is_cut |= page.last_evaluated_key().is_some();
            for item in page.items() {
                look.oldest.push(read_open_lead(item).ok_or_else(|| unreadable(item))?);
            }
        }
        // Each shard gave its oldest ones, so the oldest of all are among them.
        look.seen = look.oldest.len();
        look.oldest.sort_by_key(|lead| lead.known.opened_at);
        look.oldest.truncate(limit.into());
        Ok(look)
    }

    /// All open work of these kinds, due or not, longest due first. The read is eventually consistent.
    ///
    /// # Errors
    /// [`LeadsUnavailable`], also if an item of these kinds cannot be read.
    pub async fn open_work_of(&self, kinds: &[WorkKind]) -> Result<Vec<OpenWork>, LeadsUnavailable> {
        let mut work = Vec::new();
        for shard in kinds.iter().copied().flat_map(WorkKind::shards) {
            for item in self.partition("open-work", "openWork", partition(shard)).await? {
                work.push(read_work(&item).ok_or_else(|| unreadable(&item))?);
            }
        }
        work.sort_by_key(|work| work.due);
        Ok(work)
    }

    /// Reads all pages of one partition of an index.
    async fn partition(
        &self,
        index: &str,
        attribute: &str,
        partition: String,
    ) -> Result<Vec<Item>, LeadsUnavailable> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(index)
            .key_condition_expression("#partition = :partition")
            .expression_attribute_names("#partition", attribute)
            .expression_attribute_values(":partition", text(&partition));
        let items: Result<Vec<Item>, _> = query.into_paginator().items().send().collect().await;
        items.map_err(|error| unavailable("Query", &ALL_BUYERS, error))
    }

    /// Every e-mail of a status, found by a scan of the whole table. Closed statuses need it, because they are in no
    /// index.
    ///
    /// # Errors
    /// [`LeadsUnavailable`], also if an item cannot be read.
    pub async fn scan_emails(&self, status: Status) -> Result<FoundEmails, LeadsUnavailable> {
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression("begins_with(kind, :email) AND #status = :status")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":email", text("email/"))
            .expression_attribute_values(":status", text(status.name()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let mut pages = scan.into_paginator().send();
        let (mut emails, mut scanned) = (Vec::new(), Scanned::default());
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| unavailable("Scan", &ALL_BUYERS, error))?;
            scanned.pages += 1;
            scanned.items += u64::try_from(page.scanned_count()).unwrap_or_default();
            scanned.read_units +=
                page.consumed_capacity().and_then(ConsumedCapacity::capacity_units).unwrap_or_default();
            for item in page.items() {
                emails.push(read_email(item).ok_or_else(|| unreadable(item))?);
            }
        }
        emails.sort_by_key(|(_, _, entry)| entry.since);
        Ok((emails, scanned))
    }

    /// Schedules an e-mail that is in doubt, given up or rejected to be sent again. This is an operator's decision,
    /// because the buyer may get an e-mail in doubt twice.
    ///
    /// The entry becomes `retry`, due at once. The sweeper claims and sends it like any other e-mail, if the head still
    /// calls for it, and its retry period starts again with that claim. The nonce of the last attempt is kept, so that
    /// a late receipt still settles the entry. Returns `false` if nonce or status have changed since the entry was
    /// found.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    pub async fn resend(
        &self,
        buyer: &BuyerId,
        effect_key: &str,
        found: &LedgerEntry,
        now: Timestamp,
        act: &Act,
    ) -> Result<bool, LeadsUnavailable> {
        if !found.status.is_resendable() {
            return Ok(false);
        }
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(entry_key(buyer, effect_key)))
            .update_expression(
                "SET #status = :retry, due = :now, openWork = :work, since = :now, #by = :by, because = :because \
                 REMOVE reason, firstTriedAt",
            )
            .condition_expression("nonce = :nonce AND #status = :found")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#by", "by")
            .expression_attribute_values(":by", text(&act.by))
            .expression_attribute_values(":because", text(&act.because))
            .expression_attribute_values(":retry", text(Status::Retry.name()))
            .expression_attribute_values(":found", text(found.status.name()))
            .expression_attribute_values(":nonce", text(&found.nonce))
            .expression_attribute_values(":work", open_work(WorkKind::Email, buyer))
            .expression_attribute_values(":now", time(now));
        let is_ours = |item: &Item| {
            let entry = read_entry(item);
            entry.is_some_and(|entry| entry.nonce == found.nonce && entry.status == Status::Retry)
        };
        update_unless_changed(buyer, update, is_ours).await
    }

    /// Allows e-mail to these addresses of a buyer again, on an operator's decision. Returns `false` if the stopped
    /// addresses are no longer exactly these: an address that was stopped in the meantime stays stopped.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    pub async fn allow(
        &self,
        buyer: &BuyerId,
        found: &BTreeSet<AddressDigest>,
        act: &Act,
    ) -> Result<bool, LeadsUnavailable> {
        // DynamoDB does not support empty sets.
        if found.is_empty() {
            return Ok(false);
        }
        let found = found.iter().map(|digest| digest.0.clone()).collect();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(buyer.as_str(), "cursor")))
            .update_expression("SET allowedBy = :by, allowedBecause = :because REMOVE stopped")
            .condition_expression("stopped = :found")
            .expression_attribute_values(":by", text(&act.by))
            .expression_attribute_values(":because", text(&act.because))
            .expression_attribute_values(":found", AttributeValue::Ss(found));
        update_unless_changed(buyer, update, |item| !item.contains_key("stopped")).await
    }

    /// Stops all e-mail to these addresses of a buyer, as recorded in the stack that it comes from. Idempotent.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    pub async fn stop(
        &self,
        buyer: &BuyerId,
        addresses: &BTreeSet<AddressDigest>,
    ) -> Result<(), LeadsUnavailable> {
        // DynamoDB does not support empty sets.
        if addresses.is_empty() {
            return Ok(());
        }
        let addresses = addresses.iter().map(|digest| digest.0.clone()).collect();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(buyer.as_str(), "cursor")))
            .update_expression("ADD stopped :addresses")
            .condition_expression("NOT stopped = :addresses")
            .expression_attribute_values(":addresses", AttributeValue::Ss(addresses));
        if_condition_holds(buyer, update).await.map(|_| ())
    }

    /// Marks a buyer behind because an audit found pending effects that nothing will retry. The sweeper then settles
    /// them. Returns `false` if the cursor has moved since, or the buyer is already marked.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    pub async fn mark_short(
        &self,
        buyer: &BuyerId,
        through: Sequence,
        behind: &Behind,
    ) -> Result<bool, LeadsUnavailable> {
        let is_there = if through == Sequence::START {
            "attribute_not_exists(through) OR through = :through"
        } else {
            "through = :through"
        };
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(buyer.as_str(), "cursor")))
            .update_expression(
                "SET mark = :mark, reason = :reason, attempts = :attempts, due = :due, openWork = :work, \
                 through = :through",
            )
            .condition_expression(format!("attribute_not_exists(mark) AND ({is_there})"))
            .expression_attribute_values(":mark", text(&behind.mark))
            .expression_attribute_values(":reason", text(&behind.reason))
            .expression_attribute_values(":attempts", number(u64::from(behind.attempts)))
            .expression_attribute_values(":due", time(behind.not_before))
            .expression_attribute_values(":work", open_work(WorkKind::Behind, buyer))
            .expression_attribute_values(":through", number(through.get()));
        let is_ours = |item: &Item| read_text(item, "mark").as_deref() == Some(&behind.mark);
        update_unless_changed(buyer, update, is_ours).await
    }
}

/// Sends an update. Returns `false` if its condition failed, unless `is_ours` recognizes our own earlier update: the
/// SDK may send it twice.
pub(super) async fn update_unless_changed(
    buyer: &impl fmt::Display,
    update: UpdateItemFluentBuilder,
    is_ours: impl Fn(&Item) -> bool,
) -> Result<bool, LeadsUnavailable> {
    let update = update.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    match update.send().await {
        Ok(_) => Ok(true),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                Ok(failed.item.as_ref().is_some_and(is_ours))
            }
            _ => Err(unavailable("UpdateItem", buyer, error)),
        },
    }
}

fn read_open_lead(item: &Item) -> Option<OpenLead> {
    let kind = read_text(item, "kind")?;
    let lead = LeadId::parse(kind.strip_prefix("lead/")?)?;
    Some(OpenLead { buyer: buyer_of(item)?, lead, known: read_lead(item)? })
}

fn read_email(item: &Item) -> Option<(BuyerId, String, LedgerEntry)> {
    let kind = read_text(item, "kind")?;
    Some((buyer_of(item)?, kind.strip_prefix("email/")?.to_owned(), read_entry(item)?))
}

fn unreadable(item: &Item) -> LeadsUnavailable {
    let kind = read_text(item, "kind").unwrap_or_default();
    let buyer = read_text(item, "buyer").unwrap_or_else(|| ALL_BUYERS.to_owned());
    LeadsUnavailable { operation: "a read", buyer, source: Box::new(Unreadable { kind }) }
}
