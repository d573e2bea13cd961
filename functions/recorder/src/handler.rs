use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use contract::incoming::{self, IncomingEvent};
use contract::metric;
use domain::{BuyerId, Known, Sequence};
use event_store::{Appended, EventStore, Head, StoreError, WithinDeadline, load};
use futures::FutureExt as _;
use futures::future::join_all;
use legacy::{Legacy, LegacyUnavailable, NoLegacy};
use platform::Traces;
use platform::clock::{CALL_TIME, Clock, Deadline, OutOfTime};
use platform::telemetry::{Metrics, chain};

use crate::batch::{FifoBatch, Group, Message, NotFromAFifoQueue};
use crate::config::LiveShare;
use crate::dead_letters::{Cause, DeadLetter, DeadLetters, DeadLettersUnavailable};
use crate::decide::{Decided, Decision, Standing, decide, for_each_message};
use crate::remembered::{Heads, Panics};
use crate::report::{report, report_return};

/// The receive from which on a buyer's messages are recorded one by one, so that a message that breaks the recorder
/// does not make its neighbours dead letters.
const SUSPICIOUS: u32 = 5;

/// Records batches of offer events.
#[derive(Debug)]
pub struct Recorder<S, D, W, L = NoLegacy> {
    streams: S,
    dead_letters: D,
    clock: W,
    legacy: Option<L>,
    live: LiveShare,
    traces: Traces,
    heads: Heads,
    panics: Panics,
}

/// How an attempt to append ended.
enum Attempt {
    /// The events are decided on, and the new ones are recorded.
    Settled(Vec<Decision>),
    /// Another attempt is needed, on this head if there is one. It may be stale.
    Again(Option<Head>),
}

