//! Conversion to and from DynamoDB attributes. Names are in camel case, times in RFC 3339.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use contract::stored::written;
use domain::{BuyerId, Contact, Sequence};
use jiff::Timestamp;

use crate::{AddressDigest, Behind, Cursor, Held, LedgerEntry, ReceiptRecord, Status};

pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A time as an attribute. It always has the same number of digits, so that conditions and indexes, which compare
/// strings, compare times correctly.
pub(super) fn time(value: Timestamp) -> AttributeValue {
    AttributeValue::S(written(value))
}

pub(super) fn contact(contact: &Contact) -> AttributeValue {
    let mut fields =
        Item::from([("name".to_owned(), text(&contact.name)), ("email".to_owned(), text(&contact.email))]);
    if let Some(phone) = &contact.phone {
        fields.insert("phone".to_owned(), text(phone));
    }
    AttributeValue::M(fields)
}

pub(super) fn key(buyer: &str, kind: impl Into<String>) -> Item {
    Item::from([("buyer".to_owned(), text(buyer)), ("kind".to_owned(), text(kind))])
}

pub(super) fn read_text(item: &Item, name: &str) -> Option<String> {
    item.get(name)?.as_s().ok().cloned()
}

pub(super) fn buyer_of(item: &Item) -> Option<BuyerId> {
    BuyerId::parse(&read_text(item, "buyer")?).ok()
}

pub(super) fn read_number(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

pub(super) fn read_time(item: &Item, name: &str) -> Option<Timestamp> {
    read_text(item, name)?.parse().ok()
}

pub(super) fn read_cursor(item: &Item) -> Cursor {
    let behind = read_text(item, "mark").map(|mark| Behind {
        mark,
        reason: read_text(item, "reason").unwrap_or_default(),
        attempts: read_number(item, "attempts").and_then(|count| u32::try_from(count).ok()).unwrap_or(1),
        not_before: read_time(item, "due").unwrap_or_default(),
    });
    let stopped = item.get("stopped").and_then(|digests| digests.as_ss().ok()).into_iter().flatten();
    let stopped: BTreeSet<AddressDigest> = stopped.cloned().map(AddressDigest).collect();
    let holds = item.get("holds").and_then(|holds| holds.as_bool().ok()).copied().unwrap_or_default();
    Cursor {
        through: Sequence::new(read_number(item, "through").unwrap_or_default()),
        behind,
        stopped,
        holds,
    }
}

/// Reads the item that records held events. Returns `None` for the empty item that remains when nothing is held any
/// more.
pub(super) fn read_held(item: &Item) -> Option<Held> {
    Some(Held {
        sequence: Sequence::new(read_number(item, "sequence")?),
        since: read_time(item, "since")?,
        due: read_time(item, "due")?,
    })
}

pub(super) fn read_entry(item: &Item) -> Option<LedgerEntry> {
    Some(LedgerEntry {
        status: Status::parse(&read_text(item, "status")?)?,
        nonce: read_text(item, "nonce")?,
        sequence: Sequence::new(read_number(item, "sequence")?),
        address: AddressDigest(read_text(item, "address")?),
        due: read_time(item, "due"),
        first_tried_at: read_time(item, "firstTriedAt"),
        is_unsent: item.get("unsent").and_then(|unsent| unsent.as_bool().ok()).copied().unwrap_or_default(),
        since: read_time(item, "since")?,
        message_id: read_text(item, "messageId"),
        reason: read_text(item, "reason"),
        receipts: ReceiptRecord {
            bounced_at: read_time(item, "bouncedAt"),
            passing_bounce_at: read_time(item, "passingBounceAt"),
            complained_at: read_time(item, "complainedAt"),
        },
    })
}
