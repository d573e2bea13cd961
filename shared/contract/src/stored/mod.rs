//! The stored format: one item per commit, with its facts, effects and snapshot as text that an engineer on call can
//! read.
//!
//! A commit is written once and must stay readable permanently, so a field never changes its meaning. Every change is a
//! new [`FORMAT`] with its own reader beside the old one.

pub mod export;
mod facts;
mod offer;

use std::collections::BTreeMap;

use domain::{BuyerId, Effect, EffectKind, Fact, Sequence, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use facts::FOLD;

use crate::trace::TraceParent;

/// The newest version of the format of facts and effects. Readers understand every version up to it. A commit is
/// written in the oldest version that can hold it, so that an older version of the software, deployed beside this one,
/// can still read as many commits as possible.
///
/// Format 1 holds events. Format 2 adds `voided` and events without a contact. Format 3 adds everything that concerns
/// the former system, because older versions would hand such a buyer over at once: `migrated`, `handed-over`, `reset`
/// and commits in shadow. It also adds `erased` without a state.
pub const FORMAT: u32 = 3;

/// One commit as it is stored in the table. Attribute names are the field names in camel case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoredCommit {
    /// The partition key.
    pub buyer: String,
    /// The sort key: the sequence of the first fact.
    pub sequence: u64,
    /// The sequence of the last fact.
    pub last: u64,
    /// The oldest [`FORMAT`] that can hold the commit.
    pub format: u32,
    /// The facts as a JSON array; empty in an emptied commit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub facts: String,
    /// The effects that the facts call for, one per line; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<String>,
    /// The state after the last fact, if it is worth its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// When the commit was recorded by the recorder's clock, in RFC 3339. No order is derived from it.
    pub recorded_at: String,
    /// The partition key of the sparse index `feed`: the hour of `recorded_at` and the shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    /// Whether the effects are recorded but not performed.
    #[serde(default, skip_serializing_if = "facts::is_false")]
    pub shadow: bool,
    /// The senders' places in traces, one per line; absent if no event has one. Older versions ignore it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<String>,
    /// The operator whose act the commit is; absent if it is the recorder's. Older versions ignore it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why the operator did it. Older versions ignore it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// The sequence of the fact that replaced this commit's facts, if an older version of the software removed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emptied_by: Option<u64>,
}

/// Who carried out an operator's act, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// The caller's identity, for example `arn:aws:sts::123456789012:assumed-role/operator/kim`.
    pub by: String,
    /// The operator's words, or nothing. They may concern the buyer, so an erasure removes them.
    pub because: String,
}

impl std::fmt::Display for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.because.as_str() {
            "" => write!(f, "by {}", self.by),
            because => write!(f, "by {}: {because}", self.by),
        }
    }
}

impl StoredCommit {
    /// The commit as the act of an operator.
    #[must_use]
    pub fn by(&self, act: &Act) -> Self {
        let because = Some(act.because.clone()).filter(|because| !because.is_empty());
        Self { by: Some(act.by.clone()), because, ..self.clone() }
    }

    /// The commit as it remains in the stream of an erased buyer: facts without contacts, no free text and no snapshot.
    ///
    /// # Errors
    /// [`Undecodable`]: personal data cannot be removed from a commit that cannot be read.
    pub fn without_personal_data(&self) -> Result<Self, Undecodable> {
        let commit = decode(self)?;
        if commit.emptied.is_some() {
            return Ok(self.clone());
        }
        let facts: Vec<Fact> = commit.facts.iter().map(Fact::without_personal_data).collect();
        let (buyer, effects) = (&commit.buyer, &commit.effects);
        let written = encode(buyer, commit.first, &facts, effects, commit.is_shadow, commit.recorded_at);
        let format = written.format.max(self.format);
        Ok(Self { facts: written.facts, format, snapshot: None, because: None, ..self.clone() })
    }

    /// The size of the item in bytes as DynamoDB counts it: names and values in UTF-8, and at most 21 bytes per number.
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
            + optional("traces", self.traces.as_ref())
            + optional("by", self.by.as_ref())
            + optional("because", self.because.as_ref())
            + self.emptied_by.map_or(0, |by| number("emptiedBy", by))
    }
}

/// The stored size of a number in bytes: one for every two significant digits, plus one.
fn number_bytes(value: u64) -> usize {
    let digits = value.to_string();
    digits.trim_end_matches('0').len().max(1).div_ceil(2) + 1
}

/// A decoded commit, in terms of the domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The buyer to whose stream the commit belongs.
    pub buyer: BuyerId,
    /// The sequence of the first fact.
    pub first: Sequence,
    /// The facts in order; none in an emptied commit.
    pub facts: Vec<Fact>,
    /// The effects that the facts call for, in order.
    pub effects: Vec<Effect>,
    /// The state after the last fact, if the commit has a snapshot of this version's fold.
    pub snapshot: Option<State>,
    /// When the commit was recorded.
    pub recorded_at: Timestamp,
    /// Whether the effects are recorded but not performed, because the former system performs its own.
    pub is_shadow: bool,
    /// The places in traces of the senders of events, by the event's sequence.
    pub traces: BTreeMap<Sequence, TraceParent>,
    /// Whose act the commit is, if an operator's.
    pub act: Option<Act>,
    /// What replaced the facts, if an older version of the software removed them.
    pub emptied: Option<Emptied>,
}

/// The remains of a commit whose facts were removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emptied {
    /// The sequence of the commit's last fact.
    pub last: Sequence,
    /// The sequence of the fact that replaced the removed facts.
    pub by: Sequence,
}

