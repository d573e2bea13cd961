//! What is left to be done, and how far the sweeper came.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use contract::stored::written;
use domain::BuyerId;
use jiff::Timestamp;

use super::attributes::{Item, key, read_cursor, read_entry, read_held, read_text, read_time, text, time};
use super::{DynamoLeads, HELD, INDEX_SHARDS, unavailable};
use crate::leads::{Again, LeadsUnavailable, LedgerEntry, Open, OpenWork, Status, Walked, Work};

/// Where the sweeper's place lies: a partition that no buyer can have, for ids have no `/`.
const SWEEPER: &str = "sweeper/place";

impl Work for DynamoLeads {
    async fn open_work(&self, now: Timestamp, limit: usize) -> Result<Vec<OpenWork>, LeadsUnavailable> {
        let mut due = Vec::new();
        for shard in 0..INDEX_SHARDS {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("open-work")
                .key_condition_expression("openWork = :work AND due <= :now")
                .expression_attribute_values(":work", text(format!("work#{shard}")))
                .expression_attribute_values(":now", time(now))
                .limit(i32::try_from(limit).unwrap_or(i32::MAX))
                .send()
                .await
                .map_err(|error| unavailable("Query", &SWEEPER, error))?;
            due.extend(page.items().iter().filter_map(read_work));
        }
        due.sort_by_key(|work| work.due);
        Ok(due)
    }

    async fn close(
        &self,
        buyer: &BuyerId,
        effect_key: &str,
        found: &LedgerEntry,
        status: Status,
        now: Timestamp,
    ) -> Result<bool, LeadsUnavailable> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(buyer.as_str(), format!("email/{effect_key}"))))
            .update_expression("SET #status = :status, since = :now REMOVE due, openWork, firstTriedAt")
            .condition_expression("nonce = :nonce AND #status = :found")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", text(status.name()))
            .expression_attribute_values(":found", text(found.status.name()))
            .expression_attribute_values(":nonce", text(&found.nonce))
            .expression_attribute_values(":now", time(now))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                // Unless it was our own update, sent twice by the SDK: what is given up must be told.
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    let entry = failed.item.as_ref().and_then(read_entry);
                    let is_ours = |entry: LedgerEntry| {
                        entry.nonce == found.nonce
                            && entry.status == status
                            && written(entry.since) == written(now)
                    };
                    Ok(entry.is_some_and(is_ours))
                }
                _ => Err(unavailable("UpdateItem", buyer, error)),
            },
        }
    }

    async fn walked(&self) -> Result<Option<Walked>, LeadsUnavailable> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(SWEEPER, "place")))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| unavailable("GetItem", &SWEEPER, error))?;
        let place = |item: &Item| {
            let (through, again_at) = (read_time(item, "walkedThrough")?, read_time(item, "walkedAgainAt")?);
            let again = read_text(item, "walkedAgain");
            let again = again.as_deref().and_then(read_again).unwrap_or(Walked::to(again_at).again);
            Some(Walked { through, again_at, again })
        };
        Ok(answer.item().and_then(place))
    }

    async fn set_walked(&self, walked: Walked) -> Result<(), LeadsUnavailable> {
        // One after the other, for each goes forward on its own. Times are written so that texts compare as they do.
        let again = format!("{}/{}", written(walked.again.began), written(walked.again.through));
        for (name, place) in [
            ("walkedThrough", written(walked.through)),
            ("walkedAgain", again),
            ("walkedAgainAt", written(walked.again_at)),
        ] {
            let answer = self
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(key(SWEEPER, "place")))
                .update_expression(format!("SET {name} = :place"))
                .condition_expression(format!("attribute_not_exists({name}) OR {name} < :place"))
                .expression_attribute_values(":place", text(place))
                .send()
                .await;
            match answer {
                Ok(_) => {}
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(_)) => {}
                    _ => return Err(unavailable("UpdateItem", &SWEEPER, error)),
                },
            }
        }
        Ok(())
    }
}

fn read_again(text: &str) -> Option<Again> {
    let (began, through) = text.split_once('/')?;
    Some(Again { began: began.parse().ok()?, through: through.parse().ok()? })
}

/// `None` for an item that this version does not know: it stays, and shows in the index.
pub(super) fn read_work(item: &Item) -> Option<OpenWork> {
    let kind = read_text(item, "kind")?;
    let what = match kind.strip_prefix("email/") {
        Some(key) => Open::Email { key: key.to_owned(), entry: Box::new(read_entry(item)?) },
        None if kind == "cursor" => {
            read_cursor(item).behind?;
            Open::Behind
        }
        None if kind == HELD => Open::Held(read_held(item)?),
        None => return None,
    };
    let buyer = item.get("buyer").and_then(|value: &AttributeValue| value.as_s().ok())?;
    Some(OpenWork { buyer: BuyerId::parse(buyer).ok()?, due: read_time(item, "due")?, what })
}
