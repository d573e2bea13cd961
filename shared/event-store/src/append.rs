//! What an append writes, and when a snapshot goes with it.

use contract::stored::{self, StoredCommit};
use domain::{BuyerId, Effect, Fact, Sequence, State};
use jiff::Timestamp;

use crate::load::FIRST_PAGE;
use crate::{FeedPartition, Head, Tail};

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
    first: Sequence,
    tail: Tail,
    after: Head,
    facts: Vec<Fact>,
    effects: Vec<Effect>,
}

impl Appending {
    /// Nothing yet, on top of this head.
    #[must_use]
    pub fn onto(head: Head) -> Self {
        let first = head.state.sequence.next();
        Self { first, tail: head.tail, after: head, facts: Vec::new(), effects: Vec::new() }
    }

    /// Takes one fact more: folds it, and keeps the effects that it calls for. A handover makes the buyer live, and what it calls
    /// for covers all that came before it.
    pub fn take(&mut self, fact: Fact) {
        let effects = self.after.state.fold_fact(&fact);
        if matches!(fact, Fact::HandedOver(_)) {
            self.effects.clear();
            self.after.is_live = true;
        }
        self.effects.extend(effects);
        self.facts.push(fact);
    }

    /// The same, of a buyer who is live or becomes so because there is no former system.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.after.is_live = true;
        self
    }

    /// The state with all that was taken.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.after.state
    }

    /// What was taken, in order.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// The commit to put, and the head once it is there. `None` if nothing was taken: then there is nothing to write.
    #[must_use]
    pub fn commit(&self, buyer: &BuyerId, recorded_at: Timestamp) -> Option<(StoredCommit, Head)> {
        if self.facts.is_empty() {
            return None;
        }
        let is_shadow = !self.after.is_live;
        let mut commit =
            stored::encode(buyer, self.first, &self.facts, &self.effects, is_shadow, recorded_at);
        // What is held calls for nothing, but somebody must learn that it waits, even if the doorbell is lost.
        if !self.effects.is_empty() || !self.after.state.held.is_empty() {
            commit.feed = Some(FeedPartition::of(buyer, recorded_at).0);
        }
        let mut head = self.after.clone();
        let tail = self.tail.and(commit.bytes());
        let snapshot = may_need_one(tail).then(|| stored::encode_snapshot(&self.after.state));
        let is_worth_it =
            |snapshot: &String| is_snapshot_worth_it(commit.bytes(), "snapshot".len() + snapshot.len(), tail);
        commit.snapshot = snapshot.filter(is_worth_it);
        head.tail = if commit.snapshot.is_some() { Tail::default() } else { tail };
        Some((commit, head))
    }
}

/// A snapshot is written once the tail since the last one, this commit in it, takes a load more than a page or a unit; if
/// it fits into the write unit that is paid anyway, or costs fewer units more than reading the tail does. Not before: what
/// is stored is paid for every month. Never when the item would grow too large.
const fn is_snapshot_worth_it(commit: usize, snapshot: usize, tail: Tail) -> bool {
    let extra = (commit + snapshot).div_ceil(WRITE_UNIT) - commit.div_ceil(WRITE_UNIT);
    let is_dear_to_read = tail.bytes.div_ceil(READ_UNIT) > extra;
    commit + snapshot <= LARGEST_ITEM && may_need_one(tail) && (is_dear_to_read || extra == 0)
}

/// Whether a tail is worth a snapshot that costs no write unit: it takes a load a second page, or a second read unit.
const fn may_need_one(tail: Tail) -> bool {
    tail.commits >= FIRST_PAGE || tail.bytes > READ_UNIT
}

#[cfg(test)]
mod tests {
    use super::{LARGEST_ITEM, Tail, is_snapshot_worth_it};

    const fn tail(commits: usize, bytes: usize) -> Tail {
        Tail { commits, bytes }
    }

    #[test]
    fn one_that_fits_into_the_paid_unit_goes_along_before_a_load_would_need_a_second_page_or_unit() {
        assert!(!is_snapshot_worth_it(600, 424, tail(7, 4096)));
        assert!(is_snapshot_worth_it(600, 424, tail(8, 4096)), "a second page");
        assert!(is_snapshot_worth_it(600, 424, tail(7, 4097)), "a second unit");
        assert!(!is_snapshot_worth_it(600, 425, tail(8, 4096)), "it does not fit");
    }

    #[test]
    fn a_larger_one_goes_along_when_reading_the_tail_costs_more_units_than_writing_it() {
        assert!(is_snapshot_worth_it(600, 425, tail(7, 4097)), "2 read units against 1 write unit");
        assert!(!is_snapshot_worth_it(600, 10_000, tail(8, 40_960)), "10 read units against 10 write units");
        assert!(is_snapshot_worth_it(600, 10_000, tail(8, 40_961)), "11 read units");
    }

    #[test]
    fn one_that_would_not_fit_the_item_never_does() {
        let endless = tail(8, usize::MAX / 2);
        assert!(is_snapshot_worth_it(600, LARGEST_ITEM - 600, endless));
        assert!(!is_snapshot_worth_it(600, LARGEST_ITEM, endless));
    }
}
