use domain::BuyerId;

use super::attributes::{key, text};
use super::claim::entry_key;
use super::{DynamoLeads, if_condition_holds};
use crate::LeadsUnavailable;

/// The replacement for the digest of an address. No address has this digest.
const FORGOTTEN: &str = "forgotten";

impl DynamoLeads {
    /// Removes the remaining data that could identify an erased buyer: the digests of its addresses. The closings have
    /// already removed the contacts of leads. Makes one update per e-mail and one for the cursor, and creates no items.
    ///
    /// # Errors
    /// [`LeadsUnavailable`]; repeat the call.
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
