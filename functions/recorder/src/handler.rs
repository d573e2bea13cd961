use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use contract::incoming::{self, IncomingEvent};
use domain::{BuyerId, Event, Known, Sequence};
use event_store::{Appended, EventStore, Head, InTime, NEEDED, StoreError, load};
use futures::FutureExt as _;
use futures::future::join_all;
use legacy::{Legacy, LegacyUnavailable, NoLegacy};
use platform::clock::{Clock, Deadline, OutOfTime};
use platform::telemetry::{Metrics, chain};

use crate::batch::{FifoBatch, Group, Message, NotFromAFifoQueue};
use crate::dead_letters::{DeadLetter, DeadLetters, DeadLettersUnavailable, Reason};
use crate::decide::{Decided, Decision, Standing, decide, in_turn};
use crate::heads::Heads;
use crate::live::LiveShare;
use crate::panics::Panics;

/// From this receive on, a buyer's messages are recorded one by one, so that one that breaks the recorder takes no
/// neighbour with it into the dead letters.
const SUSPICIOUS: u32 = 5;

/// Records batches of offer events.
#[derive(Debug)]
pub struct Recorder<S, D, W, L = NoLegacy> {
    streams: S,
    dead_letters: D,
    clock: W,
    legacy: Option<L>,
    live: LiveShare,
    heads: Heads,
    panics: Panics,
}

