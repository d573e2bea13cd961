//! What an audit finds: about one stream, and in all.

use domain::{BuyerId, Sequence};
use event_store::CommitKey;
use jiff::{SignedDuration, Timestamp};
use leads_store::{Behind, Cursor};
use serde_json::{Value, json};

use crate::output::{count, moment, table};

/// How old a commit with pending effects must be before the audit reports it. A younger one may still be settled by its
/// doorbell.
const DOORBELL_GRACE: SignedDuration = SignedDuration::from_mins(2);

/// A contiguous run of sequence numbers: the first and the last.
pub(super) type Run = (Sequence, Sequence);

/// A stream as far as it was read, with its cursor as read when the first of its commits was found.
///
/// Uses [`BYTES`], the buyer's id, and 16 bytes for each run of sequence numbers not yet connected to the start. If the
/// table returns streams in order there is never such a run; in the worst order there is one for every second commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stream {
    /// Every sequence number from 1 through this one was read.
    whole_through: Sequence,
    /// Later runs, in order, each with a hole before it.
    detached: Vec<Run>,
    /// The sequence number through which effects were settled.
    through: Sequence,
    behind: Option<Box<Behind>>,
    /// When the cursor was read.
    looked_at: Timestamp,
    /// The last fact of the last commit with work, which is a commit in the index `feed`.
    head: Sequence,
    /// When the first unsettled commit with work was recorded.
    since: Option<Timestamp>,
    is_repaired: bool,
}

/// The size of a [`Stream`] in bytes.
const BYTES: usize = 112;
const _: () = assert!(size_of::<Stream>() <= BYTES);

impl Stream {
    pub(super) fn new(cursor: Cursor, looked_at: Timestamp) -> Self {
        Self {
            whole_through: Sequence::START,
            detached: Vec::new(),
            through: cursor.through,
            behind: cursor.behind.map(Box::new),
            looked_at,
            head: Sequence::START,
            since: None,
            is_repaired: false,
        }
    }

    /// Adds a commit. Returns `true` if this commit shows that the stream is short.
    pub(super) fn add(&mut self, key: &CommitKey) -> bool {
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
        let from = self.detached.partition_point(|run| run.1.next() < first);
        let to = self.detached.partition_point(|run| run.0 <= last.next());
        if let Some(touched) = self.detached.get(from..to)
            && let (Some(lowest), Some(highest)) = (touched.first(), touched.last())
        {
            first = first.min(lowest.0);
            last = last.max(highest.1);
        }
        let joined = (first > self.whole_through.next()).then_some((first, last));
        if joined.is_none() {
            self.whole_through = self.whole_through.max(last);
        }
        drop(self.detached.splice(from..to.max(from), joined));
    }

    /// The sequence numbers that were not read although later ones were.
    pub(super) fn holes(&self) -> Vec<Run> {
        let mut read_through = self.whole_through;
        let hole = |run: &Run| {
            let hole = (read_through.next(), Sequence::new(run.0.get() - 1));
            read_through = run.1;
            hole
        };
        self.detached.iter().map(hole).collect()
    }

    /// The sequence number through which the stream is settled, if it is short.
    pub(super) fn short_through(&self) -> Option<Sequence> {
        self.short_since().map(|_| self.through)
    }

    pub(super) const fn set_repaired(&mut self) {
        self.is_repaired = true;
    }

    /// When the first unsettled commit was recorded, if the stream is short.
    ///
    /// This is certain even if the stream was only partly read: the commit existed when the cursor was read, and its
    /// doorbell had enough time.
    fn short_since(&self) -> Option<Timestamp> {
        let is_overdue = |since: &Timestamp| self.looked_at.duration_since(*since) > DOORBELL_GRACE;
        self.since.filter(|since| self.behind.is_none() && is_overdue(since))
    }

    /// The finding about the stream's cursor, if there is one.
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

/// The result of an audit: its findings, and how much it read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Audit {
    /// The findings, sorted by buyer.
    pub findings: Vec<(BuyerId, Finding)>,
    /// The number of streams; one cursor was read for each.
    pub streams: u64,
    /// The number of commits read.
    pub commits: u64,
    /// The read units that the streams table consumed.
    pub read_units: f64,
    /// Whether the whole table was read. If not, the findings are still certain, but there may be more.
    pub is_complete: bool,
}

/// A finding of an audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The buyer has pending effects that nothing will retry.
    Short {
        /// The sequence number through which effects are settled.
        through: Sequence,
        /// The last fact of the last commit with work, as far as the stream was read.
        head: Sequence,
        /// When the first unsettled commit with work was recorded, as far as the stream was read.
        since: Timestamp,
        /// Whether the audit marked the buyer as behind and due.
        is_repaired: bool,
    },
    /// The buyer has pending effects that are being retried.
    Behind {
        /// The sequence number through which effects are settled.
        through: Sequence,
        /// When the first unsettled commit with work was recorded; `None` if there is none.
        since: Option<Timestamp>,
        /// The mark in the leads table.
        behind: Behind,
    },
    /// Some sequence numbers of the stream are missing: no commit contains them.
    Gap {
        /// The first missing sequence number.
        from: Sequence,
        /// The last missing sequence number.
        to: Sequence,
    },
}

