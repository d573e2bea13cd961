use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ConditionCheck, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use domain::{BuyerId, Sequence};

use super::attributes::{Item, key, number, read_entry, text, time};
use super::{DynamoLeads, has_failed, invalid, open_work, unavailable};
use crate::leads::{Claim, Claimed, LeadsUnavailable, Ledger, Status, Verdict};

/// What a claim may take. `is_claimable` says the same of an entry in memory.
const CLAIMABLE: &str = "attribute_not_exists(buyer) OR #status = :superseded \
     OR (#status = :retry AND (attribute_not_exists(due) OR due <= :now)) OR (#status = :rejected AND address <> :address)";

pub(super) fn entry_key(buyer: &BuyerId, effect_key: &str) -> Item {
    key(buyer.as_str(), format!("email/{effect_key}"))
}

impl Ledger for DynamoLeads {
    /// One `TransactWriteItems`: the entry, and the check that no commit follows the head.
    async fn claim(&self, claim: &Claim) -> Result<Claimed, LeadsUnavailable> {
        let invalid = |error| invalid(&claim.buyer, error);
        let mut values = Item::from([
            (":claimed".to_owned(), text(claim.status().name())),
            (":superseded".to_owned(), text(Status::Superseded.name())),
            (":retry".to_owned(), text(Status::Retry.name())),
            (":rejected".to_owned(), text(Status::Rejected.name())),
            (":nonce".to_owned(), text(&claim.nonce)),
            (":sequence".to_owned(), number(claim.sequence.get())),
            (":address".to_owned(), text(&claim.address.0)),
            (":now".to_owned(), time(claim.now)),
        ]);
        // What is never to be sent is no open work.
        let open = if claim.is_shadow {
            ""
        } else {
            values.insert(":deadline".to_owned(), time(claim.deadline));
            values.insert(":work".to_owned(), open_work(&claim.buyer));
            ", due = :deadline, openWork = :work"
        };
        let entry = Update::builder()
            .table_name(&self.table)
            .set_key(Some(entry_key(&claim.buyer, &claim.key)))
            .update_expression(format!(
                "SET #status = :claimed, nonce = :nonce, #sequence = :sequence, address = :address, since = :now, \
                 firstTriedAt = if_not_exists(firstTriedAt, :now){open} \
                 REMOVE reason, messageId, bouncedAt, passingBounceAt, complainedAt"
            ))
            .condition_expression(CLAIMABLE)
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#sequence", "sequence")
            .set_expression_attribute_values(Some(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(invalid)?;
        let answer = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(entry).build())
            .transact_items(
                TransactWriteItem::builder()
                    .condition_check(self.nothing_after(&claim.buyer, claim.head).map_err(invalid)?)
                    .build(),
            )
            .send()
            .await;
        let Err(error) = answer else { return Ok(Claimed::Ours) };
        let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error()
        else {
            return Err(unavailable("TransactWriteItems", &claim.buyer, error));
        };
        let reasons = canceled.cancellation_reasons();
        // There only if its condition failed.
        let found =
            reasons.first().and_then(|reason: &CancellationReason| reason.item.as_ref()).and_then(read_entry);
        match found {
            // The SDK sent it again after its answer was lost.
            Some(entry) if entry.nonce == claim.nonce => Ok(Claimed::Ours),
            Some(entry) => Ok(Claimed::Held(Box::new(entry))),
            _ if has_failed(reasons, 1) => Ok(Claimed::HeadMoved),
            _ => Err(unavailable("TransactWriteItems", &claim.buyer, error)),
        }
    }

    async fn settle(
        &self,
        buyer: &BuyerId,
        effect_key: &str,
        nonce: &str,
        verdict: &Verdict,
    ) -> Result<bool, LeadsUnavailable> {
        let mut set = "SET #status = :status, since = :now".to_owned();
        let mut remove = Vec::new();
        let mut values = Item::from([
            (":status".to_owned(), text(verdict.status.name())),
            (":now".to_owned(), time(verdict.now)),
            (":nonce".to_owned(), text(nonce)),
            (":sending".to_owned(), text(Status::Sending.name())),
            (":unknown".to_owned(), text(Status::Unknown.name())),
        ]);
        let due = verdict.due.map(time);
        let fields = [
            ("messageId", verdict.message_id.as_ref().map(text)),
            ("reason", verdict.reason.as_ref().map(text)),
            ("openWork", due.is_some().then(|| open_work(buyer))),
            ("due", due),
        ];
        let mut is_open = "#status = :sending OR #status = :unknown".to_owned();
        if verdict.is_final() {
            is_open.push_str(" OR #status = :abandoned");
            values.insert(":abandoned".to_owned(), text(Status::Abandoned.name()));
        }
        for (name, value) in fields {
            if let Some(value) = value {
                set = format!("{set}, {name} = :{name}");
                values.insert(format!(":{name}"), value);
            } else {
                remove.push(name);
            }
        }
        // What can be claimed anew begins its 24 hours anew.
        if matches!(verdict.status, Status::Superseded | Status::Rejected) {
            remove.push("firstTriedAt");
        }
        let update = if remove.is_empty() { set } else { format!("{set} REMOVE {}", remove.join(", ")) };
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(entry_key(buyer, effect_key)))
            .update_expression(update)
            .condition_expression(format!("nonce = :nonce AND ({is_open})"))
            .expression_attribute_names("#status", "status")
            .set_expression_attribute_values(Some(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                // The SDK sent it again after its answer was lost, or another hand settled it the same way.
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Ok(failed
                    .item
                    .as_ref()
                    .and_then(read_entry)
                    .is_some_and(|entry| entry.nonce == nonce && entry.status == verdict.status)),
                _ => Err(unavailable("UpdateItem", buyer, error)),
            },
        }
    }
}

impl DynamoLeads {
    fn nothing_after(
        &self,
        buyer: &BuyerId,
        head: Sequence,
    ) -> Result<ConditionCheck, aws_sdk_dynamodb::error::BuildError> {
        ConditionCheck::builder()
            .table_name(&self.streams_table)
            .key("buyer", text(buyer.as_str()))
            .key("sequence", number(head.next().get()))
            .condition_expression("attribute_not_exists(buyer)")
            .build()
    }
}
