//! The sweep's share of walks, which finds commits whose doorbell was lost in the index `feed`.

use domain::{BuyerId, Sequence};
use event_store::{Commits, Feed, FeedEntry, slice};
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use leads_store::{Again, CURSORS_AT_ONCE, LeadsStore, Walked};
use platform::clock::{Clock, Sleep};

use super::{BUYERS_AT_ONCE, Sweep};
use crate::look::{Stop, earlier, later};
use crate::outside::Outside;

/// How long a commit is left to its doorbell after it was recorded.
const LEFT_TO_THE_DOORBELL: SignedDuration = SignedDuration::from_mins(2);

/// How often a second walk is made. It finds entries that reached the index late, or that a slow clock wrote.
const AGAIN_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// How long before the previous second walk a second walk begins.
const AGAIN_FROM: SignedDuration = SignedDuration::from_hours(3);

/// How far back the very first walk begins; longer than a weekend without doorbells and sweeps.
const FIRST_FROM: SignedDuration = SignedDuration::from_hours(73);

/// The number of commits read at once from each partition. Entries contain only keys, so thousands fit into one answer.
const AT_ONCE: usize = 1000;

impl<S, L, O, W> Sweep<'_, S, L, O, W>
where
    S: Commits + Feed,
    L: LeadsStore,
    O: Outside,
    W: Clock + Sleep,
{
    /// Continues the walk from the watermark. Once an hour it also walks the preceding hours again, over several sweeps
    /// if necessary.
    pub(super) async fn walks(&self, walked: Option<Walked>) {
        let now = self.now();
        let walked = walked.unwrap_or(Walked::to(earlier(now, FIRST_FROM)));
        if let Err(stop) = self.walk_both(walked, now).await {
            self.leave("walk", stop);
        }
    }

    async fn walk_both(&self, mut walked: Walked, now: Timestamp) -> Result<(), Stop> {
        let leads = self.advance.leads;
        let until = earlier(now, LEFT_TO_THE_DOORBELL);
        let ended = self.walk(&mut walked.through, until, false).await;
        leads.set_walked(walked).await?;
        ended?;
        let is_under_way = walked.again.began > walked.again_at;
        if !is_under_way && later(walked.again_at, AGAIN_EVERY) > now {
            return Ok(());
        }
        if !is_under_way {
            walked.again = Again { began: now, through: earlier(walked.again_at, AGAIN_FROM) };
        }
        let ended = self.walk(&mut walked.again.through, until, true).await;
        if ended.is_ok() {
            walked.again_at = walked.again.began;
        }
        leads.set_walked(walked).await?;
        ended
    }

    /// Advances the buyers of all commits recorded after `place` that their cursor has not reached. `place` moves on as
    /// buyers are settled or marked behind.
    async fn walk(&self, place: &mut Timestamp, until: Timestamp, is_second: bool) -> Result<(), Stop> {
        let mut after = *place;
        while after < until {
            self.has_time()?;
            let slice = slice(self.advance.streams, after, until, AT_ONCE).await?;
            for entries in slice.entries.chunks(CURSORS_AT_ONCE) {
                self.has_time()?;
                let newest = newest_of_each(entries);
                let buyers: Vec<BuyerId> = newest.iter().map(|(buyer, _)| (*buyer).clone()).collect();
                let cursors = self.advance.leads.cursors(&buyers).await?;
                let is_short = |(buyer, sequence): &(&BuyerId, Sequence)| {
                    cursors.get(*buyer).is_none_or(|cursor| {
                        // A buyer marked behind is advanced when it is due.
                        cursor.through < *sequence && (is_second || cursor.behind.is_none())
                    })
                };
                let advancing = newest
                    .into_iter()
                    .filter(is_short)
                    .map(|(buyer, _)| self.advance_once(buyer))
                    .collect::<Vec<_>>();
                // All advances run to completion; the walk goes on only if each buyer is settled or marked behind.
                let ended: Vec<Result<(), Stop>> =
                    stream::iter(advancing).buffer_unordered(BUYERS_AT_ONCE).collect().await;
                ended.into_iter().collect::<Result<(), Stop>>()?;
                if let Some(last) = entries.last() {
                    *place = (*place).max(earlier(last.recorded_at, SignedDuration::from_millis(1)));
                }
            }
            after = slice.through;
            *place = (*place).max(after);
        }
        Ok(())
    }
}

/// Each buyer once, in the order of the entries, with the newest of its commits among them.
fn newest_of_each(entries: &[FeedEntry]) -> Vec<(&BuyerId, Sequence)> {
    let mut newest: Vec<(&BuyerId, Sequence)> = Vec::new();
    for FeedEntry { buyer, sequence, .. } in entries {
        match newest.iter_mut().find(|(known, _)| *known == buyer) {
            Some((_, last)) => *last = (*last).max(*sequence),
            None => newest.push((buyer, *sequence)),
        }
    }
    newest
}
