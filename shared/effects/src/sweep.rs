//! What the doorbell missed: buyers that are behind, e-mails that are not settled for good, commits nobody rang for; and
//! gaps that are not filled.

use domain::{BuyerId, Effect, EffectKind, OfferId, OfferVersion, Sequence, State};
use event_store::surroundings::{Deadline, Surroundings};
use event_store::{Commits, Feed, FeedEntry, InTime, NEEDED, load, slice};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use telemetry::chain;

use crate::advance::{Advance, Advanced, CannotMark, Look, Stop, unless_it_panics};
use crate::deliver::later;
use crate::leads::{
    Again, Cursors, Held, Ledger, LedgerEntry, Open, OpenWork, Outcome, Status, Walked, Work,
};
use crate::outside::Outside;

/// How long after its recording a commit is left to the doorbell.
const LEFT_TO_THE_DOORBELL: SignedDuration = SignedDuration::from_mins(2);

/// How often there is a second walk, for entries that came late to the index and clocks that are slow.
const AGAIN_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// How far before the last one a second walk begins.
const AGAIN_FROM: SignedDuration = SignedDuration::from_hours(3);

/// Where the very first walk begins: further back than a weekend in which neither doorbells rang nor sweeps came.
const FIRST_FROM: SignedDuration = SignedDuration::from_hours(73);

/// How long a mail that was definitely not sent is tried again.
const TRIED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How many commits of each partition are read at once.
const AT_ONCE: usize = 100;

/// How many cursors are asked for at once.
const CURSORS_AT_ONCE: usize = 32;

/// How much open work of each shard is taken at once.
const WORK_AT_ONCE: usize = 100;

/// What one sweep found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Buyers that were advanced, and how it ended.
    pub advanced: Vec<(BuyerId, Advanced)>,
    /// E-mails whose entry changed, and to what.
    pub emails: Vec<(BuyerId, String, Status)>,
    /// Buyers of whom events are still held, with the oldest of them.
    pub held: Vec<(BuyerId, Held)>,
    /// Why the sweep ended before all was done; the next one goes on from there.
    pub unfinished: Option<String>,
}

