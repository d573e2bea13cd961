//! Performs all pending effects of one buyer in order, starting after the cursor.

use contract::metric;
use contract::outgoing::announcement;
use contract::stored::Commit;
use contract::trace::TraceParent;
use domain::{BuyerId, Effect, Sequence};
use event_store::{Commits, WithinDeadline, tail_after};
use jiff::{SignedDuration, Timestamp};
use leads_store::{Behind, LeadChange, LeadsStore, LeadsUnavailable, Outcome, Progress};
use platform::clock::{CALL_TIME, Clock, Deadline};
use platform::telemetry::{Metrics, Span, SpanKind};

use crate::deliver::{How, deliver};
use crate::held::held_at_head;
use crate::look::{Look, Stop, catch_panic, later};
use crate::mail::Letterhead;
use crate::outside::{Outside, SalesMessage};

/// How many times an advance reads a buyer if facts are recorded between reading and claiming. After that the buyer is
/// marked behind; the doorbell of the newer fact causes another advance anyway.
const LOOKS: usize = 4;

/// The number of lead and outcome items after which the cursor is moved; a transaction takes at most 100 items.
const LARGEST_TRANSACTION: usize = 50;

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
}

/// How an advance ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advanced {
    /// The sequence number through which all effects are settled.
    pub through: Sequence,
    /// Why some effects must be tried again later; `None` if all are settled.
    pub behind: Option<String>,
    /// The settled effects in order. A message that was sent twice, under the same id, appears twice.
    pub performed: Vec<Performed>,
}

/// An effect that was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Performed {
    /// The effect.
    pub effect: Effect,
    /// The sender's id of the event that called for the effect; `None` if another fact called for it.
    pub event_id: Option<String>,
    /// Where that event was recorded in a trace; `None` if its sender gave no trace.
    pub trace: Option<TraceParent>,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether this look settled it. Otherwise another worker, a receipt or an earlier look has settled and counted it.
    pub is_ours: bool,
    /// When its commit was recorded.
    pub recorded_at: Timestamp,
}

impl Advanced {
    /// Logs and counts each effect, and logs whether the buyer is settled or behind.
    pub fn report(&self, buyer: &BuyerId, now: Timestamp, metrics: &mut Metrics) {
        for performed in &self.performed {
            let (kind, outcome) = (performed.effect.kind.name(), performed.outcome.name());
            metrics.count(
                metric::EFFECTS,
                vec![("kind", kind.to_owned()), ("outcome", outcome.to_owned())],
                1,
            );
            let lag = now.duration_since(performed.recorded_at).as_millis();
            metrics.longest(metric::FEED_LAG, u64::try_from(lag).unwrap_or_default());
            if performed.effect.kind.is_email() && performed.outcome == Outcome::Rejected && performed.is_ours
            {
                metrics.count_for_stack(metric::EMAILS_REJECTED, 1);
            }
            let (effect, sequence) = (performed.effect.key(), performed.effect.sequence.get());
            let event_id = performed.event_id.as_deref();
            let trace = performed.trace.map(|trace| trace.trace_id());
            tracing::info!(%buyer, effect, sequence, eventId = event_id, traceId = trace, outcome, "effect");
            metrics.spans(performed.span(buyer, now));
        }
        let through = self.through.get();
        match &self.behind {
            None => tracing::info!(%buyer, through, "settled"),
            Some(reason) => {
                metrics.count(metric::BUYERS_BEHIND, vec![], 1);
                tracing::warn!(%buyer, through, reason, "behind");
            }
        }
    }
}

impl Performed {
    /// The span of the effect, from its commit to now; `None` if the sender of its event records no spans.
    fn span(&self, buyer: &BuyerId, now: Timestamp) -> Option<Span> {
        let recorded = self.trace.filter(TraceParent::is_sampled)?;
        let kind = &self.effect.kind;
        Some(Span {
            name: kind.name(),
            kind: if kind.is_email() { SpanKind::Client } else { SpanKind::Producer },
            trace: recorded.trace_id(),
            id: recorded.effect(buyer, &self.effect).span_id(),
            parent: recorded.span_id(),
            began: self.recorded_at.as_millisecond(),
            ended: now.as_millisecond(),
            attributes: vec![
                ("buyer", buyer.to_string()),
                ("sequence", self.effect.sequence.to_string()),
                ("effect", self.effect.key()),
                ("outcome", self.outcome.name().to_owned()),
            ],
        })
    }
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
        let now = self.clock.now();
        let wait = SignedDuration::from_mins(1 << attempts.min(4));
        let behind = Behind {
            mark: self.clock.nonce(),
            reason: reason.clone(),
            attempts: attempts.saturating_add(1),
            not_before: not_before.unwrap_or_else(|| later(now, wait)),
        };
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
        let look = Look { buyer, head, deadline, stopped: &cursor.stopped, parks_mail };
        let mut progress = Progress { from: cursor.through, through: cursor.through, ..Progress::default() };
        let mut stopped = Ok(());
        for commit in &pending {
            // The former system performs the effects of shadow commits.
            if commit.is_shadow {
                progress.through = commit.last();
                continue;
            }
            match self.perform_all(&look, commit, cursor.through, &mut advanced.performed).await {
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

    /// Performs the pending effects of one commit: sales messages first, so that they do not wait for SES.
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
            let (outcome, is_ours) = self.perform(look, effect, commit).await?;
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
    /// it.
    async fn perform(
        &self,
        look: &Look<'_>,
        effect: &Effect,
        commit: &Commit,
    ) -> Result<(Outcome, bool), Stop> {
        let Some(called_for) = look.head.state.calls_for(effect) else {
            return Ok((Outcome::Superseded, true));
        };
        if effect.kind.is_email() {
            let how = if look.parks_mail { How::Park } else { How::Try };
            let Self { leads, outside, clock, letterhead, .. } = self;
            let delivered = deliver(*leads, *outside, *clock, letterhead, look, &called_for, how).await?;
            return Ok((delivered.outcome(effect), delivered.is_ours()));
        }
        look.deadline.leaves(CALL_TIME, self.clock)?;
        let Some(body) = announcement(effect, commit, &look.head.state) else {
            return Ok((Outcome::Superseded, true));
        };
        let message = SalesMessage { buyer: look.buyer.clone(), effect_id: effect.id(look.buyer), body };
        self.outside.notify_sales(&message).await?;
        Ok((Outcome::Sent, true))
    }
}

/// The sender's id of the event that called for an effect; `None` if another fact called for it.
fn event_id(effect: &Effect, commit: &Commit) -> Option<String> {
    let place = effect.sequence.get().checked_sub(commit.first.get())?;
    let fact = commit.facts.get(usize::try_from(place).ok()?)?;
    fact.event().map(|event| event.id.to_string())
}
