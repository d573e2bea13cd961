//! All pending effects of one buyer, in order, from the cursor on.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use contract::outgoing::sales_message;
use contract::stored::Commit;
use domain::{BuyerId, Effect, EffectKind, Sequence};
use event_store::{Commits, Head, InTime, NEEDED, StoreError, tail_after};
use futures::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use platform::clock::{Clock, Deadline, OutOfTime};
use platform::telemetry::{Metrics, chain};

use crate::deliver::{How, later};
use crate::held::held_at_head;
use crate::mail::Letterhead;
use crate::outside::{Outside, SalesMessage, SalesUnavailable};
use leads_store::{
    AddressDigest, Behind, Closing, Cursors, LeadTold, LeadsUnavailable, Ledger, Opening, Outcome, Progress,
};

/// How often a buyer is looked at anew because a fact was recorded between reading and claiming. Then it is behind:
/// somebody else's doorbell is ringing anyway.
const LOOKS: usize = 4;

/// How many lead and outcome items may wait for one transaction, which takes 100.
const LARGEST_TRANSACTION: usize = 50;

/// What is needed to advance buyers.
#[derive(Debug)]
pub struct Advance<'a, S, L, O, W> {
    /// Where the commits are. Only read.
    pub streams: &'a S,
    /// What the world was told.
    pub leads: &'a L,
    /// The world.
    pub outside: &'a O,
    /// Time and chance.
    pub clock: &'a W,
    /// What every e-mail needs.
    pub letterhead: &'a Letterhead,
}

/// How an advance ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advanced {
    /// Everything of this buyer is settled up to here.
    pub through: Sequence,
    /// Why there is more that must be tried later; `None` if all is settled.
    pub behind: Option<String>,
    /// What was done, in order; a message that was sent again, under the same id, is in it again.
    pub performed: Vec<Performed>,
}

/// One effect that was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Performed {
    /// The effect.
    pub effect: Effect,
    /// The id of the event that called for it, as its sender gave it; `None` if it was no event.
    pub event_id: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether it ended so here and now: else another worker, a receipt or an earlier look settled it so, and counted it.
    pub is_ours: bool,
    /// When its commit was recorded.
    pub recorded_at: Timestamp,
}

impl Advanced {
    /// One line and one count for each effect, and how it ended for the buyer.
    pub fn tell(&self, buyer: &BuyerId, now: Timestamp, metrics: &mut Metrics) {
        for performed in &self.performed {
            let (kind, outcome) = (performed.effect.kind.name(), performed.outcome.name());
            metrics.count("Effects", vec![("kind", kind.to_owned()), ("outcome", outcome.to_owned())], 1);
            let lag = now.duration_since(performed.recorded_at).as_millis();
            metrics.longest("FeedLag", u64::try_from(lag).unwrap_or_default());
            if performed.effect.kind.is_email() && performed.outcome == Outcome::Rejected && performed.is_ours
            {
                metrics.count("EmailsRejected", vec![], 1);
            }
            let (effect, sequence) = (performed.effect.key(), performed.effect.sequence.get());
            let event_id = performed.event_id.as_deref();
            tracing::info!(%buyer, effect, sequence, eventId = event_id, outcome, "effect");
        }
        let through = self.through.get();
        match &self.behind {
            None => tracing::info!(%buyer, through, "settled"),
            Some(reason) => {
                metrics.count("BuyersBehind", vec![], 1);
                tracing::warn!(%buyer, through, reason, "behind");
            }
        }
    }
}

/// The one thing that makes an invocation fail: a buyer could be neither advanced nor marked behind.
#[derive(Debug, thiserror::Error)]
#[error("{buyer} is behind ({reason}) and cannot be marked so")]
pub struct CannotMark {
    /// Who.
    pub buyer: BuyerId,
    /// Why it is behind.
    pub reason: String,
    /// Why it cannot be marked.
    #[source]
    pub source: LeadsUnavailable,
}

/// What one look at a buyer found.
pub(crate) struct Look<'a> {
    pub(crate) buyer: &'a BuyerId,
    pub(crate) head: Head,
    pub(crate) deadline: Deadline,
    /// Addresses that no mail goes to any more.
    pub(crate) stopped: &'a BTreeSet<AddressDigest>,
    /// Whether e-mails are left to the sweeper, which paces them.
    pub(crate) parks_mail: bool,
}

/// Why the work on a buyer stops here for now.
pub(crate) enum Stop {
    /// A fact was recorded after the last one read: look again.
    HeadMoved,
    /// Something passing: try again later.
    Later { reason: String, not_before: Option<Timestamp> },
}

impl Stop {
    pub(crate) const fn later(reason: String, not_before: Option<Timestamp>) -> Self {
        Self::Later { reason, not_before }
    }
}

/// A panic is one buyer's trouble like any other: it is tried again later, and nobody waits for it. Nothing is left half
/// done behind it that is not left so by a crash.
pub(crate) fn unless_it_panics<T>(
    work: impl Future<Output = Result<T, Stop>>,
) -> impl Future<Output = Result<T, Stop>> {
    let ended = AssertUnwindSafe(work).catch_unwind();
    ended.map(|ended| ended.unwrap_or_else(|_| Err(Stop::later("a panic".to_owned(), None))))
}

