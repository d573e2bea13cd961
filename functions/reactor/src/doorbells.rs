use std::collections::BTreeMap;

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use domain::{BuyerId, Sequence};
use serde_dynamo::AttributeValue;

/// The distinct buyers of a batch, each with the newest commit that a record names.
pub(crate) fn doorbells(event: &Event) -> BTreeMap<BuyerId, Sequence> {
    let mut buyers: BTreeMap<BuyerId, Sequence> = BTreeMap::new();
    for record in &event.records {
        if let Some((buyer, sequence)) = commit_key(record) {
            let latest = buyers.entry(buyer).or_default();
            *latest = sequence.max(*latest);
        } else {
            tracing::error!(record = record.event_id, "not a record of the streams table");
        }
    }
    buyers
}

fn commit_key(record: &EventRecord) -> Option<(BuyerId, Sequence)> {
    let (Some(AttributeValue::S(buyer)), Some(AttributeValue::N(sequence))) =
        (record.change.keys.get("buyer"), record.change.keys.get("sequence"))
    else {
        return None;
    };
    Some((BuyerId::parse(buyer).ok()?, Sequence::new(sequence.parse().ok()?)))
}