/// Why a buyer's messages come back.
#[derive(Debug, thiserror::Error)]
enum GiveBack {
    #[error("no time left")]
    OutOfTime(#[source] OutOfTime),
    #[error("the stream cannot be read or written now")]
    Store(#[source] StoreError),
    #[error("the former system cannot be asked about this buyer now")]
    Legacy(#[source] LegacyUnavailable),
    #[error("this buyer is to go live, and the former system that knows it is not configured: set LegacyUrl")]
    NoLegacy,
    #[error("a message cannot be set aside now")]
    DeadLetters(#[source] DeadLettersUnavailable),
}

impl<S, D, W> Recorder<S, D, W> {
    /// A recorder that remembers nothing yet. There is no former system, and every buyer is live.
    #[must_use]
    pub fn new(streams: S, dead_letters: D, clock: W) -> Self {
        let live = LiveShare::EVERYBODY;
        let (heads, panics) = (Heads::default(), Panics::default());
        Self { streams, dead_letters, clock, legacy: None, live, heads, panics }
    }
}

impl<S: EventStore, D: DeadLetters, W: Clock, L: Legacy> Recorder<S, D, W, L> {
    /// The same beside this former system, if there is one.
    #[must_use]
    pub fn beside<F: Legacy>(self, legacy: Option<F>) -> Recorder<S, D, W, F> {
        let Self { streams, dead_letters, clock, live, heads, panics, .. } = self;
        Recorder { streams, dead_letters, clock, legacy, live, heads, panics }
    }

    /// The same, with these buyers going live.
    #[must_use]
    pub fn live(self, live: LiveShare) -> Self {
        Self { live, ..self }
    }

    /// Opens the connection while there is a full processor to do it: the first hand-shake inside an invocation is slow.
    pub async fn warm_up(&self) {
        if let Ok(nobody) = BuyerId::parse("-")
            && let Err(error) = self.streams.page(&nobody, None, 1).await
        {
            tracing::warn!(error = chain(&error), "not warmed up");
        }
    }

    /// Records one batch. Whatever cannot be settled now comes back by the answer, in order; other buyers' messages are
    /// acknowledged all the same.
    ///
    /// # Errors
    /// [`NotFromAFifoQueue`]: all of the batch comes back.
    pub async fn handle(
        &self,
        event: SqsEvent,
        deadline: Deadline,
    ) -> Result<SqsBatchResponse, NotFromAFifoQueue> {
        let batch = FifoBatch::of(event)
            .inspect_err(|error| tracing::error!(error = chain(error), "the batch goes back"))?;
        let metrics = &Mutex::new(Metrics::default());
        // Buyers are independent, and each one's work is sequential.
        let settled =
            join_all(batch.groups().iter().map(|group| self.settle(group, deadline, metrics))).await;
        for (group, settled) in batch.groups().iter().zip(&settled) {
            for message in group.messages.iter().skip(*settled) {
                metrics.lock().unwrap_or_else(PoisonError::into_inner).count("MessagesReturned", vec![], 1);
                let (event_id, receives) = (message.event_id(), message.receives);
                tracing::warn!(messageId = message.id, eventId = event_id, receives, "returned");
            }
        }
        let metrics = metrics.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.write(self.clock.now().as_millisecond());
        Ok(batch.answer(&settled))
    }

    /// Settles one buyer's messages: all in one commit, or one by one once they have come back often. Tells how many, from
    /// the first on, are settled.
    async fn settle(&self, group: &Group, deadline: Deadline, metrics: &Mutex<Metrics>) -> usize {
        let is_suspicious = group.messages.iter().any(|message| message.receives >= SUSPICIOUS);
        let at_once = if is_suspicious { 1 } else { group.messages.len().max(1) };
        let mut settled = 0;
        for messages in group.messages.chunks(at_once) {
            let recording = AssertUnwindSafe(self.record(group, messages, deadline, metrics));
            // The place of a panic is logged where it happens.
            let recorded = if let Ok(recorded) = recording.catch_unwind().await {
                recorded
            } else {
                self.panics.count(messages);
                match messages {
                    [message] if self.panics.is_hopeless(message) => {
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

    /// Sets a message aside that breaks the recorder; tells how many are settled.
    async fn give_up(
        &self,
        group: &Group,
        message: &Message,
        deadline: Deadline,
        metrics: &Mutex<Metrics>,
    ) -> usize {
        let reason = Reason::BreaksTheRecorder;
        if let Err(error) = self.set_aside(group, message, &reason, deadline).await {
            come_back_from(message, &error);
            return 0;
        }
        tell(message, None, &Decision::Dead(reason), metrics);
        1
    }

    /// Records some messages of one buyer; tells how many, from the first on, are settled.
    async fn record(
        &self,
        group: &Group,
        messages: &[Message],
        deadline: Deadline,
        metrics: &Mutex<Metrics>,
    ) -> usize {
        let read: Vec<Result<IncomingEvent, Reason>> =
            messages.iter().map(|message| read(group, message)).collect();
        let events: Vec<&Event> = read.iter().flatten().map(|incoming| &incoming.event).collect();
        let is_again = messages.iter().any(|message| message.receives > 1);
        let decided = match read.iter().flatten().next() {
            Some(first) => match self.append(&first.buyer, &events, is_again, deadline).await {
                Ok(decisions) => decisions,
                Err(error) => {
                    tracing::warn!(buyer = %first.buyer, error = chain(&error), "this buyer's messages come back");
                    return 0;
                }
            },
            None => Vec::new(),
        };
        let becomes = in_turn(&read, decided);
        for (index, ((message, read), decision)) in messages.iter().zip(&read).zip(becomes).enumerate() {
            let Some(decision) = decision else {
                tracing::error!(messageId = message.id, "not decided: this and what follows it come back");
                return index;
            };
            if let Decision::Dead(reason) = &decision
                && let Err(error) = self.set_aside(group, message, reason, deadline).await
            {
                come_back_from(message, &error);
                return index;
            }
            tell(message, read.as_ref().ok(), &decision, metrics);
        }
        messages.len()
    }

    /// Decides events and appends what is new, until nothing stands in between. `is_again`: one of them was received before.
    async fn append(
        &self,
        buyer: &BuyerId,
        events: &[&Event],
        is_again: bool,
        deadline: Deadline,
    ) -> Result<Vec<Decision>, GiveBack> {
        let streams = &InTime { store: &self.streams, deadline, clock: &self.clock };
        let mut known = self.heads.take(buyer);
        let mut is_fresh = false;
        loop {
            let head = if let Some(head) = known.take() {
                head
            } else {
                is_fresh = true;
                load(streams, buyer).await.map_err(GiveBack::Store)?
            };
            let standing = self.standing(buyer, &head, is_again, deadline).await?;
            let Decided { decisions, appending } =
                match decide(head.clone(), &standing, events.iter().copied()) {
                    // Never on a remembered head: it may be stale.
                    decided if decided.has_dead() && !is_fresh => continue,
                    decided => decided,
                };
            let now = self.clock.now();
            let Some((commit, after)) = appending.commit(buyer, now) else {
                self.heads.remember(buyer, head);
                return Ok(decisions);
            };
            match streams.append(&commit).await.map_err(GiveBack::Store)? {
                Appended::Written => {
                    self.heads.remember(buyer, after);
                    return Ok(decisions);
                }
                // Another writer, or our own put whose answer was lost: adopt what lies there, ask and decide again.
                Appended::Conflict(stored) => {
                    is_fresh = false;
                    // What lies at the next sequence number directly follows our head, unless it was emptied since.
                    let followed = head.followed_by(&stored);
                    known = followed.map_err(|error| GiveBack::Store(StoreError::Undecodable(error)))?;
                }
            }
        }
    }

    /// What is to become of a buyer beside the former system, which is asked where that depends on it. The setting matters for
    /// buyers only who are not live.
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
        deadline.leaves(legacy::NEEDED, &self.clock).map_err(GiveBack::OutOfTime)?;
        if !goes_live {
            // A message comes again also because whoever took it before had the buyer handed over, and ended there.
            if is_asked && !is_again {
                return Ok(Standing::Same);
            }
            let answer = legacy.look_up(buyer).await.map_err(GiveBack::Legacy)?;
            if !answer.is_handed_over {
                return Ok(if is_asked { Standing::Same } else { Standing::Migrated(answer.known) });
            }
            deadline.leaves(legacy::NEEDED, &self.clock).map_err(GiveBack::OutOfTime)?;
        }
        Ok(Standing::HandedOver(legacy.hand_over(buyer).await.map_err(GiveBack::Legacy)?))
    }

    async fn set_aside(
        &self,
        group: &Group,
        message: &Message,
        reason: &Reason,
        deadline: Deadline,
    ) -> Result<(), GiveBack> {
        let letter = DeadLetter::of(group, message, reason);
        deadline.leaves(NEEDED, &self.clock).map_err(GiveBack::OutOfTime)?;
        self.dead_letters.put(&letter).await.map_err(GiveBack::DeadLetters)
    }
}

fn read(group: &Group, message: &Message) -> Result<IncomingEvent, Reason> {
    let incoming = incoming::decode(&message.body).map_err(Reason::Refused)?;
    if incoming.buyer.as_str() == group.id { Ok(incoming) } else { Err(Reason::WrongGroup) }
}

/// One line for a message that cannot be set aside now.
fn come_back_from(message: &Message, error: &GiveBack) {
    let (event_id, error) = (message.event_id(), chain(error));
    tracing::warn!(messageId = message.id, eventId = event_id, error, "this and what follows it come back");
}

/// One line for each record, and its metric. Of a message that is no event, nothing is repeated but the id that its sender
/// would search for.
fn tell(message: &Message, read: Option<&IncomingEvent>, decision: &Decision, metrics: &Mutex<Metrics>) {
    let mut metrics = metrics.lock().unwrap_or_else(PoisonError::into_inner);
    let refused = if read.is_none() { message.event_id() } else { None };
    let event_id = read.map(|incoming| incoming.event.id.as_str()).or(refused.as_deref());
    let id = message.id.as_str();
    let buyer = read.map(|incoming| tracing::field::display(&incoming.buyer));
    let offer = read.map(|incoming| tracing::field::display(&incoming.event.offer));
    let version = read.map(|incoming| incoming.event.version.get());
    if let (Some(incoming), Decision::Recorded(_) | Decision::Held(_)) = (read, decision) {
        for field in &incoming.dropped {
            metrics.count("FieldsDropped", vec![("field", (*field).to_owned())], 1);
            tracing::warn!(
                messageId = id,
                eventId = event_id,
                buyer,
                offer,
                version,
                field,
                "malformed field dropped"
            );
        }
    }
    let mut count = |name| metrics.count(name, vec![], 1);
    match decision {
        Decision::Recorded(sequence) => {
            count("EventsRecorded");
            let sequence = sequence.get();
            tracing::info!(messageId = id, eventId = event_id, buyer, offer, version, sequence, "recorded");
        }
        Decision::Held(sequence) => {
            count("EventsRecorded");
            count("EventsHeld");
            let sequence = sequence.get();
            tracing::info!(messageId = id, eventId = event_id, buyer, offer, version, sequence, "held");
        }
        Decision::Duplicate => {
            count("Duplicates");
            tracing::info!(messageId = id, eventId = event_id, buyer, offer, version, "duplicate");
        }
        Decision::Dead(reason) => {
            let reason = reason.name();
            metrics.count("DeadLettered", vec![("reason", reason.to_owned())], 1);
            tracing::warn!(messageId = id, eventId = event_id, buyer, offer, version, reason, "dead letter");
        }
    }
}