impl<S, L, O, W> Advance<'_, S, L, O, W>
where
    S: Commits,
    L: Cursors + Ledger,
    O: Outside,
    W: Clock,
{
    /// Does all pending effects of a buyer, in order, and moves its cursor; whatever must be tried later marks the buyer
    /// behind. No e-mail does: from its claim on the ledger is responsible for it.
    ///
    /// # Errors
    /// [`CannotMark`].
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
            match unless_it_panics(self.look(buyer, (deadline, parks_mail), &mut attempts, &mut advanced))
                .await
            {
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

    /// Marks a buyer behind that could not be advanced at all.
    ///
    /// # Errors
    /// [`CannotMark`].
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

    /// One look: what is pending is performed, and the cursor moves to where all is settled. Tells how often this buyer
    /// was tried in vain before.
    async fn look(
        &self,
        buyer: &BuyerId,
        (deadline, parks_mail): (Deadline, bool),
        attempts: &mut u32,
        advanced: &mut Advanced,
    ) -> Result<(), Stop> {
        deadline.leaves(NEEDED, self.clock)?;
        let cursor = self.leads.cursor(buyer).await?;
        *attempts = cursor.behind.as_ref().map_or(0, |behind| behind.attempts);
        advanced.through = advanced.through.max(cursor.through);
        let streams = InTime { store: self.streams, deadline, clock: self.clock };
        let (head, pending) = tail_after(&streams, buyer, Some(cursor.through)).await?;
        let look = Look { buyer, head, deadline, stopped: &cursor.stopped, parks_mail };
        let mut progress = Progress { from: cursor.through, through: cursor.through, ..Progress::default() };
        let mut stopped = Ok(());
        for commit in &pending {
            // The former system performs these.
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
        // A mark is cleared only by who settled all: if this worker ends here, the next one must still be called.
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
        // Overtaken or not: it is at least there.
        self.leads.move_cursor(buyer, progress, mark_to_clear).await?;
        advanced.through = advanced.through.max(progress.through);
        *progress = Progress { from: progress.through, through: progress.through, ..Progress::default() };
        Ok(())
    }

    /// Sales messages before e-mails: they wait for no answer of SES.
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
                && let Some((lead, told)) = told_by(effect, look, commit.recorded_at)
            {
                progress.leads.entry(lead).or_default().merge(told);
            }
            if outcome.is_written() {
                progress.settled.entry(effect.sequence).or_default().insert(effect.key(), outcome);
            }
            performed.push(Performed {
                effect: effect.clone(),
                event_id: event_id(effect, commit),
                outcome,
                is_ours,
                recorded_at: commit.recorded_at,
            });
        }
        Ok(progress)
    }

    /// Performs one effect if a later fact has not overtaken it. Tells how it ended, and whether it ended so here.
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
            let delivered = self.deliver(look, &called_for, how).await?;
            return Ok((delivered.outcome(effect), delivered.is_ours()));
        }
        look.deadline.leaves(NEEDED, self.clock)?;
        let Some(body) = sales_message(look.buyer, effect, &look.head.state, commit.recorded_at) else {
            return Ok((Outcome::Superseded, true));
        };
        let message = SalesMessage { buyer: look.buyer.clone(), effect_id: effect.id(look.buyer), body };
        self.outside.tell_sales(&message).await?;
        Ok((Outcome::Sent, true))
    }
}

/// The id of the event that called for an effect, as its sender gave it; `None` if it was no event.
fn event_id(effect: &Effect, commit: &Commit) -> Option<String> {
    let place = effect.sequence.get().checked_sub(commit.first.get())?;
    let fact = commit.facts.get(usize::try_from(place).ok()?)?;
    fact.event().map(|event| event.id.to_string())
}

/// What the leads table keeps of a message that was sent.
fn told_by(effect: &Effect, look: &Look<'_>, at: Timestamp) -> Option<(domain::LeadId, LeadTold)> {
    match &effect.kind {
        EffectKind::LeadOpened { lead, offer } => {
            let known = look.head.state.offers.get(offer)?;
            let contact = known.contact.clone()?;
            let opening = Opening { offer: offer.clone(), car: known.car.clone(), contact, at };
            Some((lead.clone(), LeadTold { opened: Some(opening), closed: None }))
        }
        EffectKind::LeadClosed { lead, reason } => {
            let closing = Closing { reason: *reason, at };
            Some((lead.clone(), LeadTold { opened: None, closed: Some(closing) }))
        }
        EffectKind::QuoteRequest { .. }
        | EffectKind::AcceptedEmail { .. }
        | EffectKind::QuoteInvitation { .. } => None,
    }
}

impl From<OutOfTime> for Stop {
    fn from(error: OutOfTime) -> Self {
        Self::later(chain(&error), None)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::later(chain(&error), None)
    }
}

impl From<LeadsUnavailable> for Stop {
    fn from(error: LeadsUnavailable) -> Self {
        Self::later(chain(&error), None)
    }
}

impl From<SalesUnavailable> for Stop {
    fn from(error: SalesUnavailable) -> Self {
        Self::later(chain(&error), None)
    }
}
