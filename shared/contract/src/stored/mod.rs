//! What is stored: one item per commit, its facts, effects and snapshot as text that a person on call can read.
//!
//! A commit is written once and read for ever, so a field is never given another meaning: a change is a new
//! [`FORMAT`] with its own reader beside the old one.

mod effects;
mod facts;
mod offer;
mod shard;
mod state;

use domain::{BuyerId, Effect, Fact, Sequence, State};
use jiff::Timestamp;
pub use shard::shard_of;

/// The version of the facts' and effects' form. Readers know every version up to it; a commit is written in the oldest one
/// that can hold it, so that an older version of the software, deployed beside this one, reads on for as long as it may.
///
/// 1: events. 2: `voided`, and events without contact. 3: what stands beside a former system, which older versions hand over at
/// first sight: `migrated`, `handed-over`, `reset` and commits in shadow; and `erased` without a state.
pub const FORMAT: u32 = 3;

/// The version of the rules that snapshots are made by. One of another fold is not used: the facts are folded again. Raise it with
/// every change of what facts lead to.
pub const FOLD: u32 = 3;

/// What one append writes, as it lies in the table. Attribute names are the field names in camel case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCommit {
    /// Partition key.
    pub buyer: String,
    /// Sort key: the sequence number of the first fact.
    pub sequence: u64,
    /// The sequence number of the last fact.
    pub last: u64,
    /// The oldest [`FORMAT`] that can hold it.
    pub format: u32,
    /// The facts, a JSON array; empty once the commit is emptied.
    pub facts: String,
    /// The effects they call for, one a line; absent when there are none.
    pub effects: Option<String>,
    /// The state after the last fact, when it is worth its bytes.
    pub snapshot: Option<String>,
    /// RFC 3339, by the recorder's clock. No order is taken from it.
    pub recorded_at: String,
    /// Partition key of the sparse index of effectful commits: hour of `recorded_at` and shard.
    pub feed: Option<String>,
    /// Whether its effects are recorded but not to be performed.
    pub shadow: bool,
    /// The sequence number of the fact that took the place of this commit's facts, where an older version of the software took
    /// them out.
    pub emptied_by: Option<u64>,
}

impl StoredCommit {
    /// The same commit as it stays in the stream of an erased buyer: facts without contacts and free text, and no snapshot.
    ///
    /// # Errors
    /// [`Undecodable`]: what cannot be read cannot be cleared of what is personal.
    pub fn without_personal_data(&self) -> Result<Self, Undecodable> {
        let commit = decode(self)?;
        if commit.emptied.is_some() {
            return Ok(self.clone());
        }
        let facts: Vec<Fact> = commit.facts.iter().map(Fact::without_personal_data).collect();
        let (buyer, effects) = (&commit.buyer, &commit.effects);
        let written = encode(buyer, commit.first, &facts, effects, commit.is_shadow, commit.recorded_at);
        let format = written.format.max(self.format);
        Ok(Self { facts: written.facts, format, snapshot: None, ..self.clone() })
    }

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
            + if self.emptied_by.is_some() { 0 } else { text("facts", &self.facts) }
            + optional("effects", self.effects.as_ref())
            + optional("snapshot", self.snapshot.as_ref())
            + text("recordedAt", &self.recorded_at)
            + optional("feed", self.feed.as_ref())
            + if self.shadow { "shadow".len() + 1 } else { 0 }
            + self.emptied_by.map_or(0, |by| number("emptiedBy", by))
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
    /// The facts, in order; none in an emptied commit.
    pub facts: Vec<Fact>,
    /// The effects they call for, in order.
    pub effects: Vec<Effect>,
    /// The state after the last fact, if it was written with it and this version's fold can use it.
    pub snapshot: Option<State>,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Whether its effects are not to be performed: another system performs them.
    pub is_shadow: bool,
    /// What became of its facts, if they were taken out.
    pub emptied: Option<Emptied>,
}

/// What is left of a commit whose facts were taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emptied {
    /// The sequence number that its last fact had.
    pub last: Sequence,
    /// The fact that took their place.
    pub by: Sequence,
}

impl Commit {
    /// The sequence number of the last fact.
    #[must_use]
    pub fn last(&self) -> Sequence {
        let last = || Sequence::new(self.first.get() + (self.facts.len() as u64).saturating_sub(1));
        self.emptied.map_or_else(last, |emptied| emptied.last)
    }

    /// Whether the state after it can be told without anything before it: what a load reads back to.
    #[must_use]
    pub fn is_fresh_start(&self) -> bool {
        self.snapshot.is_some() || self.facts.iter().any(Fact::is_fresh_start)
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
    facts: &[Fact],
    effects: &[Effect],
    is_shadow: bool,
    recorded_at: Timestamp,
) -> StoredCommit {
    let format = if is_shadow { FORMAT } else { facts.iter().map(facts::format_of).max().unwrap_or(1) };
    StoredCommit {
        buyer: buyer.to_string(),
        sequence: first.get(),
        last: first.get() + (facts.len() as u64).saturating_sub(1),
        format,
        facts: facts::encode(facts),
        effects: (!effects.is_empty()).then(|| effects::encode(effects)),
        snapshot: None,
        recorded_at: written(recorded_at),
        feed: None,
        shadow: is_shadow,
        emptied_by: None,
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
    state::encode(state)
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
    let emptied =
        stored.emptied_by.map(|by| Emptied { last: Sequence::new(stored.last), by: Sequence::new(by) });
    let facts = match emptied {
        Some(_) => Vec::new(),
        None => facts::decode(&stored.facts).ok_or_else(|| corrupt("facts"))?,
    };
    let is_whole = match emptied {
        Some(emptied) => stored.last >= stored.sequence && emptied.by > emptied.last,
        None => {
            (facts.len() as u64).checked_sub(1) == stored.last.checked_sub(stored.sequence)
                && !facts.is_empty()
        }
    };
    if stored.sequence == 0 || !is_whole {
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
            .filter(|_| emptied.is_none())
            .and_then(state::decode)
            .filter(|state| state.sequence.get() == stored.last),
        recorded_at: stored.recorded_at.parse().map_err(|_| corrupt("recordedAt"))?,
        is_shadow: stored.shadow,
        emptied,
    })
}
