//! The item of pauses, in DynamoDB.

use aws_sdk_dynamodb::types::AttributeValue;

use super::about::Unreadable;
use super::operators::update_unless_changed;
use super::table::{
    DynamoLeads, Item, key, number, read_number, read_text, read_time, text, time, unavailable,
};
use crate::pauses::{Pausable, Pause, Pauses, Span};
use crate::store::LeadsUnavailable;

/// The partition key of the item. No buyer can have it, because ids contain no `/`.
const EFFECTS: &str = "effects/pauses";

/// The sort key of the item.
const PAUSES: &str = "pauses";

pub(super) async fn pauses(leads: &DynamoLeads) -> Result<Pauses, LeadsUnavailable> {
    let get = leads.client.get_item().table_name(&leads.table).set_key(Some(key(EFFECTS, PAUSES)));
    let found = get.consistent_read(true).send().await;
    let found = found.map_err(|error| unavailable("GetItem", &EFFECTS, error))?;
    let Some(item) = found.item() else { return Ok(Pauses::default()) };
    read_pauses(item).ok_or_else(|| LeadsUnavailable {
        operation: "GetItem",
        buyer: EFFECTS.to_owned(),
        source: Box::new(Unreadable { kind: PAUSES.to_owned() }),
    })
}

impl DynamoLeads {
    /// Writes pauses, of which `found` was read before. Returns `false` if they have changed since.
    ///
    /// # Errors
    /// [`LeadsUnavailable`].
    pub async fn change_pauses(&self, found: &Pauses, after: &Pauses) -> Result<bool, LeadsUnavailable> {
        let past = after.past.iter().map(|Span { since, until }| {
            AttributeValue::M(Item::from([
                ("since".to_owned(), time(*since)),
                ("until".to_owned(), time(*until)),
            ]))
        });
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(EFFECTS, PAUSES)))
            .expression_attribute_values(":version", number(after.version))
            .expression_attribute_values(":past", AttributeValue::L(past.collect()));
        update = if found.version == 0 {
            update.condition_expression("attribute_not_exists(version)")
        } else {
            update
                .condition_expression("version = :found")
                .expression_attribute_values(":found", number(found.version))
        };
        let (mut set, mut remove) = ("SET version = :version, past = :past".to_owned(), Vec::new());
        for kind in Pausable::ALL {
            let name = kind.name();
            if let Some(pause) = after.of(kind) {
                set.extend([", ", name, " = :", name]);
                update = update.expression_attribute_values(format!(":{name}"), pause_item(pause));
            } else {
                remove.push(name);
            }
        }
        if !remove.is_empty() {
            set = format!("{set} REMOVE {}", remove.join(", "));
        }
        let is_ours = |item: &Item| read_pauses(item).is_some_and(|now| now == *after);
        update_unless_changed(&EFFECTS, update.update_expression(set), is_ours).await
    }
}

fn pause_item(Pause { since, by, reason }: &Pause) -> AttributeValue {
    AttributeValue::M(Item::from([
        ("since".to_owned(), time(*since)),
        ("by".to_owned(), text(by)),
        ("reason".to_owned(), text(reason)),
    ]))
}

/// Reads the item; `None` if a part of it is not as this version writes it.
fn read_pauses(item: &Item) -> Option<Pauses> {
    let pause = |kind: Pausable| -> Option<Option<Pause>> {
        let Some(pause) = item.get(kind.name()) else { return Some(None) };
        let pause = pause.as_m().ok()?;
        Some(Some(Pause {
            since: read_time(pause, "since")?,
            by: read_text(pause, "by")?,
            reason: read_text(pause, "reason")?,
        }))
    };
    let past = item.get("past")?.as_l().ok()?.iter().map(|span| {
        let span = span.as_m().ok()?;
        Some(Span { since: read_time(span, "since")?, until: read_time(span, "until")? })
    });
    Some(Pauses {
        emails: pause(Pausable::Emails)?,
        sales: pause(Pausable::Sales)?,
        past: past.collect::<Option<_>>()?,
        version: read_number(item, "version")?,
    })
}
