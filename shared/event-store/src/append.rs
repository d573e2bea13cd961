//! The commit that an append writes, and the policy for snapshots.

use std::collections::BTreeMap;

use contract::stored::{self, StoredCommit};
use contract::trace::TraceParent;
use domain::{Announced, BuyerId, Effect, Fact, Sequence, State, effects_between};
use jiff::Timestamp;

use crate::load::FIRST_PAGE;
use crate::{FeedPartition, Head, Tail};

/// The largest item in bytes that is ever written. DynamoDB's own limit is 400 KB.
pub const LARGEST_ITEM: usize = 380_000;

/// The bytes that one write unit covers: 1 KB. A read unit covers 4 KB.
///
/// Source: Amazon DynamoDB Developer Guide, "Read/write capacity mode".
const WRITE_UNIT: usize = 1024;
const READ_UNIT: usize = 4096;

/// A commit in preparation: the facts that it will record, their effects, and the head that they lead to.
#[derive(Debug, Clone)]
pub struct Appending {
    first: Sequence,
    tail: Tail,
    after: Head,
    facts: Vec<Fact>,
    effects: Vec<Effect>,
    traces: BTreeMap<Sequence, TraceParent>,
}

impl Appending {
    /// An empty commit on top of this head.
    #[must_use]
    pub fn onto(head: Head) -> Self {
        let first = head.state.sequence.next();
        let (facts, effects, traces) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { first, tail: head.tail, after: head, facts, effects, traces }
    }

    /// Adds a fact: folds it and decides on its effects. A handover makes the buyer live, and its effects replace those
    /// of the earlier facts in this commit: they are all that the former system has not announced.
    pub fn take(&mut self, fact: Fact) {
        let announced = Announced::before(&fact, &self.after.state);
        self.after.state.fold(&fact);
        let effects = effects_between(&announced, &self.after.state);
        if matches!(fact, Fact::HandedOver(_)) {
            self.effects.clear();
            self.after.is_live = true;
        }
        self.effects.extend(effects);
        self.facts.push(fact);
    }

    /// Keeps the sender's place in a trace for the event at this sequence.
    pub fn trace(&mut self, sequence: Sequence, trace: TraceParent) {
        self.traces.insert(sequence, trace);
    }

    /// Makes the buyer live, as when there is no former system.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.after.is_live = true;
        self
    }

    /// The state including all facts added so far.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.after.state
    }

    /// The facts added so far, in order.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// The commit to append, and the head after it. Returns `None` if no fact was added.
    #[must_use]
    pub fn commit(&self, buyer: &BuyerId, recorded_at: Timestamp) -> Option<(StoredCommit, Head)> {
        if self.facts.is_empty() {
            return None;
        }
        let is_shadow = !self.after.is_live;
        let mut commit =
            stored::encode(buyer, self.first, &self.facts, &self.effects, is_shadow, recorded_at);
        commit.traces = stored::encode_traces(&self.traces);
        // Held events call for no effects, but the sweeper must find them even if the doorbell is lost.
        if !self.effects.is_empty() || !self.after.state.held.is_empty() {
            commit.feed = Some(FeedPartition::of(buyer, recorded_at).0);
        }
        let mut head = self.after.clone();
        let tail = self.tail.and(commit.bytes());
        let snapshot = may_need_snapshot(tail).then(|| stored::encode_snapshot(&self.after.state));
        let is_worth_it =
            |snapshot: &String| is_snapshot_worth_it(commit.bytes(), "snapshot".len() + snapshot.len(), tail);
        commit.snapshot = snapshot.filter(is_worth_it);
        head.tail = if commit.snapshot.is_some() { Tail::default() } else { tail };
        Some((commit, head))
    }
}

/// Whether a snapshot pays for itself.
///
/// The tail since the last snapshot, including this commit, must need a second page or read unit to load, because
/// storage is paid for every month. In addition, the snapshot must either fit into the write unit that the commit pays
/// for anyway, or cost fewer extra write units than reading the tail costs read units. The item must not exceed
/// [`LARGEST_ITEM`].
const fn is_snapshot_worth_it(commit: usize, snapshot: usize, tail: Tail) -> bool {
    let extra = (commit + snapshot).div_ceil(WRITE_UNIT) - commit.div_ceil(WRITE_UNIT);
    let is_expensive_to_read = tail.bytes.div_ceil(READ_UNIT) > extra;
    commit + snapshot <= LARGEST_ITEM && may_need_snapshot(tail) && (is_expensive_to_read || extra == 0)
}

/// Whether loading this tail takes a second page or a second read unit.
const fn may_need_snapshot(tail: Tail) -> bool {
    tail.commits >= FIRST_PAGE || tail.bytes > READ_UNIT
}

#[cfg(test)]
mod tests {
    use super::{LARGEST_ITEM, Tail, is_snapshot_worth_it};

    const fn tail(commits: usize, bytes: usize) -> Tail {
        Tail { commits, bytes }
    }

    #[test]
    fn a_free_snapshot_is_written_once_a_load_takes_a_second_page_or_unit() {
        assert!(!is_snapshot_worth_it(600, 424, tail(7, 4096)));
        assert!(is_snapshot_worth_it(600, 424, tail(8, 4096)), "a second page");
        assert!(is_snapshot_worth_it(600, 424, tail(7, 4097)), "a second unit");
        assert!(!is_snapshot_worth_it(600, 425, tail(8, 4096)), "it does not fit");
    }

    #[test]
    fn a_costly_snapshot_is_written_once_reading_the_tail_costs_more() {
        assert!(
            is_snapshot_worth_it(600, 425, tail(7, 4097)),
            "reading the tail costs 2 read units, the snapshot 1 write unit"
        );
        assert!(!is_snapshot_worth_it(600, 10_000, tail(8, 40_960)), "10 read units against 10 write units");
        assert!(is_snapshot_worth_it(600, 10_000, tail(8, 40_961)), "11 read units");
    }

    #[test]
    fn a_snapshot_too_large_for_the_item_is_never_written() {
        let endless = tail(8, usize::MAX / 2);
        assert!(is_snapshot_worth_it(600, LARGEST_ITEM - 600, endless));
        assert!(!is_snapshot_worth_it(600, LARGEST_ITEM, endless));
    }
}
