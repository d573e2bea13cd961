use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, KeysAndAttributes, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use contract::stored::shard_of;
use domain::{BuyerId, LeadId, Priority, Sequence};

use super::table::{
    DynamoLeads, HELD, Item, LEAD_SHARDS, buyer_of, contact, has_failed, if_condition_holds, invalid, key,
    number, open_work, read_cursor, text, time, unavailable,
};
use crate::cursor::{Behind, Cursor, Held, HeldAtHead, LeadChange, Moved, Outcome, Progress};
use crate::store::LeadsUnavailable;
use crate::work::WorkKind;

const CURSOR: &str = "cursor";

/// The number of items that fit into a transaction beside the cursor: DynamoDB permits a hundred.
const BESIDE_THE_CURSOR: usize = 99;

/// The attributes of a mark, as they are listed in a `REMOVE` clause.
const REMOVE_MARK: &str = "mark, reason, attempts, due, openWork";

pub(super) async fn cursor(leads: &DynamoLeads, buyer: &BuyerId) -> Result<Cursor, LeadsUnavailable> {
    let answer = leads
        .client
        .get_item()
        .table_name(&leads.table)
        .set_key(Some(key(buyer.as_str(), CURSOR)))
        .consistent_read(true)
        .send()
        .await
        .map_err(|error| unavailable("GetItem", buyer, error))?;
    Ok(answer.item().map(read_cursor).unwrap_or_default())
}

/// One `BatchGetItem`. Keys that it leaves unprocessed because of throttling are read one by one, which the SDK
/// retries.
pub(super) async fn cursors(
    leads: &DynamoLeads,
    buyers: &[BuyerId],
) -> Result<BTreeMap<BuyerId, Cursor>, LeadsUnavailable> {
    let Some(first) = buyers.first() else { return Ok(BTreeMap::new()) };
    let keys = buyers.iter().map(|buyer| key(buyer.as_str(), CURSOR)).collect();
    let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
    let keys = keys.build().map_err(|error| invalid(first, error))?;
    let answer = leads.client.batch_get_item().request_items(&leads.table, keys).send().await;
    let answer = answer.map_err(|error| unavailable("BatchGetItem", first, error))?;
    let found = answer.responses().and_then(|tables| tables.get(&leads.table));
    let mut cursors: BTreeMap<BuyerId, Cursor> =
        found.into_iter().flatten().filter_map(|item| Some((buyer_of(item)?, read_cursor(item)))).collect();
    let unprocessed = answer.unprocessed_keys().and_then(|tables| tables.get(&leads.table));
    for buyer in unprocessed.into_iter().flat_map(KeysAndAttributes::keys).filter_map(buyer_of) {
        let cursor = cursor(leads, &buyer).await?;
        cursors.insert(buyer, cursor);
    }
    for buyer in buyers {
        // An unknown buyer has a cursor at the start.
        if !cursors.contains_key(buyer) {
            cursors.insert(buyer.clone(), Cursor::default());
        }
    }
    Ok(cursors)
}

pub(super) async fn move_cursor(
    leads: &DynamoLeads,
    buyer: &BuyerId,
    progress: &Progress,
    mark_to_clear: Option<&str>,
) -> Result<Moved, LeadsUnavailable> {
    let is_move = progress.through > progress.from;
    if !is_move && !progress.reports_held() {
        return match mark_to_clear {
            Some(mark) => clear_mark(leads, buyer, mark).await,
            None => Ok(Moved::Done),
        };
    }
    let moved = if progress.items() == 0 {
        move_alone(leads, buyer, progress, mark_to_clear).await?
    } else {
        move_with_items(leads, buyer, progress, mark_to_clear).await?
    };
    match moved {
        Attempt::Moved => Ok(Moved::Done),
        Attempt::Refused(now) if is_move && now.through >= progress.through => Ok(Moved::Overtaken),
        Attempt::Refused(now) if now.through > progress.through => Ok(Moved::Overtaken),
        // A newer mark is set and stays, or a worker with an older head recorded something else as held. The cursor
        // still moves, and records what is held at this head.
        Attempt::Refused(_) => {
            let held = progress.held.clone().map(|held| HeldAtHead { is_known: false, ..held });
            match move_with_items(leads, buyer, &Progress { held, ..progress.clone() }, None).await? {
                Attempt::Moved => Ok(Moved::Done),
                Attempt::Refused(now) if now.through < progress.through => Err(LeadsUnavailable {
                    operation: "TransactWriteItems",
                    buyer: buyer.to_string(),
                    source: Box::new(MovedMeanwhile),
                }),
                Attempt::Refused(_) => Ok(Moved::Overtaken),
            }
        }
    }
}

