//! Performs all pending effects of one buyer in order, starting after the cursor.

use std::cell::Cell;

use contract::outgoing::announcement;
use contract::stored::Commit;
use domain::{BuyerId, Effect, Sequence};
use event_store::{Commits, WithinDeadline, tail_after};
use jiff::{SignedDuration, Timestamp};
use leads_store::{Behind, LeadChange, LeadsStore, LeadsUnavailable, Outcome, Pausable, Progress};
use platform::clock::{CALL_TIME, Clock, Deadline};

use crate::deliver::{How, deliver};
use crate::held::held_at_head;
use crate::look::{Look, Stop, catch_panic, later};
use crate::mail::Letterhead;
use crate::outside::{Outside, SalesMessage};
use crate::pauses::KnownPauses;
use crate::report::{Advanced, Performed};

/// How many times an advance reads a buyer if facts are recorded between reading and claiming. After that the buyer is
/// marked behind; the doorbell of the newer fact causes another advance anyway.
const LOOKS: usize = 4;

/// The number of lead and outcome items after which the cursor is moved; a transaction takes at most 100 items.
const LARGEST_TRANSACTION: usize = 50;

/// Why a buyer is behind whose sales messages are paused.
const PAUSED: &str = "sales messages are paused";

/// The stores and adapters with which buyers are advanced.
#[derive(Debug)]
pub struct Advance<'a, S, L, O, W> {
    /// The streams, which are only read.
    pub streams: &'a S,
    /// The leads table.
    pub leads: &'a L,
    /// SES and the sales team's queue.
    pub outside: &'a O,
    /// Time and nonces.
    pub clock: &'a W,
    /// The site's name and URL, which every e-mail shows.
    pub letterhead: &'a Letterhead,
    /// What operators have paused, as this execution environment knows it.
    pub pauses: &'a KnownPauses,
}

/// A buyer could be neither advanced nor marked behind. This is the only error that fails an invocation.
#[derive(Debug, thiserror::Error)]
#[error("cannot mark {buyer} behind ({reason})")]
pub struct CannotMark {
    /// The buyer.
    pub buyer: BuyerId,
    /// Why it is behind.
    pub reason: String,
    /// Why it cannot be marked.
    #[source]
    pub source: LeadsUnavailable,
}

