//! The sweep's share of e-mails: each due e-mail is closed, declared doubtful or tried again. Attempts are made at a
//! steady pace.

use std::cell::Cell;
use std::time::Duration;

use domain::{BuyerId, Effect, EffectKind, Sequence};
use event_store::{Commits, Feed, WithinDeadline, load};
use jiff::{SignedDuration, Timestamp};
use leads_store::{LeadsStore, LedgerEntry, Open, OpenWork, Pausable, Pauses, Status, Verdict, WorkKind};
use platform::clock::{Clock, Sleep};

use super::Sweep;
use crate::advance::Advance;
use crate::deliver::{Delivered, How, SEND_TIME, deliver};
use crate::look::{Look, Stop, catch_panic, later};
use crate::outside::Outside;
use crate::settle::{Ended, declare_unknown, settle_until_answered};

/// The number of e-mails in progress at once. Each waits for its turn at SES; see [`MailPace`](super::MailPace).
const MAILS_AT_ONCE: usize = 32;

impl<S, L, O, W> Sweep<'_, S, L, O, W>
where
    S: Commits + Feed,
    L: LeadsStore,
    O: Outside,
    W: Clock + Sleep,
{
    pub(super) async fn mails(&self) {
        let kind = WorkKind::Email;
        if self.unless_paused(Pausable::Emails, kind).await.is_none() {
            return;
        }
        let work = async |work: OpenWork| {
            let place = work.place();
            let Open::Email { key, entry } = work.what else { return };
            let Some(effect) = effect_of(&key, entry.sequence) else {
                return self.set_aside(kind, place).await;
            };
            match catch_panic(self.mail(&work.buyer, (&key, &effect), &entry)).await {
                Ok(Some(status)) => self.swept.borrow_mut().emails.push((work.buyer, key, status)),
                Ok(None) => {}
                Err(stop) => self.fail(kind, work.buyer, key, stop),
            }
        };
        self.due(kind, MAILS_AT_ONCE, work).await;
    }

    /// Works on a due e-mail and returns its new status; `None` if another writer changed it in the meantime or if it
    /// is left for the next sweep.
    async fn mail(
        &self,
        buyer: &BuyerId,
        (key, effect): (&str, &Effect),
        entry: &LedgerEntry,
    ) -> Result<Option<Status>, Stop> {
        let pauses = self.unless_paused(Pausable::Emails, WorkKind::Email).await;
        if pauses.is_none_or(|pauses| !is_due(entry, &pauses, self.now())) {
            return Ok(None);
        }
        match entry.status {
            Status::Sending => {
                self.has_time()?;
                let settled = declare_unknown(self.advance.leads, self.now(), buyer, key, entry).await?;
                Ok(settled.is_ours().then_some(Status::Unknown))
            }
            Status::Unknown => self.close(buyer, key, entry, Status::Abandoned, None).await,
            Status::Retry => self.again(buyer, (key, effect), entry).await,
            Status::Sent | Status::Rejected | Status::Abandoned | Status::Superseded | Status::Suppressed => {
                Ok(None)
            }
        }
    }

    /// Makes another attempt if the head still calls for the e-mail.
    async fn again(
        &self,
        buyer: &BuyerId,
        (key, effect): (&str, &Effect),
        entry: &LedgerEntry,
    ) -> Result<Option<Status>, Stop> {
        if !self.may_send(Duration::ZERO) {
            return Ok(None);
        }
        let Advance { streams, leads, outside, clock, letterhead, .. } = self.advance;
        let streams = WithinDeadline { store: *streams, deadline: self.shares_end, clock: *clock };
        let head = load(&streams, buyer).await?;
        let sequence = head.state.sequence;
        let Some(effect) = head.state.calls_for(effect) else {
            return self.close(buyer, key, entry, Status::Superseded, Some(sequence)).await;
        };
        let cursor = leads.cursor(buyer).await?;
        if !self.wait_for_turn().await {
            return Ok(None);
        }
        let Some(pauses) = self.unless_paused(Pausable::Emails, WorkKind::Email).await else {
            return Ok(None);
        };
        let look = Look {
            buyer,
            head,
            deadline: self.shares_end,
            stopped: &cursor.stopped,
            parks_mail: false,
            is_held_back: Cell::new(false),
        };
        let stood_still = entry.first_tried_at.map(|first| pauses.emails_paused(first, self.now()));
        let how =
            How::Again { found: entry, tried_for: self.pace.tried_for + stood_still.unwrap_or_default() };
        match deliver(*leads, *outside, *clock, letterhead, &look, &effect, how).await? {
            Delivered::Superseded => self.close(buyer, key, entry, Status::Superseded, Some(sequence)).await,
            Delivered::Ours(Ended { status, is_ours, paused }) => {
                if paused.is_some() {
                    *self.paused.borrow_mut() = paused;
                }
                Ok(is_ours.then_some(status))
            }
            Delivered::Passed(_) | Delivered::Unreadable => Ok(None),
        }
    }

    /// Waits for this e-mail's turn; `false` if the turn does not come in this sweep.
    async fn wait_for_turn(&self) -> bool {
        let now = self.now();
        let turn = self.next_turn.get().max(now);
        let wait = Duration::try_from(turn.duration_since(now)).unwrap_or_default();
        if !self.may_send(wait) {
            return false;
        }
        let gap = SignedDuration::from_nanos(1_000_000_000 / i64::from(self.pace.per_second.get()));
        self.next_turn.set(later(turn, gap));
        if !wait.is_zero() {
            self.advance.clock.sleep(wait).await;
        }
        self.may_send(Duration::ZERO)
    }

    /// Whether an attempt may be made in this sweep after a wait. If not, the reason is reported.
    fn may_send(&self, wait: Duration) -> bool {
        let paused =
            self.paused.borrow().as_ref().map(|reason| format!("SES accepts no e-mail now: {reason}"));
        let stop = match paused {
            Some(reason) => Err(Stop::later(reason, None)),
            None => self.shares_end.leaves(SEND_TIME + wait, self.advance.clock).map_err(Stop::from),
        };
        stop.map_err(|stop| self.leave(WorkKind::Email.name(), stop)).is_ok()
    }

    /// Closes an e-mail that is not being sent, if its entry is unchanged. If the reason depends on the buyer's state,
    /// `head` is the sequence of that state, and no later fact may have been recorded.
    async fn close(
        &self,
        buyer: &BuyerId,
        key: &str,
        found: &LedgerEntry,
        status: Status,
        head: Option<Sequence>,
    ) -> Result<Option<Status>, Stop> {
        self.has_time()?;
        let Advance { leads, clock, .. } = self.advance;
        let verdict = Verdict {
            nonce: found.nonce.clone(),
            from: if found.status == Status::Retry { &[Status::Retry] } else { &[Status::Unknown] },
            status,
            message_id: None,
            reason: None,
            due: None,
            head,
            now: self.now(),
        };
        let settled = settle_until_answered(*leads, *clock, (buyer, key), &verdict, self.shares_end).await?;
        Ok(settled.is_ours().then_some(status))
    }
}

/// Whether an entry that is due by its time is due still if that time stood still in the pauses of e-mails.
fn is_due(entry: &LedgerEntry, pauses: &Pauses, now: Timestamp) -> bool {
    entry.due.is_none_or(|due| later(due, pauses.emails_paused(entry.since, now)) <= now)
}

/// The effect of a ledger entry; `None` for a key that this version does not know. The offer of an invitation is a
/// placeholder: it is taken from the head.
fn effect_of(key: &str, sequence: Sequence) -> Option<Effect> {
    let kind = EffectKind::parse(key, &[]).or_else(|| EffectKind::parse(key, &["-"]))?;
    kind.is_email().then_some(Effect { sequence, kind })
}