pub(super) async fn mark_behind(
    leads: &DynamoLeads,
    buyer: &BuyerId,
    behind: &Behind,
) -> Result<(), LeadsUnavailable> {
    let update = leads
        .client
        .update_item()
        .table_name(&leads.table)
        .set_key(Some(key(buyer.as_str(), CURSOR)))
        .update_expression(
            "SET mark = :mark, reason = :reason, attempts = :attempts, due = :due, openWork = :work, \
             through = if_not_exists(through, :start)",
        )
        .expression_attribute_values(":mark", text(&behind.mark))
        .expression_attribute_values(":reason", text(&behind.reason))
        .expression_attribute_values(":attempts", number(u64::from(behind.attempts)))
        .expression_attribute_values(":due", time(behind.not_before))
        .expression_attribute_values(":work", open_work(WorkKind::Behind, buyer))
        .expression_attribute_values(":start", number(Sequence::START.get()))
        // A mark that the SDK sent twice is not a newer mark.
        .condition_expression("NOT mark = :mark");
    if_condition_holds(buyer, update).await.map(|_| ())
}

enum Attempt {
    Moved,
    Refused(Cursor),
}

/// The error for a progress of several transactions between which another worker moved the cursor.
#[derive(Debug, thiserror::Error)]
#[error("another worker moved the cursor in the meantime")]
struct MovedMeanwhile;

async fn clear_mark(leads: &DynamoLeads, buyer: &BuyerId, mark: &str) -> Result<Moved, LeadsUnavailable> {
    let update = leads
        .client
        .update_item()
        .table_name(&leads.table)
        .set_key(Some(key(buyer.as_str(), CURSOR)))
        .update_expression(format!("REMOVE {REMOVE_MARK}"))
        .condition_expression("mark = :mark")
        .expression_attribute_values(":mark", text(mark));
    if_condition_holds(buyer, update).await.map(|_| Moved::Done)
}

/// Moves the cursor without other items. This costs one write unit, where a transaction would cost two.
async fn move_alone(
    leads: &DynamoLeads,
    buyer: &BuyerId,
    progress: &Progress,
    mark: Option<&str>,
) -> Result<Attempt, LeadsUnavailable> {
    let (update, condition, values) = cursor_update(progress, mark, false);
    let sent = leads
        .client
        .update_item()
        .table_name(&leads.table)
        .set_key(Some(key(buyer.as_str(), CURSOR)))
        .update_expression(update)
        .condition_expression(condition)
        .set_expression_attribute_values(Some(values))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    match sent {
        Ok(_) => Ok(Attempt::Moved),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                Ok(Attempt::Refused(failed.item.as_ref().map(read_cursor).unwrap_or_default()))
            }
            _ => Err(unavailable("UpdateItem", buyer, error)),
        },
    }
}

