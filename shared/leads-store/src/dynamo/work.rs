//! Open work and the sweeper's own item, in DynamoDB.

use aws_sdk_dynamodb::types::{ReturnValue, Select};
use contract::stored::written;
use jiff::Timestamp;

use super::table::{
    DynamoLeads, HELD, Item, buyer_of, if_condition_holds, key, partition, read_cursor, read_entry,
    read_held, read_text, read_time, text, time, unavailable,
};
use crate::store::LeadsUnavailable;
use crate::work::{Again, Lease, Open, OpenWork, Walked, WorkCount, WorkPage, WorkPlace, WorkShard};

/// The partition key of the sweeper's own item. No buyer can have it, because ids contain no `/`.
const SWEEPER: &str = "sweeper/place";

pub(super) async fn due(
    leads: &DynamoLeads,
    shard: WorkShard,
    until: Timestamp,
    after: Option<&WorkPlace>,
    limit: usize,
) -> Result<WorkPage, LeadsUnavailable> {
    let page = leads
        .client
        .query()
        .table_name(&leads.table)
        .index_name("open-work")
        .key_condition_expression("openWork = :work AND due <= :until")
        .expression_attribute_values(":work", text(partition(shard)))
        .expression_attribute_values(":until", time(until))
        .set_exclusive_start_key(after.map(|place| start_after(shard, place)))
        .limit(i32::try_from(limit).unwrap_or(i32::MAX))
        .send()
        .await
        .map_err(|error| unavailable("Query", &SWEEPER, error))?;
    let items = page.items().iter().map(|item| read_work(item).ok_or_else(|| place_of(item))).collect();
    Ok(WorkPage { items, next: page.last_evaluated_key().map(place_of) })
}

/// One `Query` that counts items without returning them.
pub(super) async fn count(
    leads: &DynamoLeads,
    shard: WorkShard,
    after: Option<&WorkPlace>,
) -> Result<WorkCount, LeadsUnavailable> {
    let page = leads
        .client
        .query()
        .table_name(&leads.table)
        .index_name("open-work")
        .select(Select::Count)
        .key_condition_expression("openWork = :work")
        .expression_attribute_values(":work", text(partition(shard)))
        .set_exclusive_start_key(after.map(|place| start_after(shard, place)))
        .send()
        .await
        .map_err(|error| unavailable("Query", &SWEEPER, error))?;
    let count = u64::try_from(page.count()).unwrap_or_default();
    Ok(WorkCount { count, next: page.last_evaluated_key().map(place_of) })
}

pub(super) async fn postpone(
    leads: &DynamoLeads,
    place: &WorkPlace,
    until: Timestamp,
) -> Result<(), LeadsUnavailable> {
    let update = leads
        .client
        .update_item()
        .table_name(&leads.table)
        .set_key(Some(key(&place.buyer, &place.kind)))
        .update_expression("SET due = :until")
        .condition_expression("due = :due")
        .expression_attribute_values(":until", time(until))
        .expression_attribute_values(":due", text(&place.due));
    if_condition_holds(&place.buyer, update).await.map(|_| ())
}

pub(super) async fn begin(
    leads: &DynamoLeads,
    lease: &Lease,
) -> Result<Option<Option<Walked>>, LeadsUnavailable> {
    let update = leads
        .client
        .update_item()
        .table_name(&leads.table)
        .set_key(Some(key(SWEEPER, "place")))
        .update_expression("SET lease = :lease, leaseUntil = :until")
        // A lease that the SDK sent twice is still ours.
        .condition_expression("attribute_not_exists(lease) OR lease = :lease OR leaseUntil < :now")
        .expression_attribute_values(":lease", text(&lease.nonce))
        .expression_attribute_values(":until", time(lease.until))
        .expression_attribute_values(":now", time(lease.now))
        .return_values(ReturnValue::AllNew);
    let place = if_condition_holds(&SWEEPER, update).await?;
    Ok(place.map(|place| read_walked(&place)))
}

/// How far the sweeper has walked, in one eventually consistent `GetItem`; `None` before the first walk.
pub(super) async fn walked(leads: &DynamoLeads) -> Result<Option<Walked>, LeadsUnavailable> {
    let get = leads.client.get_item().table_name(&leads.table).set_key(Some(key(SWEEPER, "place")));
    let place = get.send().await.map_err(|error| unavailable("GetItem", &SWEEPER, error))?;
    Ok(place.item().and_then(read_walked))
}

pub(super) async fn set_walked(leads: &DynamoLeads, walked: Walked) -> Result<(), LeadsUnavailable> {
    // Each position moves forward independently, so each has its own update. The stored times compare correctly as
    // strings.
    let again = format!("{}/{}", written(walked.again.began), written(walked.again.through));
    for (name, place) in [
        ("walkedThrough", written(walked.through)),
        ("walkedAgain", again),
        ("walkedAgainAt", written(walked.again_at)),
    ] {
        let update = leads
            .client
            .update_item()
            .table_name(&leads.table)
            .set_key(Some(key(SWEEPER, "place")))
            .update_expression(format!("SET {name} = :place"))
            .condition_expression(format!("attribute_not_exists({name}) OR {name} < :place"))
            .expression_attribute_values(":place", text(place));
        if_condition_holds(&SWEEPER, update).await?;
    }
    Ok(())
}

pub(super) async fn end(leads: &DynamoLeads, lease: &Lease) -> Result<(), LeadsUnavailable> {
    let update = leads
        .client
        .update_item()
        .table_name(&leads.table)
        .set_key(Some(key(SWEEPER, "place")))
        .update_expression("REMOVE lease, leaseUntil")
        .condition_expression("lease = :lease")
        .expression_attribute_values(":lease", text(&lease.nonce));
    if_condition_holds(&SWEEPER, update).await.map(|_| ())
}

fn read_walked(place: &Item) -> Option<Walked> {
    let (through, again_at) = (read_time(place, "walkedThrough")?, read_time(place, "walkedAgainAt")?);
    let again = read_text(place, "walkedAgain");
    let again = again.as_deref().and_then(read_again).unwrap_or(Walked::to(again_at).again);
    Some(Walked { through, again_at, again })
}

fn read_again(text: &str) -> Option<Again> {
    let (began, through) = text.split_once('/')?;
    Some(Again { began: began.parse().ok()?, through: through.parse().ok()? })
}

/// The exclusive start key for a query that continues after this place.
fn start_after(shard: WorkShard, place: &WorkPlace) -> Item {
    let mut start = key(&place.buyer, &place.kind);
    start.insert("openWork".to_owned(), text(partition(shard)));
    start.insert("due".to_owned(), text(&place.due));
    start
}

fn place_of(item: &Item) -> WorkPlace {
    let text = |name| read_text(item, name).unwrap_or_default();
    WorkPlace { due: text("due"), buyer: text("buyer"), kind: text("kind") }
}

/// Reads an item of open work. Returns `None` for an item that this version of the software cannot read; it stays in
/// the index.
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
    Some(OpenWork { buyer: buyer_of(item)?, due: read_time(item, "due")?, what })
}