impl<S, L, O, W> Advance<'_, S, L, O, W>
where
    S: Commits,
    L: LeadsStore,
    O: Outside,
    W: Clock,
{
    /// Performs all pending effects of a buyer in order and moves its cursor. If something must be tried again later,
    /// the buyer is marked behind. An unsent e-mail is no reason for that: once claimed, its ledger entry is
    /// responsible for it.
    ///
    /// # Errors
    /// [`CannotMark`] if the buyer is behind and cannot be marked.
    pub async fn advance(&self, buyer: &BuyerId, deadline: Deadline) -> Result<Advanced, CannotMark> {
        self.advance_with(buyer, deadline, false).await
    }

    pub(crate) async fn advance_with(
        &self,
        buyer: &BuyerId,
        deadline: Deadline,
        parks_mail: bool,
    ) -> Result<Advanced, CannotMark> {
        let mut advanced = Advanced::default();
        let mut attempts = 0;
        let mut behind = ("facts were recorded faster than effects could be claimed".to_owned(), None);
        for _ in 0..LOOKS {
            match catch_panic(self.look(buyer, (deadline, parks_mail), &mut attempts, &mut advanced)).await {
                Ok(()) => return Ok(advanced),
                Err(Stop::HeadMoved) => {}
                Err(Stop::Paused) => {
                    // No attempt failed, and the next one is due as soon as the pause ends.
                    self.mark(buyer, PAUSED.to_owned(), attempts, self.clock.now()).await?;
                    (advanced.behind, advanced.is_paused) = (Some(PAUSED.to_owned()), true);
                    return Ok(advanced);
                }
                Err(Stop::Later { reason, not_before }) => {
                    behind = (reason, not_before);
                    break;
                }
            }
        }
        let (reason, not_before) = behind;
        self.mark_behind(buyer, reason.clone(), attempts, not_before).await?;
        advanced.behind = Some(reason);
        Ok(advanced)
    }

    /// Marks a buyer behind. It is due at `not_before`; without that, after a wait that doubles with each attempt, from
    /// 1 to 16 minutes.
    ///
    /// # Errors
    /// [`CannotMark`] if the mark cannot be written.
    pub async fn mark_behind(
        &self,
        buyer: &BuyerId,
        reason: String,
        attempts: u32,
        not_before: Option<Timestamp>,
    ) -> Result<(), CannotMark> {
        let wait = SignedDuration::from_mins(1 << attempts.min(4));
        let not_before = not_before.unwrap_or_else(|| later(self.clock.now(), wait));
        self.mark(buyer, reason, attempts.saturating_add(1), not_before).await
    }

    async fn mark(
        &self,
        buyer: &BuyerId,
        reason: String,
        attempts: u32,
        not_before: Timestamp,
    ) -> Result<(), CannotMark> {
        let behind = Behind { mark: self.clock.nonce(), reason: reason.clone(), attempts, not_before };
        let marked = self.leads.mark_behind(buyer, &behind).await;
        marked.map_err(|source| CannotMark { buyer: buyer.clone(), reason, source })
    }

    /// Reads the buyer once, performs its pending effects, and moves the cursor as far as all are settled. Sets
    /// `attempts` to the number of failed attempts in the buyer's mark.
    async fn look(
        &self,
        buyer: &BuyerId,
        (deadline, parks_mail): (Deadline, bool),
        attempts: &mut u32,
        advanced: &mut Advanced,
    ) -> Result<(), Stop> {
        deadline.leaves(CALL_TIME, self.clock)?;
        let cursor = self.leads.cursor(buyer).await?;
        *attempts = cursor.behind.as_ref().map_or(0, |behind| behind.attempts);
        advanced.through = advanced.through.max(cursor.through);
        let streams = WithinDeadline { store: self.streams, deadline, clock: self.clock };
        let (head, pending) = tail_after(&streams, buyer, Some(cursor.through)).await?;
        let is_held_back = Cell::new(false);
        let look = Look { buyer, head, deadline, stopped: &cursor.stopped, parks_mail, is_held_back };
        let mut progress = Progress { from: cursor.through, through: cursor.through, ..Progress::default() };
        let mut stopped = Ok(());
        for commit in &pending {
            // The former system performs the effects of shadow commits.
            let performed = if commit.is_shadow {
                Ok(Progress { through: commit.last(), ..Progress::default() })
            } else {
                self.perform_all(&look, commit, cursor.through, &mut advanced.performed).await
            };
            match performed {
                // The cursor stays before the first message that waits, and e-mails go on.
                Ok(_) if look.is_held_back.get() => stopped = Err(Stop::Paused),
                Ok(settled) => progress.extend(settled),
                Err(stop) => {
                    stopped = Err(stop);
                    break;
                }
            }
            if progress.items() > LARGEST_TRANSACTION {
                self.move_cursor(buyer, &mut progress, None, advanced).await?;
            }
        }
        if stopped.is_ok() {
            let now = self.clock.now();
            progress.held = Some(held_at_head(&look.head.state, &pending, cursor.holds, now));
        }
        // Only a worker that settled everything may clear the mark; otherwise nothing would retry the rest if it
        // crashed.
        let mark = cursor.behind.as_ref().filter(|_| stopped.is_ok()).map(|behind| behind.mark.as_str());
        self.move_cursor(buyer, &mut progress, mark, advanced).await?;
        stopped
    }

    async fn move_cursor(
        &self,
        buyer: &BuyerId,
        progress: &mut Progress,
        mark_to_clear: Option<&str>,
        advanced: &mut Advanced,
    ) -> Result<(), Stop> {
        // Another worker may have moved it further; never move it back.
        self.leads.move_cursor(buyer, progress, mark_to_clear).await?;
        advanced.through = advanced.through.max(progress.through);
        *progress = Progress { from: progress.through, through: progress.through, ..Progress::default() };
        Ok(())
    }

    /// Performs the pending effects of one commit: sales messages first, so that they do not wait for SES. If a sales
    /// message is held back, no later one is sent either.
    async fn perform_all(
        &self,
        look: &Look<'_>,
        commit: &Commit,
        settled_through: Sequence,
        performed: &mut Vec<Performed>,
    ) -> Result<Progress, Stop> {
        let mut progress = Progress { through: commit.last(), ..Progress::default() };
        let pending = || commit.effects.iter().filter(|effect| effect.sequence > settled_through);
        let messages = pending().filter(|effect| !effect.kind.is_email());
        for effect in messages.chain(pending().filter(|effect| effect.kind.is_email())) {
            let Some((outcome, is_ours)) = self.perform(look, effect, commit).await? else {
                look.is_held_back.set(true);
                continue;
            };
            // While a message is held back, the cursor stays, so each look finds the same effects again. Only what this
            // one writes to the ledger is reported.
            if look.is_held_back.get() && (!is_ours || outcome == Outcome::Superseded) {
                continue;
            }
            if outcome == Outcome::Sent
                && let Some((lead, change)) = LeadChange::of(effect, &look.head.state, commit.recorded_at)
            {
                progress.leads.entry(lead).or_default().merge(change);
            }
            if outcome.is_written() {
                progress.settled.entry(effect.sequence).or_default().insert(effect.key(), outcome);
            }
            performed.push(Performed {
                effect: effect.clone(),
                event_id: event_id(effect, commit),
                trace: commit.trace_of(effect),
                outcome,
                is_ours,
                recorded_at: commit.recorded_at,
            });
        }
        Ok(progress)
    }

    /// Performs one effect unless a later fact has overtaken it. Returns how it ended, and whether this call settled
    /// it; `None` if it is a sales message that is held back by a pause.
    async fn perform(
        &self,
        look: &Look<'_>,
        effect: &Effect,
        commit: &Commit,
    ) -> Result<Option<(Outcome, bool)>, Stop> {
        let Some(called_for) = look.head.state.calls_for(effect) else {
            return Ok(Some((Outcome::Superseded, true)));
        };
        if effect.kind.is_email() {
            let is_parked = look.parks_mail || self.is_paused(Pausable::Emails, look.deadline).await?;
            let how = if is_parked { How::Park } else { How::Try };
            let Self { leads, outside, clock, letterhead, .. } = self;
            let delivered = deliver(*leads, *outside, *clock, letterhead, look, &called_for, how).await?;
            return Ok(Some((delivered.outcome(effect), delivered.is_ours())));
        }
        if look.is_held_back.get() || self.is_paused(Pausable::Sales, look.deadline).await? {
            return Ok(None);
        }
        look.deadline.leaves(CALL_TIME, self.clock)?;
        let Some(body) = announcement(effect, commit, &look.head.state) else {
            return Ok(Some((Outcome::Superseded, true)));
        };
        let message = SalesMessage { buyer: look.buyer.clone(), effect_id: effect.id(look.buyer), body };
        self.outside.notify_sales(&message).await?;
        Ok(Some((Outcome::Sent, true)))
    }

    async fn is_paused(&self, kind: Pausable, deadline: Deadline) -> Result<bool, Stop> {
        Ok(self.pauses.get(self.leads, self.clock, deadline).await?.of(kind).is_some())
    }
}

/// The sender's id of the event that called for an effect; `None` if another fact called for it.
fn event_id(effect: &Effect, commit: &Commit) -> Option<String> {
    let place = effect.sequence.get().checked_sub(commit.first.get())?;
    let fact = commit.facts.get(usize::try_from(place).ok()?)?;
    fact.event().map(|event| event.id.to_string())
}
