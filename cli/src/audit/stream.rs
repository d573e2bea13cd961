//! What an audit knows of one stream, whatever order its commits are read in.

use domain::{BuyerId, Sequence};
use event_store::CommitKey;
use jiff::{SignedDuration, Timestamp};
use leads_store::{Behind, Cursor};

use super::Finding;

/// How long after its recording a commit is left to the doorbell.
const LEFT_TO_THE_DOORBELL: SignedDuration = SignedDuration::from_mins(2);

/// Sequence numbers without a hole: the first and the last.
pub(super) type Run = (Sequence, Sequence);

/// A stream as far as it was read, and its cursor as it was when the stream was first met.
///
/// Takes [`BYTES`], the buyer's id, and 16 bytes for each run of sequence numbers that is still cut off from the start. In
/// a table that returns streams in order no run ever is; in the worst order half of a stream's commits are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stream {
    /// Every sequence number from 1 to here was read.
    whole_through: Sequence,
    /// Runs after that, in order, with a hole before each.
    cut_off: Vec<Run>,
    /// How far effects were settled.
    through: Sequence,
    behind: Option<Box<Behind>>,
    /// When the cursor was read.
    looked_at: Timestamp,
    /// The last fact of the last commit that must be looked at.
    head: Sequence,
    /// When the first commit was recorded that must be looked at and is not settled.
    since: Option<Timestamp>,
    is_repaired: bool,
}

/// The size of a [`Stream`].
const BYTES: usize = 112;
const _: () = assert!(size_of::<Stream>() <= BYTES);

impl Stream {
    pub(super) fn new(cursor: Cursor, looked_at: Timestamp) -> Self {
        Self {
            whole_through: Sequence::START,
            cut_off: Vec::new(),
            through: cursor.through,
            behind: cursor.behind.map(Box::new),
            looked_at,
            head: Sequence::START,
            since: None,
            is_repaired: false,
        }
    }

    /// Adds a commit; `true` if by it the stream turns out to be short.
    pub(super) fn take(&mut self, key: &CommitKey) -> bool {
        self.join((key.first, key.last));
        if !key.is_in_feed {
            return false;
        }
        self.head = self.head.max(key.last);
        if key.last <= self.through {
            return false;
        }
        let was_short = self.short_since().is_some();
        self.since = Some(self.since.map_or(key.recorded_at, |since| since.min(key.recorded_at)));
        !was_short && self.short_since().is_some()
    }

    fn join(&mut self, (mut first, mut last): Run) {
        let from = self.cut_off.partition_point(|run| run.1.next() < first);
        let to = self.cut_off.partition_point(|run| run.0 <= last.next());
        if let Some(touched) = self.cut_off.get(from..to)
            && let (Some(lowest), Some(highest)) = (touched.first(), touched.last())
        {
            first = first.min(lowest.0);
            last = last.max(highest.1);
        }
        let joined = (first > self.whole_through.next()).then_some((first, last));
        if joined.is_none() {
            self.whole_through = self.whole_through.max(last);
        }
        drop(self.cut_off.splice(from..to.max(from), joined));
    }

    /// The sequence numbers that were not read though later ones were.
    pub(super) fn holes(&self) -> Vec<Run> {
        let mut read_through = self.whole_through;
        let hole = |run: &Run| {
            let hole = (read_through.next(), Sequence::new(run.0.get() - 1));
            read_through = run.1;
            hole
        };
        self.cut_off.iter().map(hole).collect()
    }

    /// How far a stream is settled that is short.
    pub(super) fn is_short_through(&self) -> Option<Sequence> {
        self.short_since().map(|_| self.through)
    }

    pub(super) const fn set_repaired(&mut self) {
        self.is_repaired = true;
    }

    /// Certain from what was read, be it the whole stream or not: the commit was there when the cursor was read, and the
    /// doorbell had had its time.
    fn short_since(&self) -> Option<Timestamp> {
        let is_overdue = |since: &Timestamp| self.looked_at.duration_since(*since) > LEFT_TO_THE_DOORBELL;
        self.since.filter(|since| self.behind.is_none() && is_overdue(since))
    }

    /// What is found of its cursor.
    pub(super) fn finding(self, buyer: BuyerId) -> Option<(BuyerId, Finding)> {
        let short_since = self.short_since();
        let Self { through, head, since, is_repaired, .. } = self;
        let finding = match self.behind {
            Some(behind) => Finding::Behind { through, since, behind: *behind },
            None => Finding::Short { through, head, since: short_since?, is_repaired },
        };
        Some((buyer, finding))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(runs: &[(u64, u64)]) -> Stream {
        let mut stream = Stream::new(Cursor::default(), Timestamp::UNIX_EPOCH);
        for (first, last) in runs {
            stream.join((Sequence::new(*first), Sequence::new(*last)));
        }
        stream
    }

    fn holes(stream: &Stream) -> Vec<(u64, u64)> {
        stream.holes().into_iter().map(|(from, to)| (from.get(), to.get())).collect()
    }

    #[test]
    fn in_whatever_order_a_whole_stream_is_read_no_hole_is_left() {
        // As numbers, as texts, backwards, from the middle, and some of it twice.
        for order in [
            &[(1, 1), (2, 3), (4, 4), (5, 9), (10, 10), (11, 11)][..],
            &[(1, 1), (10, 10), (11, 11), (2, 3), (4, 4), (5, 9)],
            &[(11, 11), (10, 10), (5, 9), (4, 4), (2, 3), (1, 1)],
            &[(4, 4), (10, 10), (2, 3), (11, 11), (1, 1), (5, 9)],
            &[(1, 1), (1, 1), (5, 9), (5, 9), (10, 11), (2, 3), (2, 3), (4, 4), (11, 11)],
        ] {
            let stream = read(order);
            assert_eq!((stream.whole_through.get(), stream.cut_off.len()), (11, 0), "{order:?}");
        }
    }

    #[test]
    fn what_was_not_read_is_a_hole_wherever_it_lies() {
        assert_eq!(holes(&read(&[(2, 3)])), [(1, 1)]);
        assert_eq!(holes(&read(&[(9, 9), (1, 2), (5, 6)])), [(3, 4), (7, 8)]);
        assert_eq!(holes(&read(&[(9, 9), (1, 2), (5, 6), (3, 4)])), [(7, 8)]);
        assert_eq!(holes(&read(&[(9, 9), (5, 6), (7, 8), (1, 3)])), [(4, 4)]);
        assert_eq!(holes(&read(&[])), []);
    }

    #[test]
    fn a_stream_read_in_order_takes_no_room_for_its_commits() {
        let commits: Vec<(u64, u64)> = (1..=10_000).map(|number| (number, number)).collect();
        assert_eq!(read(&commits).cut_off.capacity(), 0);
        // Read as MiniStack does, as texts: a run for each digit at most.
        let mut as_texts = commits;
        as_texts.sort_by_key(|(number, _)| number.to_string());
        assert!(read(&as_texts).cut_off.capacity() < 16);
    }
}