impl<S, L, O, W> Advance<'_, S, L, O, W>
where
    S: Commits + Feed,
    L: Cursors + Ledger + Work,
    O: Outside,
    W: Surroundings,
{
    /// Works off what is due, then walks the index from where the last sweep came to. Ends when the time is up; what it
    /// costs follows what was recorded since, never the size of a table. What was done is in `swept`, however it ends.
    ///
    /// # Errors
    /// [`CannotMark`], if a buyer can be neither advanced nor marked behind.
    pub async fn sweep(&self, deadline: Deadline, swept: &mut Swept) -> Result<(), CannotMark> {
        let ended = match self.open_work(deadline, swept).await {
            Ok(()) => self.walks(deadline, swept).await,
            stopped => stopped,
        };
        match ended {
            Ok(()) | Err(Ended::Sweep(Stop::HeadMoved)) => Ok(()),
            Err(Ended::Sweep(Stop::Later { reason, .. })) => {
                swept.unfinished = Some(reason);
                Ok(())
            }
            Err(Ended::Invocation(error)) => {
                swept.unfinished = Some(chain(&error));
                Err(error)
            }
        }
    }

    async fn open_work(&self, deadline: Deadline, swept: &mut Swept) -> Result<(), Ended> {
        deadline.leaves(NEEDED, self.surroundings).map_err(Stop::from)?;
        let due = self.leads.open_work(self.surroundings.now(), WORK_AT_ONCE).await.map_err(Stop::from)?;
        // E-mails first: what has been tried for a day must be given up before its buyer tries it once more.
        let (emails, others): (Vec<OpenWork>, Vec<OpenWork>) =
            due.into_iter().partition(|work| matches!(work.what, Open::Email { .. }));
        for OpenWork { buyer, what, .. } in emails.into_iter().chain(others) {
            // What there is no time for stays due as it is, with its own reason.
            deadline.leaves(NEEDED, self.surroundings).map_err(Stop::from)?;
            match what {
                Open::Behind => {
                    let advanced = self.advance(&buyer, deadline).await?;
                    swept.advanced.push((buyer, advanced));
                }
                Open::Email { key, entry } => {
                    // One that cannot be worked off now is due again: it must not keep the others.
                    let changed = unless_it_panics(self.email(&buyer, &key, &entry, deadline)).await;
                    if let Ok(Some(status)) = changed {
                        swept.emails.push((buyer, key, status));
                    }
                }
                Open::Held(found) => {
                    let held = unless_it_panics(self.look_at_held(&buyer, &found, deadline)).await;
                    if let Ok(Some(held)) = held {
                        swept.held.push((buyer, held));
                    }
                }
            }
        }
        Ok(())
    }

    /// An e-mail that is due: given up, declared doubtful, or tried again if its reason still holds.
    async fn email(
        &self,
        buyer: &BuyerId,
        key: &str,
        entry: &LedgerEntry,
        deadline: Deadline,
    ) -> Result<Option<Status>, Stop> {
        deadline.leaves(crate::deliver::NEEDED, self.surroundings)?;
        let now = self.surroundings.now();
        let close = async |status| {
            let is_closed = self.leads.close(buyer, key, entry, status, now).await?;
            Ok::<_, Stop>(is_closed.then_some(status))
        };
        match entry.status {
            Status::Sending => {
                let is_settled = self.declare_unknown(buyer, key, entry).await?;
                Ok(is_settled.then_some(Status::Unknown))
            }
            Status::Unknown => close(Status::Abandoned).await,
            Status::Retry if later(entry.first_tried_at, TRIED_FOR) < now => close(Status::Abandoned).await,
            Status::Retry => {
                let streams = InTime { store: self.streams, deadline, surroundings: self.surroundings };
                let head = load(&streams, buyer).await?;
                let Some(effect) = effect_of(key, entry.sequence, &head.state) else {
                    return close(Status::Superseded).await;
                };
                let cursor = self.leads.cursor(buyer).await?;
                let look = Look { buyer, head, deadline, stopped: &cursor.stopped };
                Ok(match self.deliver(&look, &effect, false).await? {
                    Outcome::Sent => Some(Status::Sent),
                    // One that cannot even be written was never claimed, and would stay due; another lead may call for it anew.
                    Outcome::Rejected => close(Status::Superseded).await?.or(Some(Status::Rejected)),
                    Outcome::Unknown => Some(Status::Unknown),
                    Outcome::AlreadySent | Outcome::Superseded | Outcome::Suppressed => None,
                })
            }
            Status::Sent | Status::Rejected | Status::Abandoned | Status::Superseded | Status::Suppressed => {
                Ok(None)
            }
        }
    }

    /// Walks on from the watermark; once an hour walks again what was walked before, in as many sweeps as it takes.
    async fn walks(&self, deadline: Deadline, swept: &mut Swept) -> Result<(), Ended> {
        let now = self.surroundings.now();
        let until = earlier(now, LEFT_TO_THE_DOORBELL);
        let walked = self.leads.walked().await.map_err(Stop::from)?;
        let mut walked = walked.unwrap_or(Walked::to(earlier(now, FIRST_FROM)));
        let ended = self.walk(&mut walked.through, until, false, deadline, swept).await;
        self.leads.set_walked(walked).await.map_err(Stop::from)?;
        ended?;
        let is_under_way = walked.again.began > walked.again_at;
        if !is_under_way && later(walked.again_at, AGAIN_EVERY) > now {
            return Ok(());
        }
        if !is_under_way {
            walked.again = Again { began: now, through: earlier(walked.again_at, AGAIN_FROM) };
        }
        let ended = self.walk(&mut walked.again.through, until, true, deadline, swept).await;
        if ended.is_ok() {
            walked.again_at = walked.again.began;
        }
        self.leads.set_walked(walked).await.map_err(Stop::from)?;
        ended
    }

    /// Advances the buyers of all commits recorded after `place` whose cursor is short. `place` moves with what is settled
    /// or marked behind.
    async fn walk(
        &self,
        place: &mut Timestamp,
        until: Timestamp,
        is_second: bool,
        deadline: Deadline,
        swept: &mut Swept,
    ) -> Result<(), Ended> {
        let mut after = *place;
        while after < until {
            deadline.leaves(NEEDED, self.surroundings).map_err(Stop::from)?;
            let slice = slice(self.streams, after, until, AT_ONCE).await.map_err(Stop::from)?;
            for entries in slice.entries.chunks(CURSORS_AT_ONCE) {
                deadline.leaves(NEEDED, self.surroundings).map_err(Stop::from)?;
                let newest = newest_of_each(entries);
                let cursors = join_all(newest.iter().map(|(buyer, _)| self.leads.cursor(buyer))).await;
                for ((buyer, sequence), cursor) in newest.into_iter().zip(cursors) {
                    let cursor = cursor.map_err(Stop::from)?;
                    // A buyer that is marked is worked off when it is due.
                    if cursor.through < sequence && (is_second || cursor.behind.is_none()) {
                        deadline.leaves(NEEDED, self.surroundings).map_err(Stop::from)?;
                        let advanced = self.advance(buyer, deadline).await?;
                        swept.advanced.push((buyer.clone(), advanced));
                    }
                }
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

/// Each buyer once, in the order of these entries, with the last commit that they name of it.
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

/// Why a sweep ends before all is done.
enum Ended {
    /// The next sweep goes on.
    Sweep(Stop),
    /// The invocation fails.
    Invocation(CannotMark),
}

impl From<Stop> for Ended {
    fn from(stop: Stop) -> Self {
        Self::Sweep(stop)
    }
}

impl From<CannotMark> for Ended {
    fn from(error: CannotMark) -> Self {
        Self::Invocation(error)
    }
}

fn earlier(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.saturating_sub(by).unwrap_or(Timestamp::MIN)
}

/// The effect behind a ledger entry, if its reason still holds at the head. The invitation is bound to no lead of its own:
/// any open low lead calls for it.
fn effect_of(key: &str, sequence: Sequence, head: &State) -> Option<Effect> {
    let kind = if key == "quote-email" {
        EffectKind::QuoteInvitation { offer: head.low_lead.as_ref()?.offer.clone() }
    } else {
        let (offer, version) = key.strip_prefix("accepted-email/")?.rsplit_once('/')?;
        EffectKind::AcceptedEmail {
            offer: OfferId::parse(offer).ok()?,
            accepted_at: OfferVersion::new(version.parse().ok()?)?,
        }
    };
    head.still_calls_for(&kind).then_some(Effect { sequence, kind })
}
