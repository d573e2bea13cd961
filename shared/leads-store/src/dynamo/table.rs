//! The table itself, and what every request to it needs; conversion to and from DynamoDB attributes. Names are in camel
//! case, times in RFC 3339.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::fmt;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason};
use contract::stored::{Act, shard_of, written};
use domain::{BuyerId, Contact, Sequence};
use jiff::Timestamp;

use crate::cursor::{Behind, Cursor, Held};
use crate::ledger::{AddressDigest, LedgerEntry, ReceiptRecord, Status};
use crate::store::LeadsUnavailable;
use crate::work::{WORK_SHARDS, WorkKind, WorkShard};

/// The leads table, and the streams table, in which claims check that no commit follows the head.
#[derive(Debug, Clone)]
pub struct DynamoLeads {
    pub(super) client: Client,
    pub(super) table: String,
    pub(super) streams_table: String,
}

impl DynamoLeads {
    /// The tables with these names. The client should use the retry classifier `platform::RetryConflicts`.
    #[must_use]
    pub const fn new(client: Client, table: String, streams_table: String) -> Self {
        Self { client, table, streams_table }
    }
}

/// The sort key of the item that records held events.
pub(super) const HELD: &str = "held";

/// The number of shards per priority in the index `open-leads`.
pub(super) const LEAD_SHARDS: u8 = 4;

/// The buyer's partition of this kind in the index `open-work`.
pub(super) fn open_work(kind: WorkKind, buyer: &BuyerId) -> AttributeValue {
    let shard = WorkShard { kind, shard: shard_of(buyer, WORK_SHARDS) };
    AttributeValue::S(partition(shard))
}

/// The key of a partition of the index `open-work`.
pub(super) fn partition(shard: WorkShard) -> String {
    format!("{}#{}", shard.kind.name(), shard.shard)
}

/// Sends an update and returns its attributes, or `None` if its condition failed, which is not an error.
pub(super) async fn if_condition_holds(
    buyer: &impl fmt::Display,
    update: UpdateItemFluentBuilder,
) -> Result<Option<Item>, LeadsUnavailable> {
    match update.send().await {
        Ok(done) => Ok(Some(done.attributes.unwrap_or_default())),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
            _ => Err(unavailable("UpdateItem", buyer, error)),
        },
    }
}

pub(super) fn unavailable<E, R>(
    operation: &'static str,
    buyer: &impl fmt::Display,
    error: SdkError<E, R>,
) -> LeadsUnavailable
where
    E: Error + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    LeadsUnavailable { operation, buyer: buyer.to_string(), source: Box::new(error) }
}

/// The error for a request that the SDK refuses to build.
pub(super) fn invalid(buyer: &BuyerId, error: BuildError) -> LeadsUnavailable {
    LeadsUnavailable { operation: "TransactWriteItems", buyer: buyer.to_string(), source: Box::new(error) }
}

/// Whether the condition of this part of a canceled transaction failed.
pub(super) fn has_failed(reasons: &[CancellationReason], part: usize) -> bool {
    reasons.get(part).and_then(CancellationReason::code) == Some("ConditionalCheckFailed")
}

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

/// The key of an e-mail's ledger entry.
pub(super) fn entry_key(buyer: &BuyerId, effect_key: &str) -> Item {
    key(buyer.as_str(), format!("email/{effect_key}"))
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
        allowed: read_act(item, "allowedBy", "allowedBecause"),
        holds,
    }
}

/// Reads whose act it was from attributes of these names.
fn read_act(item: &Item, by: &str, because: &str) -> Option<Act> {
    Some(Act { by: read_text(item, by)?, because: read_text(item, because).unwrap_or_default() })
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
        act: read_act(item, "by", "because"),
    })
}
