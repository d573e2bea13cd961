//! What SES tells of e-mails, taken into the ledger.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use contract::receipt::Receipt;
use domain::BuyerId;
use jiff::Timestamp;

use super::attributes::{Item, key, read_entry, text, time};
use super::claim::entry_key;
use super::{if_condition_holds, unavailable};
use crate::{AddressDigest, Heard, LeadsUnavailable, Learned, LedgerEntry, Receipts, receipts};

/// How often an entry is looked at that changes at that very moment.
const LOOKS: usize = 3;

/// The ledger in the leads table, for receipts only: it cannot claim, and knows no streams.
#[derive(Debug, Clone)]
pub struct DynamoReceipts {
    client: Client,
    table: String,
}

/// The entry changed again and again while it was looked at.
#[derive(Debug, thiserror::Error)]
#[error("its entry changes all the time")]
struct Restless;

impl DynamoReceipts {
    /// The table of this name. The client should retry with `platform::RetryConflicts`.
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

    /// Adds the address to those that no mail goes to any more; once.
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

    /// Writes the entry if it is still as found; else tells how it is now.
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
        // Nothing is due any more: the mail is closed, and SES took it.
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

/// Everything besides the status that a receipt may change, as it lies in the table.
fn fields(entry: &LedgerEntry) -> [(&'static str, Option<AttributeValue>); 5] {
    let Heard { bounced_at, passing_bounce_at, complained_at } = entry.heard;
    [
        ("messageId", entry.message_id.as_ref().map(text)),
        ("reason", entry.reason.as_ref().map(text)),
        ("bouncedAt", bounced_at.map(time)),
        ("passingBounceAt", passing_bounce_at.map(time)),
        ("complainedAt", complained_at.map(time)),
    ]
}

impl Receipts for DynamoReceipts {
    /// Read first: most receipts say of a mail that it was sent, which is known, and a read costs a fifth of a write.
    async fn learn(&self, receipt: &Receipt, now: Timestamp) -> Result<Learned, LeadsUnavailable> {
        let mut item = self.entry(receipt).await?;
        for _ in 0..LOOKS {
            let Some(found) = item.as_ref().and_then(read_entry) else { return Ok(Learned::NoSuchEmail) };
            if found.nonce != receipt.nonce {
                return Ok(Learned::OtherAttempt);
            }
            let Some(after) = receipts::after(&found, receipt, now) else { return Ok(Learned::Known) };
            // First, so that an entry that says why never lies there without the stop.
            if receipts::stops(receipt.kind) {
                self.stop(&receipt.buyer, &found.address).await?;
            }
            match self.replace(receipt, &found, &after).await? {
                Ok(()) => return Ok(Learned::Settled),
                Err(changed) => item = changed,
            }
        }
        Err(LeadsUnavailable {
            operation: "UpdateItem",
            buyer: receipt.buyer.to_string(),
            source: Box::new(Restless),
        })
    }
}
