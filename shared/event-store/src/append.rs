//! What an append writes, and when a snapshot goes with it.

use contract::stored::{self, StoredCommit};
use domain::{BuyerId, Effect, Fact};
use jiff::Timestamp;

use crate::{FeedPartition, Head, Performing};

/// The largest item in bytes that is written; DynamoDB's own limit is 400 KB.
pub const LARGEST_ITEM: usize = 380_000;

/// A write unit is a step of 1 KB, a read unit one of 4 KB.
///
/// Source: Amazon DynamoDB Developer Guide, "Read/write capacity mode".
const WRITE_UNIT: usize = 1024;
const READ_UNIT: usize = 4096;

/// Facts that are to be recorded in one commit, with the head that they lead to.
#[derive(Debug, Clone)]
pub struct Appending {
    before: Head,
    after: Head,
    facts: Vec<Fact>,
    effects: Vec<Effect>,
}

impl Appending {
    /// Nothing yet, on top of this head.
    #[must_use]
    pub fn onto(head: Head) -> Self {
        Self { after: head.clone(), before: head, facts: Vec::new(), effects: Vec::new() }
    }

    /// Takes one fact more: folds it, and keeps the effects that it calls for.
    pub fn take(&mut self, fact: Fact) {
        self.effects.extend(self.after.state.fold_fact(&fact));
        self.facts.push(fact);
    }

    /// The state with all that was taken.
    #[must_use]
    pub const fn state(&self) -> &domain::State {
        &self.after.state
    }

    /// What was taken, in order.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// The commit to put, and the head once it is there. `None` if nothing was taken: then there is nothing to write.
    #[must_use]
    pub fn commit(
        &self,
        buyer: &BuyerId,
        performing: Performing,
        recorded_at: Timestamp,
    ) -> Option<(StoredCommit, Head)> {
        if self.facts.is_empty() {
            return None;
        }
        let first = self.before.state.sequence.next();
        // Once live, for ever live: the former system has left this buyer to us.
        let is_shadow = performing == Performing::Shadow && !self.before.is_live;
        let mut commit = stored::encode(buyer, first, &self.facts, &self.effects, is_shadow, recorded_at);
        // What is held calls for nothing, but somebody must learn that it waits, even if the doorbell is lost.
        if !self.effects.is_empty() || !self.after.state.held.is_empty() {
            commit.feed = Some(FeedPartition::of(buyer, recorded_at).0);
        }
        let mut head = Head { is_live: !is_shadow, ..self.after.clone() };
        let tail_bytes = self.before.tail_bytes + commit.bytes();
        let snapshot = stored::encode_snapshot(&self.after.state);
        if is_snapshot_worth_it(commit.bytes(), "snapshot".len() + snapshot.len(), tail_bytes) {
            commit.snapshot = Some(snapshot);
            head.tail_bytes = 0;
        } else {
            head.tail_bytes = tail_bytes;
        }
        Some((commit, head))
    }
}

/// A snapshot is written when it fits into the write unit that is paid anyway, or when the tail since the last one
/// would cost more units to read than the snapshot to write; never when the item would grow too large.
const fn is_snapshot_worth_it(commit: usize, snapshot: usize, tail: usize) -> bool {
    let extra = (commit + snapshot).div_ceil(WRITE_UNIT) - commit.div_ceil(WRITE_UNIT);
    commit + snapshot <= LARGEST_ITEM && (extra == 0 || tail.div_ceil(READ_UNIT) > extra)
}

#[cfg(test)]
mod tests {
    use super::{LARGEST_ITEM, is_snapshot_worth_it};

    #[test]
    fn a_snapshot_that_fits_into_the_paid_unit_always_goes_along() {
        assert!(is_snapshot_worth_it(600, 424, 600));
        assert!(!is_snapshot_worth_it(600, 425, 600));
    }

    #[test]
    fn a_larger_one_goes_along_when_reading_the_tail_costs_more_units_than_writing_it() {
        assert!(!is_snapshot_worth_it(600, 10_000, 40_960), "10 read units against 10 write units");
        assert!(is_snapshot_worth_it(600, 10_000, 40_961), "11 read units");
    }

    #[test]
    fn one_that_would_not_fit_the_item_never_does() {
        assert!(is_snapshot_worth_it(600, LARGEST_ITEM - 600, usize::MAX / 2));
        assert!(!is_snapshot_worth_it(600, LARGEST_ITEM, usize::MAX / 2));
    }
}