impl Commit {
    /// The sequence of the last fact.
    #[must_use]
    pub fn last(&self) -> Sequence {
        let last = || Sequence::new(self.first.get() + (self.facts.len() as u64).saturating_sub(1));
        self.emptied.map_or_else(last, |emptied| emptied.last)
    }

    /// Where the event that called for an effect was recorded in a trace; `None` if its sender gave no trace.
    #[must_use]
    pub fn trace_of(&self, effect: &Effect) -> Option<TraceParent> {
        self.traces.get(&effect.sequence).map(|sender| sender.recorded(&self.buyer, effect.sequence))
    }

    /// Whether the state after this commit can be computed without any earlier commit. A load reads back to such a
    /// commit.
    #[must_use]
    pub fn is_fresh_start(&self) -> bool {
        self.snapshot.is_some() || self.facts.iter().any(Fact::is_fresh_start)
    }
}

/// The reason why a stored commit cannot be read. Its content is never guessed: the buyer's work stops until an
/// operator repairs the commit or deploys a version that can read it.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// A newer version of the software wrote the commit.
    #[error(
        "commit {buyer}/{sequence} has format {format}, this version reads up to {FORMAT}: deploy the newer version"
    )]
    NewerFormat {
        /// The buyer to whose stream the commit belongs.
        buyer: String,
        /// The sequence of its first fact.
        sequence: u64,
        /// The format of the commit.
        format: u32,
    },
    /// No version of the software wrote the commit in this form.
    #[error("commit {buyer}/{sequence}: {part} cannot be read")]
    Corrupt {
        /// The buyer to whose stream the commit belongs.
        buyer: String,
        /// The sequence of its first fact.
        sequence: u64,
        /// The attribute that cannot be read.
        part: &'static str,
    },
}

/// Encodes facts and effects. The caller adds snapshot, traces and the key of the index `feed`.
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
        effects: (!effects.is_empty()).then(|| encode_effects(effects)),
        snapshot: None,
        recorded_at: written(recorded_at),
        feed: None,
        shadow: is_shadow,
        traces: None,
        by: None,
        because: None,
        emptied_by: None,
    }
}

/// A timestamp in its stored form: RFC 3339, always with milliseconds, so that texts sort chronologically.
#[must_use]
pub fn written(moment: Timestamp) -> String {
    format!("{moment:.3}")
}

/// Encodes a state as a snapshot, including held events and contacts.
#[must_use]
pub fn encode_snapshot(state: &State) -> String {
    facts::encode_state(state)
}

/// Decodes a stored commit.
///
/// # Errors
/// [`Undecodable`] if any attribute other than the snapshot cannot be read. An unreadable snapshot is not an error: it
/// is a cache, and the facts are folded instead.
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
            Some(text) => decode_effects(text).ok_or_else(|| corrupt("effects"))?,
            None => Vec::new(),
        },
        snapshot: stored
            .snapshot
            .as_deref()
            .filter(|_| emptied.is_none())
            .and_then(facts::decode_state)
            .filter(|state| state.sequence.get() == stored.last),
        recorded_at: stored.recorded_at.parse().map_err(|_| corrupt("recordedAt"))?,
        is_shadow: stored.shadow,
        traces: stored.traces.as_deref().map(decode_traces).unwrap_or_default(),
        act: stored.by.clone().map(|by| Act { by, because: stored.because.clone().unwrap_or_default() }),
        emptied,
    })
}

/// Encodes places in traces as text, one per line with the event's sequence; `None` if there are none.
#[must_use]
pub fn encode_traces(traces: &BTreeMap<Sequence, TraceParent>) -> Option<String> {
    let line = |(sequence, trace): (&Sequence, &TraceParent)| format!("{sequence} {trace}");
    (!traces.is_empty()).then(|| traces.iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// Decodes places in traces. No rule reads them, so an unreadable line is left out.
fn decode_traces(text: &str) -> BTreeMap<Sequence, TraceParent> {
    let line = |line: &str| {
        let (sequence, trace) = line.split_once(' ')?;
        Some((Sequence::new(sequence.parse().ok()?), TraceParent::parse(trace)?))
    };
    text.split('\n').filter_map(line).collect()
}

/// The shard of a buyer in an index. Readers query all shards, so a later change of the hash does no harm.
#[must_use]
pub fn shard_of(buyer: &BuyerId, shards: u8) -> u8 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    buyer.hash(&mut hasher);
    u8::try_from(hasher.finish() % u64::from(shards.max(1))).unwrap_or_default()
}

/// Encodes effects as text, one per line with sequence, effect key and details: `15 opened/high/offer-1/2`. An effect
/// names offers and leads, never a person.
fn encode_effects(effects: &[Effect]) -> String {
    effects.iter().map(effect_line).collect::<Vec<_>>().join("\n")
}

fn effect_line(Effect { sequence, kind }: &Effect) -> String {
    let mut line = format!("{sequence} {}", kind.key());
    for detail in kind.details() {
        line.push(' ');
        line.push_str(detail);
    }
    line
}

fn decode_effects(text: &str) -> Option<Vec<Effect>> {
    text.split('\n').map(read_effect).collect()
}

fn read_effect(line: &str) -> Option<Effect> {
    let mut words = line.split(' ');
    let (sequence, key) = (words.next()?.parse().ok()?, words.next()?);
    let kind = EffectKind::parse(key, &words.collect::<Vec<_>>())?;
    Some(Effect { sequence: Sequence::new(sequence), kind })
}
