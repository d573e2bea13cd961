use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use domain::{BuyerId, Sequence};

use super::table::{
    DynamoLeads, Item, entry_key, has_failed, invalid, number, open_work, read_entry, text, time, unavailable,
};
use crate::ledger::{Claim, Claimed, Settled, Status, Verdict};
use crate::store::LeadsUnavailable;
use crate::work::WorkKind;

/// The condition for a reactor's claim, equivalent to `is_claimable`.
const CLAIMABLE: &str = "attribute_not_exists(buyer) OR #s = :s OR (#s = :r AND address <> :address) \
     OR (#s = :a AND unsent = :unsent AND #q < :sequence)";

/// The statuses in [`CLAIMABLE`] with their short names, which keep requests small.
const CLAIMABLE_STATUSES: [(&str, Status); 3] =
    [("s", Status::Superseded), ("r", Status::Rejected), ("a", Status::Abandoned)];

/// The condition for the sweeper's claim: the entry still has the status `retry` and the nonce that the sweeper read.
const FOUND: &str = "#s = :retry AND nonce = :found";

/// An update expression in preparation.
#[derive(Default)]
struct Change {
    set: Vec<String>,
    remove: Vec<&'static str>,
    values: Item,
}

impl Change {
    fn set(&mut self, name: &'static str, value: AttributeValue) {
        let reserved = RESERVED.iter().find(|(_, reserved)| *reserved == name);
        self.set.push(format!("{} = :{name}", reserved.map_or(name, |(alias, _)| *alias)));
        self.values.insert(format!(":{name}"), value);
    }