impl Finding {
    /// The name of the finding: `short`, `behind` or `gap`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Short { .. } => "short",
            Self::Behind { .. } => "behind",
            Self::Gap { .. } => "gap",
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Short { through, head, since, is_repaired } => format!(
                "settled through {through} of {head}, pending since {}; {}",
                moment(*since),
                if *is_repaired {
                    "marked behind, the next sweep retries them"
                } else {
                    "no retry is scheduled"
                }
            ),
            Self::Behind { through, since, behind } => format!(
                "settled through {through}{}; {}, next at {}: {}",
                since.map(|since| format!(", pending since {}", moment(since))).unwrap_or_default(),
                count(u64::from(behind.attempts), "failed attempt"),
                moment(behind.not_before),
                behind.reason
            ),
            Self::Gap { from, to } if from == to => format!("no commit has sequence number {from}"),
            Self::Gap { from, to } => format!("no commit has the sequence numbers {from} to {to}"),
        }
    }

    pub(super) fn json(&self, buyer: &BuyerId) -> Value {
        let mut row = json!({ "buyerId": buyer.as_str(), "finding": self.name() });
        match self {
            Self::Short { through, head, since, is_repaired } => {
                row["through"] = json!(through.get());
                row["head"] = json!(head.get());
                row["since"] = json!(since.to_string());
                row["isRepaired"] = json!(is_repaired);
            }
            Self::Behind { through, since, behind } => {
                row["through"] = json!(through.get());
                row["since"] = json!(since.map(|since| since.to_string()));
                row["behind"] = crate::show::behind_json(behind);
            }
            Self::Gap { from, to } => {
                row["from"] = json!(from.get());
                row["to"] = json!(to.get());
            }
        }
        row
    }
}

impl Audit {
    /// The result as text.
    #[must_use]
    pub fn text(&self) -> String {
        let found = match self.findings.len() {
            0 => "no findings".to_owned(),
            number => count(number as u64, "finding"),
        };
        let read = format!(
            "{}, {}: {found}. Read units: {} for the streams, {} for the cursors.",
            count(self.streams, "stream"),
            count(self.commits, "commit"),
            self.read_units,
            self.streams,
        );
        let rows = self
            .findings
            .iter()
            .map(|(buyer, finding)| [buyer.to_string(), finding.name().to_owned(), finding.text()]);
        let findings = (!self.findings.is_empty()).then(|| table(&["buyer", "finding", ""], rows));
        let incomplete = (!self.is_complete).then(|| INCOMPLETE.to_owned());
        let parts = [findings, Some(read), incomplete];
        parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
    }

    /// The result as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let findings: Vec<Value> = self.findings.iter().map(|(buyer, finding)| finding.json(buyer)).collect();
        json!({
            "isComplete": self.is_complete,
            "streams": self.streams,
            "commits": self.commits,
            "readUnits": self.read_units,
            "findings": findings,
        })
    }
}

const INCOMPLETE: &str = "INCOMPLETE: interrupted before the whole table was read. The findings listed are certain, but there may \
                          be more. Gaps are confirmed only at the end, so most of them are not listed.";

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
    fn a_whole_stream_read_in_any_order_has_no_hole() {
        // In numeric order, in text order, backwards, from the middle, and with repeats.
        for order in [
            &[(1, 1), (2, 3), (4, 4), (5, 9), (10, 10), (11, 11)][..],
            &[(1, 1), (10, 10), (11, 11), (2, 3), (4, 4), (5, 9)],
            &[(11, 11), (10, 10), (5, 9), (4, 4), (2, 3), (1, 1)],
            &[(4, 4), (10, 10), (2, 3), (11, 11), (1, 1), (5, 9)],
            &[(1, 1), (1, 1), (5, 9), (5, 9), (10, 11), (2, 3), (2, 3), (4, 4), (11, 11)],
        ] {
            let stream = read(order);
            assert_eq!((stream.whole_through.get(), stream.detached.len()), (11, 0), "{order:?}");
        }
    }

    #[test]
    fn sequence_numbers_not_read_are_holes_wherever_they_are() {
        assert_eq!(holes(&read(&[(2, 3)])), [(1, 1)]);
        assert_eq!(holes(&read(&[(9, 9), (1, 2), (5, 6)])), [(3, 4), (7, 8)]);
        assert_eq!(holes(&read(&[(9, 9), (1, 2), (5, 6), (3, 4)])), [(7, 8)]);
        assert_eq!(holes(&read(&[(9, 9), (5, 6), (7, 8), (1, 3)])), [(4, 4)]);
        assert_eq!(holes(&read(&[])), []);
    }

    #[test]
    fn a_stream_read_in_order_needs_no_memory_for_its_commits() {
        let commits: Vec<(u64, u64)> = (1..=10_000).map(|number| (number, number)).collect();
        assert_eq!(read(&commits).detached.capacity(), 0);
        // MiniStack returns keys in text order: at most one run for each leading digit.
        let mut as_texts = commits;
        as_texts.sort_by_key(|(number, _)| number.to_string());
        assert!(read(&as_texts).detached.capacity() < 16);
    }
}
