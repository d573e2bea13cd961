//! Both tables, in an engine in this process, and the access of the tests to them that does not use the functions.

use contract::stored::{Commit, StoredCommit, decode};
use dynoxide::Database;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
pub use testkit::engine::{LEADS, STREAMS};

/// A time in the past: items with this due time are due.
const LONG_AGO: &str = "2001-01-01T00:00:00.000Z";

/// Creates the tables. They are empty except for the sweeper's place, which is that of a sweep a minute ago; without
/// it, the first walk would read a whole day.
///
/// # Panics
/// The engine refuses the definition of a table.
#[must_use]
pub fn create() -> Database {
    let database = testkit::engine::database();
    let place = Timestamp::now() - SignedDuration::from_mins(1);
    let place = json!({ "S": format!("{place:.3}") });
    let item = json!({
        "buyer": { "S": "sweeper/place" }, "kind": { "S": "place" }, "walkedThrough": place, "walkedAgainAt": place,
    });
    let put = json!({ "TableName": LEADS, "Item": item });
    database.put_item(serde_json::from_value(put).unwrap()).unwrap();
    database
}

/// Every commit, ordered by buyer and sequence number.
pub(crate) fn commits(database: &Database) -> Vec<Commit> {
    let mut commits: Vec<Commit> =
        scan(database, STREAMS).iter().map(|item| decode(&stored(item)).unwrap()).collect();
    commits.sort_by(|one, other| (&one.buyer, one.first).cmp(&(&other.buyer, other.first)));
    commits
}

/// Every item of the leads table.
pub(crate) fn leads_items(database: &Database) -> Vec<Value> {
    scan(database, LEADS)
}

/// Lets time pass: items that wait for a due time (the end of a claim, the next attempt) become due, and the lease of a
/// killed sweep expires. Hours would have no other effect on the tables, and no function runs meanwhile. Mails in doubt
/// keep their due time, because their hour has not passed.
pub(crate) fn make_everything_due(database: &Database) {
    for item in leads_items(database) {
        let waits = |name: &&str| item.get(name).is_some() && text(&item, "status") != "unknown";
        for name in ["due", "leaseUntil"].iter().filter(|name| waits(name)) {
            let update = json!({
                "TableName": LEADS,
                "Key": { "buyer": item["buyer"], "kind": item["kind"] },
                "UpdateExpression": format!("SET {name} = :past"),
                "ConditionExpression": format!("{name} = :found"),
                "ExpressionAttributeValues": { ":past": { "S": LONG_AGO }, ":found": item[*name] },
            });
            // If the condition fails, the item no longer waits.
            let _ = database.update_item(serde_json::from_value(update).unwrap());
        }
    }
}

pub(crate) fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name]["S"].as_str().unwrap_or_default()
}

pub(crate) fn number(item: &Value, name: &str) -> u64 {
    item[name]["N"].as_str().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Every item of a table, as stored.
///
/// # Panics
/// The table does not exist.
#[must_use]
pub fn scan(database: &Database, table: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut from = Value::Null;
    loop {
        let mut request = json!({ "TableName": table });
        if !from.is_null() {
            request["ExclusiveStartKey"] = from;
        }
        let answer = database.scan(serde_json::from_value(request).unwrap()).unwrap();
        let mut answer = serde_json::to_value(answer).unwrap();
        items.extend(answer["Items"].as_array().cloned().unwrap_or_default());
        from = answer["LastEvaluatedKey"].take();
        if from.is_null() {
            return items;
        }
    }
}

fn stored(item: &Value) -> StoredCommit {
    let optional = |name: &str| item[name]["S"].as_str().map(str::to_owned);
    StoredCommit {
        buyer: text(item, "buyer").to_owned(),
        sequence: number(item, "sequence"),
        last: number(item, "last"),
        format: u32::try_from(number(item, "format")).unwrap(),
        facts: text(item, "facts").to_owned(),
        effects: optional("effects"),
        snapshot: optional("snapshot"),
        recorded_at: text(item, "recordedAt").to_owned(),
        feed: optional("feed"),
        shadow: item["shadow"]["BOOL"] == true,
        traces: optional("traces"),
        by: optional("by"),
        because: optional("because"),
        emptied_by: None,
    }
}