/// Why a buyer's messages are returned to the queue.
#[derive(Debug, thiserror::Error)]
enum GiveBack {
    #[error("no time left")]
    OutOfTime(#[source] OutOfTime),
    #[error("cannot read or write the stream now")]
    Store(#[source] StoreError),
    #[error("cannot ask the former system about this buyer now")]
    Legacy(#[source] LegacyUnavailable),
    #[error("this buyer is to go live, but the former system that knows it is not configured: set LegacyUrl")]
    NoLegacy,
    #[error("cannot send a dead letter now")]
    DeadLetters(#[source] DeadLettersUnavailable),
}

impl<S, D, W> Recorder<S, D, W> {
    /// A recorder without remembered heads, without a former system, and with every buyer going live.
    #[must_use]
    pub fn new(streams: S, dead_letters: D, clock: W) -> Self {
        let live = LiveShare::EVERYBODY;
        let (traces, heads, panics) = (Traces::default(), Heads::default(), Panics::default());
        Self { streams, dead_letters, clock, legacy: None, live, traces, heads, panics }
    }
}

impl<S: EventStore, D: DeadLetters, W: Clock, L: Legacy> Recorder<S, D, W, L> {
    /// The same recorder beside this former system, if there is one.
    #[must_use]
    pub fn beside<F: Legacy>(self, legacy: Option<F>) -> Recorder<S, D, W, F> {
        let Self { streams, dead_letters, clock, live, traces, heads, panics, .. } = self;
        Recorder { streams, dead_letters, clock, legacy, live, traces, heads, panics }
    }

    /// The same recorder with this share of buyers going live.
    #[must_use]
    pub fn live(self, live: LiveShare) -> Self {
        Self { live, ..self }
    }

    /// The same recorder with its spans exported there.
    #[must_use]
    pub fn tracing(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    /// Opens a connection to DynamoDB during the start, when Lambda provides a full processor. The first TLS handshake
    /// within an invocation would be slow.
    pub async fn warm_up(&self) {
        if let Ok(no_buyer) = BuyerId::parse("-")
            && let Err(error) = self.streams.page(&no_buyer, None, 1).await
        {
            tracing::warn!(error = chain(&error), "warm-up failed");
        }
    }

    /// Records one batch. The answer returns the messages that cannot be settled now, in order; the messages of other
    /// buyers are acknowledged all the same.
    ///
    /// # Errors
    /// [`NotFromAFifoQueue`] if the batch is not from a FIFO queue; all its messages are then returned.
    pub async fn handle(
        &self,
        event: SqsEvent,
        deadline: Deadline,
    ) -> Result<SqsBatchResponse, NotFromAFifoQueue> {
        let batch = FifoBatch::of(event)
            .inspect_err(|error| tracing::error!(error = chain(error), "the whole batch is returned"))?;
        let metrics = Mutex::new(Metrics::default());
        // Buyers are independent of each other; the work on one buyer is sequential.
        let settled =
            join_all(batch.groups().iter().map(|group| self.settle(group, deadline, &metrics))).await;
        for (group, settled) in batch.groups().iter().zip(&settled) {
            for message in group.messages.iter().skip(*settled) {
                metrics.lock().unwrap_or_else(PoisonError::into_inner).count(
                    metric::MESSAGES_RETURNED,
                    vec![],
                    1,
                );
                let (event_id, receives) = (message.event_id(), message.receives);
                tracing::warn!(messageId = message.id, eventId = event_id, receives, "returned");
            }
        }
        let metrics = metrics.into_inner().unwrap_or_else(PoisonError::into_inner);
        metrics.write(self.clock.now().as_millisecond());
        self.traces.export(&metrics, deadline, &self.clock).await;
        Ok(batch.answer(&settled))
    }

    /// Records one buyer's messages in one commit, or one by one if any of them was received often; bad ones become
    /// dead letters. Returns how many messages this succeeded for, counted from the first; the others are returned.
    async fn settle(&self, group: &Group, deadline: Deadline, metrics: &Mutex<Metrics>) -> usize {
        let is_suspicious = group.messages.iter().any(|message| message.receives >= SUSPICIOUS);
        let at_once = if is_suspicious { 1 } else { group.messages.len().max(1) };
        let mut settled = 0;
        for messages in group.messages.chunks(at_once) {
            let recording = AssertUnwindSafe(self.record(group, messages, deadline, metrics));
            // The panic hook has logged the place of a panic.
            let recorded = if let Ok(recorded) = recording.catch_unwind().await {
                recorded
            } else {
                self.panics.count(messages);
                match messages {
                    [message] if self.panics.must_give_up(message) => {
                        let giving_up = AssertUnwindSafe(self.give_up(group, message, deadline, metrics));
                        giving_up.catch_unwind().await.unwrap_or(0)
                    }
                    _ => 0,
                }
            };
            self.panics.forget(messages.get(..recorded).unwrap_or_default());
            settled += recorded;
            if recorded < messages.len() {
                break;
            }
        }
        settled
    }

    /// Turns a message that breaks the recorder into a dead letter. Returns the number of settled messages, 1 or 0.
    async fn give_up(
        &self,
        group: &Group,
        message: &Message,
        deadline: Deadline,
        metrics: &Mutex<Metrics>,
    ) -> usize {
        let cause = Cause::BreaksTheRecorder;
        if let Err(error) = self.set_aside(group, message, &cause, deadline).await {
            report_return(message, &error);
            return 0;
        }
        report(message, None, &Decision::Dead(cause), &self.clock, metrics);
        1
    }

    /// Records some messages of one buyer. Returns the number of settled messages, counted from the first.
    async fn record(
        &self,
        group: &Group,
        messages: &[Message],
        deadline: Deadline,
        metrics: &Mutex<Metrics>,
    ) -> usize {
        let read: Vec<Result<IncomingEvent, Cause>> =
            messages.iter().map(|message| read(group, message)).collect();
        let events: Vec<&IncomingEvent> = read.iter().flatten().collect();
        let is_again = messages.iter().any(|message| message.receives > 1);
        let decided = match events.first() {
            Some(first) => match self.append(&first.buyer, &events, is_again, deadline).await {
                Ok(decisions) => decisions,
                Err(error) => {
                    tracing::warn!(buyer = %first.buyer, error = chain(&error), "this buyer's messages are returned");
                    return 0;
                }
            },
            None => Vec::new(),
        };
        let decisions = for_each_message(&read, decided);
        for (index, ((message, read), decision)) in messages.iter().zip(&read).zip(decisions).enumerate() {
            let Some(decision) = decision else {
                tracing::error!(
                    messageId = message.id,
                    "no decision: this message and later ones are returned"
                );
                return index;
            };
            if let Decision::Dead(cause) = &decision
                && let Err(error) = self.set_aside(group, message, cause, deadline).await
            {
                report_return(message, &error);
                return index;
            }
            report(message, read.as_ref().ok(), &decision, &self.clock, metrics);
        }
        messages.len()
    }

    /// Decides on events and appends the new ones, again after every conflict until the append succeeds. `is_again`
    /// states whether one of the messages was received before.
    async fn append(
        &self,
        buyer: &BuyerId,
        events: &[&IncomingEvent],
        is_again: bool,
        deadline: Deadline,
    ) -> Result<Vec<Decision>, GiveBack> {
        let mut known = self.heads.take(buyer);
        loop {
            match self.attempt(known, buyer, events, is_again, deadline).await? {
                Attempt::Settled(decisions) => return Ok(decisions),
                Attempt::Again(head) => known = head,
            }
        }
    }

    /// Decides on events and appends the new ones once: on the head `known` from an earlier read or append, or else on a
    /// head that it reads. A refusal is never decided on a known head, which may be stale.
    async fn attempt(
        &self,
        known: Option<Head>,
        buyer: &BuyerId,
        events: &[&IncomingEvent],
        is_again: bool,
        deadline: Deadline,
    ) -> Result<Attempt, GiveBack> {
        let streams = &WithinDeadline { store: &self.streams, deadline, clock: &self.clock };
        let (head, is_read) = match known {
            Some(head) => (head, false),
            None => (load(streams, buyer).await.map_err(GiveBack::Store)?, true),
        };
        let standing = self.standing(buyer, &head, is_again, deadline).await?;
        let decided = decide(head.clone(), &standing, events.iter().map(|incoming| &incoming.event));
        if decided.has_dead() && !is_read {
            return Ok(Attempt::Again(None));
        }
        let Decided { decisions, mut appending } = decided;
        for (incoming, decision) in events.iter().zip(&decisions) {
            if let (Some(trace), Some(sequence)) = (incoming.trace, decision.sequence()) {
                appending.trace(sequence, trace);
            }
        }
        let Some((commit, after)) = appending.commit(buyer, self.clock.now()) else {
            self.heads.remember(buyer, head);
            return Ok(Attempt::Settled(decisions));
        };
        match streams.append(&commit).await.map_err(GiveBack::Store)? {
            Appended::Written => {
                self.heads.remember(buyer, after);
                Ok(Attempt::Settled(decisions))
            }
            // The place was taken by another writer, or by our own put whose answer was lost: adopt the stored commit,
            // then ask the former system and decide again. It directly follows our head, unless its facts were removed
            // since.
            Appended::Conflict(stored) => {
                let followed = head.followed_by(&stored);
                let followed = followed.map_err(|error| GiveBack::Store(StoreError::Undecodable(error)))?;
                Ok(Attempt::Again(followed))
            }
        }
    }

    /// How a buyer's standing changes. The former system is asked if the result depends on it. The share of live buyers
    /// matters only for buyers that are not live yet.
    async fn standing(
        &self,
        buyer: &BuyerId,
        head: &Head,
        is_again: bool,
        deadline: Deadline,
    ) -> Result<Standing, GiveBack> {
        if head.is_live {
            return Ok(Standing::Same);
        }
        let (goes_live, is_asked) = (self.live.includes(buyer), head.state.is_asked);
        let Some(legacy) = &self.legacy else {
            return match (goes_live, is_asked) {
                (false, _) => Ok(Standing::Same),
                (true, true) => Err(GiveBack::NoLegacy),
                (true, false) if head.state.sequence == Sequence::START => Ok(Standing::New),
                (true, false) => Ok(Standing::HandedOver(Known::default())),
            };
        };
        deadline.leaves(legacy::QUESTION_TIME, &self.clock).map_err(GiveBack::OutOfTime)?;
        if !goes_live {
            // A redelivered message may mean that an earlier invocation requested the handover and then failed.
            if is_asked && !is_again {
                return Ok(Standing::Same);
            }
            let answer = legacy.look_up(buyer).await.map_err(GiveBack::Legacy)?;
            if !answer.is_handed_over {
                return Ok(if is_asked { Standing::Same } else { Standing::Migrated(answer.known) });
            }
            deadline.leaves(legacy::QUESTION_TIME, &self.clock).map_err(GiveBack::OutOfTime)?;
        }
        Ok(Standing::HandedOver(legacy.hand_over(buyer).await.map_err(GiveBack::Legacy)?))
    }

    async fn set_aside(
        &self,
        group: &Group,
        message: &Message,
        cause: &Cause,
        deadline: Deadline,
    ) -> Result<(), GiveBack> {
        let letter = DeadLetter::of(group, message, cause);
        deadline.leaves(CALL_TIME, &self.clock).map_err(GiveBack::OutOfTime)?;
        self.dead_letters.put(&letter).await.map_err(GiveBack::DeadLetters)
    }
}

fn read(group: &Group, message: &Message) -> Result<IncomingEvent, Cause> {
    let mut incoming = incoming::decode(&message.body).map_err(Cause::Refused)?;
    incoming.trace = incoming.trace.or(message.trace);
    if incoming.buyer.as_str() == group.id { Ok(incoming) } else { Err(Cause::WrongGroup) }
}
