//! What is stored: one item per commit, its facts, effects and snapshot as JSON text that a person on call can read.
//!
//! A commit is written once and read for ever, so a field is never given another meaning: a change is a new
//! [`FORMAT`] with its own reader beside the old one.

mod effects;
mod facts;
mod snapshot;

use domain::{BuyerId, Effect, Event, Sequence, State};
use jiff::Timestamp;

/// The version of the facts' and effects' form. Readers know every version up to it.
pub const FORMAT: u32 = 1;

/// The version of the fold that snapshots were made by. A snapshot of another fold is not used: the facts are
/// folded again.
pub const FOLD: u32 = 1;

/// What one append writes, as it lies in the table. Attribute names are the field names in camel case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCommit {
    /// Partition key.
    pub buyer: String,
    /// Sort key: the sequence number of the first fact.
    pub sequence: u64,
    /// The sequence number of the last fact.
    pub last: u64,
    /// [`FORMAT`] at the time of writing.
    pub format: u32,
    /// The facts, a JSON array.
    pub facts: String,
    /// The effects they call for, a JSON array; absent when there are none.
    pub effects: Option<String>,
    /// The state after the last fact, when it is worth its bytes.
    pub snapshot: Option<String>,
    /// RFC 3339, by the recorder's clock. No order is taken from it.
    pub recorded_at: String,
    /// Partition key of the sparse index of effectful commits: hour of `recorded_at` and shard.
    pub feed: Option<String>,
}

impl StoredCommit {
    /// The item's size in bytes as DynamoDB counts it: names and values in UTF-8, numbers at most 21.
    ///
    /// Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats".
    #[must_use]
    pub fn bytes(&self) -> usize {
        let text = |name: &str, value: &str| name.len() + value.len();
        let number = |name: &str, value: u64| name.len() + number_bytes(value);
        let optional = |name: &str, value: Option<&String>| value.map_or(0, |value| text(name, value));
        text("buyer", &self.buyer)
            + number("sequence", self.sequence)
            + number("last", self.last)
            + number("format", u64::from(self.format))
            + text("facts", &self.facts)
            + optional("effects", self.effects.as_ref())
            + optional("snapshot", self.snapshot.as_ref())
            + text("recordedAt", &self.recorded_at)
            + optional("feed", self.feed.as_ref())
    }
}

/// One byte for every two significant digits, and one more.
fn number_bytes(value: u64) -> usize {
    let digits = value.to_string();
    digits.trim_end_matches('0').len().max(1).div_ceil(2) + 1
}

/// A commit as the rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Whose stream.
    pub buyer: BuyerId,
    /// The sequence number of the first fact.
    pub first: Sequence,
    /// The facts, in order, at least one.
    pub facts: Vec<Event>,
    /// The effects they call for, in order.
    pub effects: Vec<Effect>,
    /// The state after the last fact, if it was written with it and this version's fold can use it.
    pub snapshot: Option<State>,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl Commit {
    /// The sequence number of the last fact.
    #[must_use]
    pub fn last(&self) -> Sequence {
        Sequence::new(self.first.get() + (self.facts.len() as u64 - 1))
    }
}

/// Why a stored item cannot be read. Never guessed round: the buyer waits for a person or a newer version.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// Written by a newer version of the software.
    #[error(
        "commit {buyer}/{sequence} has format {format}, this version reads up to {FORMAT}: deploy the newer version"
    )]
    NewerFormat {
        /// Whose stream.
        buyer: String,
        /// Where in it.
        sequence: u64,
        /// The format found.
        format: u32,
    },
    /// Not what any version wrote.
    #[error("commit {buyer}/{sequence}: {part} cannot be read")]
    Corrupt {
        /// Whose stream.
        buyer: String,
        /// Where in it.
        sequence: u64,
        /// Which attribute.
        part: &'static str,
    },
}

/// Encodes facts and effects; the snapshot and the index key are put in by whoever appends.
#[must_use]
pub fn encode(
    buyer: &BuyerId,
    first: Sequence,
    events: &[Event],
    effects: &[Effect],
    recorded_at: Timestamp,
) -> StoredCommit {
    StoredCommit {
        buyer: buyer.to_string(),
        sequence: first.get(),
        last: first.get() + (events.len() as u64).saturating_sub(1),
        format: FORMAT,
        facts: facts::encode(events),
        effects: (!effects.is_empty()).then(|| effects::encode(effects)),
        snapshot: None,
        recorded_at: written(recorded_at),
        feed: None,
    }
}

/// A moment as it is stored: always with milliseconds, so that texts are in the order of time.
#[must_use]
pub fn written(moment: Timestamp) -> String {
    format!("{moment:.3}")
}

/// Encodes a state as a snapshot. Held events and contacts are in it too.
#[must_use]
pub fn encode_snapshot(state: &State) -> String {
    snapshot::encode(state)
}

/// Reads a stored commit back.
///
/// # Errors
/// [`Undecodable`] when the facts or effects cannot be read. A snapshot that cannot be read is no error: it is a cache,
/// and the facts are folded instead.
pub fn decode(stored: &StoredCommit) -> Result<Commit, Undecodable> {
    let corrupt =
        |part| Undecodable::Corrupt { buyer: stored.buyer.clone(), sequence: stored.sequence, part };
    if stored.format > FORMAT {
        return Err(Undecodable::NewerFormat {
            buyer: stored.buyer.clone(),
            sequence: stored.sequence,
            format: stored.format,
        });
    }
    let facts = facts::decode(&stored.facts).ok_or_else(|| corrupt("facts"))?;
    let after_first = (facts.len() as u64).checked_sub(1);
    let last = after_first.and_then(|count| stored.sequence.checked_add(count));
    if stored.sequence == 0 || last != Some(stored.last) {
        return Err(corrupt("last"));
    }
    Ok(Commit {
        buyer: BuyerId::parse(&stored.buyer).map_err(|_| corrupt("buyer"))?,
        first: Sequence::new(stored.sequence),
        facts,
        effects: match &stored.effects {
            Some(text) => effects::decode(text).ok_or_else(|| corrupt("effects"))?,
            None => Vec::new(),
        },
        snapshot: stored
            .snapshot
            .as_deref()
            .and_then(snapshot::decode)
            .filter(|state| state.sequence.get() == stored.last),
        recorded_at: stored.recorded_at.parse().map_err(|_| corrupt("recordedAt"))?,
    })
}
