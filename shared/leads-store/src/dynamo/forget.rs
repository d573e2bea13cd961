use domain::BuyerId;

use super::attributes::{key, text};
use super::claim::entry_key;
use super::{DynamoLeads, if_condition_holds};
use crate::LeadsUnavailable;

/// Stands where the digest of an address stood: no address has it.
const FORGOTTEN: &str = "forgotten";

impl DynamoLeads {
    /// Takes out what could still tell who an erased buyer is: digests of addresses. Contacts of leads went with the closings.
    /// One update for each e-mail that has one, and one for the cursor. What is not there is not created.
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
            if_condition_holds(buyer, update).await?;
        }
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(buyer.as_str(), "cursor")))
            .update_expression("REMOVE stopped")
            .condition_expression("attribute_exists(buyer)");
        if_condition_holds(buyer, update).await.map(|_| ())
    }
}
