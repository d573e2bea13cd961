//! Application of SES receipts to the ledger in DynamoDB.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use contract::receipt::Receipt;
use domain::BuyerId;
use jiff::Timestamp;

use super::table::{Item, entry_key, if_condition_holds, key, read_entry, text, time, unavailable};
use crate::ledger::{AddressDigest, LedgerEntry, ReceiptRecord};
use crate::receipts::{self, ReceiptOutcome, Receipts};
use crate::store::LeadsUnavailable;

/// The number of attempts to change an entry that others change at the same time.
const ATTEMPTS: usize = 3;

/// The part of the leads table that receipts need. It cannot claim e-mails and has no access to streams.
#[derive(Debug, Clone)]
pub struct DynamoReceipts {
    client: Client,
    table: String,
}

/// The error for an entry that others changed during every attempt.
#[derive(Debug, thiserror::Error)]
#[error("the ledger entry changed during every attempt")]
struct ChangedRepeatedly;

impl DynamoReceipts {
    /// The leads table with this name. The client should use the retry classifier `platform::RetryConflicts`.
    #[must_use]
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    async fn entry(&self, receipt: &Receipt) -> Result<Option<Item>, LeadsUnavailable> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(entry_key(&receipt.buyer, &receipt.effect)))
            .consistent_read(true)
            .send()
            .await;
        Ok(answer.map_err(|error| unavailable("GetItem", &receipt.buyer, error))?.item)
    }

    /// Stops all e-mail to the address. Writes nothing if the address is already stopped.
    async fn stop(&self, buyer: &BuyerId, address: &AddressDigest) -> Result<(), LeadsUnavailable> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(buyer.as_str(), "cursor")))
            .update_expression("ADD stopped :addresses")
            .condition_expression("NOT contains(stopped, :address)")
            .expression_attribute_values(":addresses", AttributeValue::Ss(vec![address.0.clone()]))
            .expression_attribute_values(":address", text(&address.0));
        if_condition_holds(buyer, update).await.map(|_| ())
    }

    /// Writes the entry if it is unchanged since it was found. Otherwise returns the current item.
    async fn replace(
        &self,
        receipt: &Receipt,
        found: &LedgerEntry,
        after: &LedgerEntry,
    ) -> Result<Result<(), Option<Item>>, LeadsUnavailable> {
        let mut values = Item::from([
            (":nonce".to_owned(), text(&found.nonce)),
            (":found".to_owned(), text(found.status.name())),
            (":status".to_owned(), text(after.status.name())),
            (":since".to_owned(), time(after.since)),
        ]);
        let mut set = "SET #status = :status, since = :since".to_owned();
        // The e-mail is closed, because SES accepted it, so nothing is due any more.
        let mut remove = "REMOVE due, openWork, unsent".to_owned();
        let mut condition = "nonce = :nonce AND #status = :found".to_owned();
        for ((name, then), (_, now)) in fields(found).into_iter().zip(fields(after)) {
            if let Some(value) = now {
                set = format!("{set}, {name} = :{name}");
                values.insert(format!(":{name}"), value);
            } else {
                remove = format!("{remove}, {name}");
            }
            if let Some(value) = then {
                condition = format!("{condition} AND {name} = :{name}Found");
                values.insert(format!(":{name}Found"), value);
            } else {
                condition = format!("{condition} AND attribute_not_exists({name})");
            }
        }
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(entry_key(&receipt.buyer, &receipt.effect)))
            .update_expression(format!("{set} {remove}"))
            .condition_expression(condition)
            .expression_attribute_names("#status", "status")
            .set_expression_attribute_values(Some(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Ok(())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Err(failed.item.clone()))
                }
                _ => Err(unavailable("UpdateItem", &receipt.buyer, error)),
            },
        }
    }
}

/// The stored attributes, besides the status, that a receipt may change.
fn fields(entry: &LedgerEntry) -> [(&'static str, Option<AttributeValue>); 5] {
    let ReceiptRecord { bounced_at, passing_bounce_at, complained_at } = entry.receipts;
    [
        ("messageId", entry.message_id.as_ref().map(text)),
        ("reason", entry.reason.as_ref().map(text)),
        ("bouncedAt", bounced_at.map(time)),
        ("passingBounceAt", passing_bounce_at.map(time)),
        ("complainedAt", complained_at.map(time)),
    ]
}

impl Receipts for DynamoReceipts {
    /// Reads before it writes: most receipts only confirm that an e-mail was sent, which is already known, and a read
    /// costs a fifth of a write.
    async fn apply_receipt(
        &self,
        receipt: &Receipt,
        now: Timestamp,
    ) -> Result<ReceiptOutcome, LeadsUnavailable> {
        let mut item = self.entry(receipt).await?;
        for _ in 0..ATTEMPTS {
            let Some(found) = item.as_ref().and_then(read_entry) else {
                return Ok(ReceiptOutcome::NoSuchEmail);
            };
            if found.nonce != receipt.nonce {
                return Ok(ReceiptOutcome::OtherAttempt);
            }
            let Some(after) = receipts::after(&found, receipt, now) else { return Ok(ReceiptOutcome::Known) };
            // The stop is written first, so that no entry records a bounce or complaint whose stop is missing.
            if receipts::stops(receipt.kind) {
                self.stop(&receipt.buyer, &found.address).await?;
            }
            match self.replace(receipt, &found, &after).await? {
                Ok(()) => return Ok(ReceiptOutcome::Settled),
                Err(changed) => item = changed,
            }
        }
        Err(LeadsUnavailable {
            operation: "UpdateItem",
            buyer: receipt.buyer.to_string(),
            source: Box::new(ChangedRepeatedly),
        })
    }
}