/// Moves the cursor in a transaction with all other items of the progress. If they exceed one transaction, the
/// cursor moves with the last one, and the earlier ones check that it has not moved.
async fn move_with_items(
    leads: &DynamoLeads,
    buyer: &BuyerId,
    progress: &Progress,
    mark: Option<&str>,
) -> Result<Attempt, LeadsUnavailable> {
    let changed = progress.leads.iter().map(|(lead, change)| lead_update(leads, buyer, lead, change));
    let settled =
        progress.settled.iter().map(|(sequence, outcomes)| settled_update(leads, buyer, *sequence, outcomes));
    let held = progress.held.iter().filter(|held| !held.is_known);
    let held = held.map(|held| held_update(leads, buyer, held.oldest.as_ref()));
    let updates: Vec<UpdateBuilder> = changed.chain(settled).chain(held).collect();
    let (first, last) =
        updates.split_at(updates.len().saturating_sub(1) / BESIDE_THE_CURSOR * BESIDE_THE_CURSOR);
    // With several transactions, the cursor must not move between them at all, not even to a lower place: the items
    // written already would then be ahead of the cursor.
    let is_fenced = !first.is_empty();
    for some in first.chunks(BESIDE_THE_CURSOR) {
        let (condition, values) = has_not_moved(progress.from, false);
        let fence = ConditionCheck::builder()
            .table_name(&leads.table)
            .set_key(Some(key(buyer.as_str(), CURSOR)))
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let fence = fence.build().map_err(|error| invalid(buyer, error))?;
        let fence = TransactWriteItem::builder().condition_check(fence).build();
        if let refused @ Attempt::Refused(_) = transact(leads, buyer, fence, some).await? {
            return Ok(refused);
        }
    }
    let (update, condition, values) = cursor_update(progress, mark, is_fenced);
    let cursor = Update::builder()
        .table_name(&leads.table)
        .set_key(Some(key(buyer.as_str(), CURSOR)))
        .update_expression(update)
        .condition_expression(condition)
        .set_expression_attribute_values(Some(values))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let cursor = cursor.build().map_err(|error| invalid(buyer, error))?;
    transact(leads, buyer, TransactWriteItem::builder().update(cursor).build(), last).await
}

/// One transaction of an update or check of the cursor with the updates that depend on its condition.
async fn transact(
    leads: &DynamoLeads,
    buyer: &BuyerId,
    cursor: TransactWriteItem,
    updates: &[UpdateBuilder],
) -> Result<Attempt, LeadsUnavailable> {
    let mut transaction = leads.client.transact_write_items().transact_items(cursor);
    for update in updates {
        let update = update.clone().build().map_err(|error| invalid(buyer, error))?;
        transaction = transaction.transact_items(TransactWriteItem::builder().update(update).build());
    }
    match transaction.send().await {
        Ok(_) => Ok(Attempt::Moved),
        Err(error) => match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled))
                if has_failed(canceled.cancellation_reasons(), 0) =>
            {
                let found = canceled.cancellation_reasons().first().and_then(|reason| reason.item.as_ref());
                Ok(Attempt::Refused(found.map(read_cursor).unwrap_or_default()))
            }
            _ => Err(unavailable("TransactWriteItems", buyer, error)),
        },
    }
}

/// The update for an announced change of a lead. The condition on the cursor in the same transaction fences it.
fn lead_update(leads: &DynamoLeads, buyer: &BuyerId, lead: &LeadId, change: &LeadChange) -> UpdateBuilder {
    let priority = lead.priority();
    let mut set = vec!["priority = :priority".to_owned()];
    let mut values = Item::from([(":priority".to_owned(), text(priority.name()))]);
    let mut remove = Vec::new();
    let mut put = |name: &str, value: AttributeValue| {
        set.push(format!("{name} = :{name}"));
        values.insert(format!(":{name}"), value);
    };
    if let Some(opening) = &change.opened {
        put("openedAt", time(opening.at));
        put("offer", text(opening.offer.as_str()));
        if let Some(car) = &opening.car {
            put("car", text(car.as_str()));
        }
    }
    match (&change.opened, &change.closed) {
        (_, Some(closing)) => {
            put("closedAt", time(closing.at));
            put("closedBecause", text(closing.reason.name()));
            // The sales team does not need the contact of a closed lead.
            remove.extend(["openLeads", "contact"]);
        }
        (Some(opening), None) => {
            put("contact", contact(&opening.contact));
            put("openLeads", open_leads(priority, buyer));
        }
        (None, None) => {}
    }
    let mut expression = format!("SET {}", set.join(", "));
    if !remove.is_empty() {
        expression = format!("{expression} REMOVE {}", remove.join(", "));
    }
    Update::builder()
        .table_name(&leads.table)
        .set_key(Some(key(buyer.as_str(), format!("lead/{lead}"))))
        .update_expression(expression)
        .set_expression_attribute_values(Some(values))
}

