use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use domain::BuyerId;

use super::attributes::{key, text};
use super::claim::entry_key;
use super::{DynamoLeads, unavailable};
use crate::leads::LeadsUnavailable;

/// Stands where the digest of an address stood: no address has it.
const FORGOTTEN: &str = "forgotten";

impl DynamoLeads {
    /// Takes out what could still tell who an erased buyer is: digests of addresses. Contacts of leads went with the closings.
    /// One update for each e-mail that has one, and one for the cursor.
    ///
    /// # Errors
    /// [`LeadsUnavailable`]; do it again.
    pub async fn forget(&self, buyer: &BuyerId) -> Result<(), LeadsUnavailable> {
        for effect_key in self.about(buyer).await?.ledger.into_keys() {
            let update = self
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(entry_key(buyer, &effect_key)))
                .update_expression("SET address = :forgotten")
                .condition_expression("attribute_exists(buyer)")
                .expression_attribute_values(":forgotten", text(FORGOTTEN));
            forgotten(buyer, update.send().await)?;
        }
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(buyer.as_str(), "cursor")))
            .update_expression("REMOVE stopped")
            .condition_expression("attribute_exists(buyer)");
        forgotten(buyer, update.send().await)
    }
}

fn forgotten<T, R>(
    buyer: &BuyerId,
    answer: Result<T, aws_sdk_dynamodb::error::SdkError<UpdateItemError, R>>,
) -> Result<(), LeadsUnavailable>
where
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match answer {
        Ok(_) => Ok(()),
        Err(error) => match error.as_service_error() {
            // There is nothing to forget.
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
            _ => Err(unavailable("UpdateItem", buyer, error)),
        },
    }
}
