//! The pauses of effects as the operators made them, from which the checker judges what was performed and how long it was
//! tried. The table's item is changed by the product's own functions.

use jiff::{SignedDuration, Timestamp};
use leads_store::Pausable;

use crate::chance::{HOUR, timestamp};

/// What operators paused.
#[derive(Debug, Default)]
pub(crate) struct PausesSeen {
    /// The time at which the current pause of each kind began.
    begun: [Option<i64>; 2],
    /// The beginnings and ends of all pauses of e-mails, in milliseconds.
    emails: Vec<(i64, Option<i64>)>,
    /// The time at which the current pause ends.
    ends_at: Option<i64>,
}

impl PausesSeen {
    /// The time at which the current pause of these effects began.
    pub(crate) const fn begun(&self, kind: Pausable) -> Option<i64> {
        self.begun[kind as usize]
    }

    /// Whether anything is paused.
    pub(crate) const fn is_on(&self) -> bool {
        self.ends_at.is_some()
    }

    /// The time that is left of the pause.
    pub(crate) fn left(&self, now: i64) -> i64 {
        self.ends_at.map_or(0, |end| (end - now).max(0))
    }

    /// The time between two moments in which e-mails were not paused. They are by the clock of a worker, which may be
    /// wrong; at `now`, when it judged them, it could know only pauses that were over.
    pub(crate) fn running(&self, (from, to): (Timestamp, Timestamp), now: i64) -> SignedDuration {
        let mut running = to.duration_since(from);
        for (began, ended) in &self.emails {
            let Some(ended) = ended.filter(|ended| *ended <= now) else { continue };
            let (began, ended) = (timestamp(*began).max(from), timestamp(ended).min(to));
            if began < ended {
                running -= ended.duration_since(began);
            }
        }
        running
    }

    /// A pause of these effects begins now, for an hour.
    pub(crate) fn begin(&mut self, kinds: &[Pausable], now: i64) {
        for kind in kinds {
            self.begun[*kind as usize] = Some(now);
        }
        if kinds.contains(&Pausable::Emails) {
            self.emails.push((now, None));
        }
        self.ends_at = Some(now + HOUR);
    }

    /// Ends the pause if its hour is over. Returns whether it ended now.
    pub(crate) fn end_in_time(&mut self, now: i64) -> bool {
        if self.ends_at.is_none_or(|end| end > now) {
            return false;
        }
        if let Some((_, end @ None)) = self.emails.last_mut() {
            *end = Some(now);
        }
        self.begun = [None; 2];
        self.ends_at = None;
        true
    }
}