    fn put(&mut self, name: &'static str, value: Option<AttributeValue>) {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove.push(name),
        }
    }

    /// Adds a value that only the condition refers to.
    fn compare(&mut self, name: &str, value: AttributeValue) {
        self.values.insert(format!(":{name}"), value);
    }

    fn build(self, table: &str, key: Item, condition: &str) -> UpdateBuilder {
        let mut update = format!("SET {}", self.set.join(", "));
        if !self.remove.is_empty() {
            update = format!("{update} REMOVE {}", self.remove.join(", "));
        }
        let is_used = |(alias, _): &&(&str, &str)| update.contains(alias) || condition.contains(alias);
        let names = RESERVED.iter().filter(is_used);
        let names = names.map(|(alias, name)| ((*alias).to_owned(), (*name).to_owned()));
        Update::builder()
            .table_name(table)
            .set_key(Some(key))
            .set_expression_attribute_names(Some(names.collect()))
            .update_expression(update.clone())
            .condition_expression(condition)
            .set_expression_attribute_values(Some(self.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

/// Aliases for attributes whose names are reserved words. Source: Amazon DynamoDB Developer Guide, "Reserved words in
/// DynamoDB".
const RESERVED: [(&str, &str); 2] = [("#q", "sequence"), ("#s", "status")];

/// One `TransactWriteItems`: it writes the entry on condition that no commit follows the one that the claim is based
/// on.
pub(super) async fn claim(leads: &DynamoLeads, claim: &Claim) -> Result<Claimed, LeadsUnavailable> {
    let mut change = Change::default();
    change.set("status", text(claim.taking.status().name()));
    change.set("nonce", text(&claim.nonce));
    change.set("sequence", number(claim.sequence.get()));
    change.set("address", text(&claim.address.0));
    change.set("since", time(claim.now));
    change.put("firstTriedAt", claim.first_tried_at.map(time));
    let due = claim.taking.due();
    change.put("openWork", due.map(|_| open_work(WorkKind::Email, &claim.buyer)));
    change.put("due", due.map(time));
    if let Some(reason) = claim.taking.reason() {
        change.set("reason", text(reason));
    }
    let condition = if let Some(found) = &claim.found {
        change.compare("retry", text(Status::Retry.name()));
        change.compare("found", text(found));
        FOUND
    } else {
        // The entry starts afresh: receipts and reasons of an earlier e-mail do not concern this one.
        if claim.taking.reason().is_none() {
            change.remove.push("reason");
        }
        change.remove.extend(["messageId", "bouncedAt", "passingBounceAt", "complainedAt"]);
        change.set("unsent", AttributeValue::Bool(true));
        for (name, status) in CLAIMABLE_STATUSES {
            change.compare(name, text(status.name()));
        }
        CLAIMABLE
    };
    let entry = change.build(&leads.table, entry_key(&claim.buyer, &claim.key), condition);
    match transact_at_head(leads, &claim.buyer, entry, claim.head).await? {
        Fenced::Written => Ok(Claimed::Ours),
        Fenced::Refused(Some(item)) => Ok(match read_entry(&item) {
            // The SDK repeated the request after its answer was lost.
            Some(entry) if entry.nonce == claim.nonce => Claimed::Ours,
            Some(entry) => Claimed::Taken(Box::new(entry)),
            None => Claimed::Unreadable,
        }),
        // Only a found `retry` can be missing here. The next sweep finds it again if it exists.
        Fenced::Refused(None) | Fenced::HeadMoved => Ok(Claimed::HeadMoved),
    }
}

/// One `UpdateItem`, or a transaction if the verdict judges a head.
pub(super) async fn settle(
    leads: &DynamoLeads,
    buyer: &BuyerId,
    effect_key: &str,
    verdict: &Verdict,
) -> Result<Settled, LeadsUnavailable> {
    let mut change = Change::default();
    change.set("status", text(verdict.status.name()));
    change.set("since", time(verdict.now));
    change.put("openWork", verdict.due.map(|_| open_work(WorkKind::Email, buyer)));
    change.put("due", verdict.due.map(time));
    if let Some(message_id) = &verdict.message_id {
        change.set("messageId", text(message_id));
    }
    if verdict.reason.is_some() || verdict.status == Status::Sent {
        change.put("reason", verdict.reason.as_ref().map(text));
    }
    if !verdict.keeps_unsent() {
        change.remove.push("unsent");
    }
    change.compare("judged", text(&verdict.nonce));
    let from = (0..verdict.from.len()).map(|at| format!("#s = :from{at}"));
    let condition = format!("nonce = :judged AND ({})", from.collect::<Vec<_>>().join(" OR "));
    for (at, status) in verdict.from.iter().enumerate() {
        change.compare(&format!("from{at}"), text(status.name()));
    }
    let entry = change.build(&leads.table, entry_key(buyer, effect_key), &condition);
    if let Some(head) = verdict.head {
        return Ok(match transact_at_head(leads, buyer, entry, head).await? {
            Fenced::Written => Settled::Done,
            Fenced::Refused(item) => verdict.refused(item.as_ref().and_then(read_entry).as_ref()),
            Fenced::HeadMoved => Settled::HeadMoved,
        });
    }
    let entry = entry.build().map_err(|error| invalid(buyer, error))?;
    let answer = leads
        .client
        .update_item()
        .table_name(entry.table_name)
        .set_key(Some(entry.key))
        .update_expression(entry.update_expression)
        .set_condition_expression(entry.condition_expression)
        .set_expression_attribute_names(entry.expression_attribute_names)
        .set_expression_attribute_values(entry.expression_attribute_values)
        .set_return_values_on_condition_check_failure(entry.return_values_on_condition_check_failure)
        .send()
        .await;
    match answer {
        Ok(_) => Ok(Settled::Done),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                Ok(verdict.refused(failed.item.as_ref().and_then(read_entry).as_ref()))
            }
            _ => Err(unavailable("UpdateItem", buyer, error)),
        },
    }
}

/// The outcome of a write to an entry that is fenced by a head.
enum Fenced {
    Written,
    /// The condition of the entry failed. The item is the existing entry, which may be missing or unreadable.
    Refused(Option<Item>),
    HeadMoved,
}

/// Changes an entry, in one transaction with the check that no commit follows this head.
async fn transact_at_head(
    leads: &DynamoLeads,
    buyer: &BuyerId,
    entry: UpdateBuilder,
    head: Sequence,
) -> Result<Fenced, LeadsUnavailable> {
    let invalid = |error| invalid(buyer, error);
    let nothing_after = ConditionCheck::builder()
        .table_name(&leads.streams_table)
        .key("buyer", text(buyer.as_str()))
        .key("sequence", number(head.next().get()))
        .condition_expression("attribute_not_exists(buyer)")
        .build()
        .map_err(invalid)?;
    let answer = leads
        .client
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().update(entry.build().map_err(invalid)?).build())
        .transact_items(TransactWriteItem::builder().condition_check(nothing_after).build())
        .send()
        .await;
    let Err(error) = answer else { return Ok(Fenced::Written) };
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error()
    else {
        return Err(unavailable("TransactWriteItems", buyer, error));
    };
    let reasons = canceled.cancellation_reasons();
    if has_failed(reasons, 0) {
        let found = reasons.first().and_then(|reason: &CancellationReason| reason.item.as_ref());
        return Ok(Fenced::Refused(found.cloned()));
    }
    if has_failed(reasons, 1) {
        return Ok(Fenced::HeadMoved);
    }
    Err(unavailable("TransactWriteItems", buyer, error))
}