/// The update for what is held. If nothing is held, the item keeps only its key and is in no index.
fn held_update(leads: &DynamoLeads, buyer: &BuyerId, oldest: Option<&Held>) -> UpdateBuilder {
    let update = Update::builder()
        .table_name(&leads.table)
        .set_key(Some(key(buyer.as_str(), HELD)))
        .expression_attribute_names("#sequence", "sequence");
    match oldest {
        Some(Held { sequence, since, due }) => update
            .update_expression("SET #sequence = :sequence, since = :since, due = :due, openWork = :work")
            .expression_attribute_values(":sequence", number(sequence.get()))
            .expression_attribute_values(":since", time(*since))
            .expression_attribute_values(":due", time(*due))
            .expression_attribute_values(":work", open_work(WorkKind::Held, buyer)),
        None => update.update_expression("REMOVE #sequence, since, due, openWork"),
    }
}

fn settled_update(
    leads: &DynamoLeads,
    buyer: &BuyerId,
    sequence: Sequence,
    outcomes: &BTreeMap<String, Outcome>,
) -> UpdateBuilder {
    let outcomes = outcomes.iter().map(|(key, outcome)| (key.clone(), text(outcome.name()))).collect();
    Update::builder()
        .table_name(&leads.table)
        .set_key(Some(key(buyer.as_str(), format!("settled/{sequence}"))))
        .update_expression("SET outcomes = :outcomes")
        .expression_attribute_values(":outcomes", AttributeValue::M(outcomes))
}

/// The condition that the cursor has not moved since it was read. `exists` is true if the cursor is known to be stored.
fn has_not_moved(from: Sequence, exists: bool) -> (&'static str, Item) {
    let values = Item::from([(":from".to_owned(), number(from.get()))]);
    if from == Sequence::START && !exists {
        ("(attribute_not_exists(through) OR through = :from)", values)
    } else {
        ("through = :from", values)
    }
}

/// The update expression, condition and values for the cursor. A progress that does not move the cursor requires that
/// it is still at the same place: a worker that moved it has seen a later head.
fn cursor_update(progress: &Progress, mark: Option<&str>, is_fenced: bool) -> (String, String, Item) {
    let mut set = "SET through = :through".to_owned();
    let mut remove = Vec::new();
    // A cursor with a mark or a record of held events is stored.
    let exists =
        mark.is_some() || matches!(progress.held, Some(HeldAtHead { is_known: true, oldest: Some(_) }));
    let mut values = Item::from([(":through".to_owned(), number(progress.through.get()))]);
    let condition = match (progress.through > progress.from, exists) {
        _ if is_fenced => {
            let (condition, of_fence) = has_not_moved(progress.from, exists);
            values.extend(of_fence);
            condition
        }
        (true, false) => "(attribute_not_exists(through) OR through < :through)",
        (true, true) => "through < :through",
        (false, _) => "through = :through",
    };
    let mut condition = condition.to_owned();
    if let Some(mark) = mark {
        remove.push(REMOVE_MARK);
        condition.push_str(" AND mark = :mark");
        values.insert(":mark".to_owned(), text(mark));
    }
    match &progress.held {
        Some(HeldAtHead { is_known: true, oldest: Some(_) }) => {
            condition.push_str(" AND attribute_exists(holds)");
        }
        Some(HeldAtHead { is_known: true, oldest: None }) => {
            condition.push_str(" AND attribute_not_exists(holds)");
        }
        Some(HeldAtHead { is_known: false, oldest: Some(_) }) => {
            set.push_str(", holds = :true");
            values.insert(":true".to_owned(), AttributeValue::Bool(true));
        }
        Some(HeldAtHead { is_known: false, oldest: None }) => remove.push("holds"),
        None => {}
    }
    let update = if remove.is_empty() { set } else { format!("{set} REMOVE {}", remove.join(", ")) };
    (update, condition, values)
}

/// The buyer's partition of this priority in the index `open-leads`.
fn open_leads(priority: Priority, buyer: &BuyerId) -> AttributeValue {
    text(format!("{}#{}", priority.name(), shard_of(buyer, LEAD_SHARDS)))
}
