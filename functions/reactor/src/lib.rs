//! The reactor: advances the buyers named by change-feed records. A record states only that a commit was appended, so a
//! record that is lost, late, repeated or out of order can delay an effect but never lose or repeat one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use domain::{BuyerId, Sequence};
use effects::mail::Letterhead;
use effects::outside::Outside;
use effects::{Advance, CannotMark, KnownPauses};
use event_store::Commits;
use futures::{StreamExt as _, stream};
use leads_store::LeadsStore;
use platform::Traces;
use platform::clock::{Clock, Deadline};
use platform::telemetry::{Metrics, chain};
use serde_dynamo::AttributeValue;

/// The number of buyers advanced concurrently.
const AT_ONCE: usize = 16;

/// The number of cursors remembered, so that doorbells for settled commits cost nothing. When it is reached, all are
/// forgotten.
const REMEMBERED: usize = 10_000;

/// Advances buyers. It can read the streams but not write them.
#[derive(Debug)]
pub struct Reactor<S, L, O, W> {
    streams: S,
    leads: L,
    outside: O,
    clock: W,
    letterhead: Letterhead,
    traces: Traces,
    cursors: Mutex<BTreeMap<BuyerId, Sequence>>,
    pauses: KnownPauses,
}

impl<S, L, O, W> Reactor<S, L, O, W>
where
    S: Commits,
    L: LeadsStore,
    O: Outside,
    W: Clock,
{
    /// A reactor that remembers nothing.
    #[must_use]
    pub fn new(streams: S, leads: L, outside: O, clock: W, letterhead: Letterhead) -> Self {
        let (traces, cursors, pauses) = (Traces::default(), Mutex::default(), KnownPauses::default());
        Self { streams, leads, outside, clock, letterhead, traces, cursors, pauses }
    }

    /// The same reactor with its spans exported there.
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

    /// Advances every buyer of the batch. A buyer that cannot be advanced is marked behind and delays no other.
    ///
    /// # Errors
    /// [`CannotMark`] if a mark cannot be written. Lambda then retries the batch a limited number of times.
    pub async fn handle(&self, event: Event, deadline: Deadline) -> Result<(), CannotMark> {
        let metrics = Mutex::new(Metrics::default());
        let advancing = doorbells(&event)
            .into_iter()
            .map(|(buyer, newest)| self.advance(buyer, newest, deadline, &metrics))
            .collect::<Vec<_>>();
        let results: Vec<Result<(), CannotMark>> =
            stream::iter(advancing).buffer_unordered(AT_ONCE).collect().await;
        let metrics = metrics.into_inner().unwrap_or_else(PoisonError::into_inner);
        metrics.write(self.clock.now().as_millisecond());
        self.traces.export(&metrics, deadline, &self.clock).await;
        results.into_iter().collect()
    }

    async fn advance(
        &self,
        buyer: BuyerId,
        newest: Sequence,
        deadline: Deadline,
        metrics: &Mutex<Metrics>,
    ) -> Result<(), CannotMark> {
        // Cursors stop only at the ends of commits, so one that is at or past a commit's first fact is past the commit.
        if self.settled_through(&buyer) >= newest {
            return Ok(());
        }
        let advance = Advance {
            streams: &self.streams,
            leads: &self.leads,
            outside: &self.outside,
            clock: &self.clock,
            letterhead: &self.letterhead,
            pauses: &self.pauses,
        };
        match advance.advance(&buyer, deadline).await {
            Ok(advanced) => {
                self.remember(&buyer, advanced.through);
                let mut metrics = metrics.lock().unwrap_or_else(PoisonError::into_inner);
                advanced.report(&buyer, self.clock.now(), &mut metrics);
                Ok(())
            }
            Err(error) => {
                tracing::error!(%buyer, error = chain(&error), "cannot mark the buyer behind: the batch will be retried");
                Err(error)
            }
        }
    }

    /// How far this buyer is known to be settled. Cursors never move back, so the value is never too high.
    fn settled_through(&self, buyer: &BuyerId) -> Sequence {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner).get(buyer).copied().unwrap_or_default()
    }

    fn remember(&self, buyer: &BuyerId, through: Sequence) {
        let mut cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        if cursors.len() >= REMEMBERED {
            cursors.clear();
        }
        cursors.insert(buyer.clone(), through);
    }
}

/// The distinct buyers of a batch, each with the newest commit that a record names.
fn doorbells(event: &Event) -> BTreeMap<BuyerId, Sequence> {
    let mut buyers: BTreeMap<BuyerId, Sequence> = BTreeMap::new();
    for record in &event.records {
        if let Some((buyer, sequence)) = commit_key(record) {
            let latest = buyers.entry(buyer).or_default();
            *latest = sequence.max(*latest);
        } else {
            tracing::error!(record = record.event_id, "not a record of the streams table");
        }
    }
    buyers
}

fn commit_key(record: &EventRecord) -> Option<(BuyerId, Sequence)> {
    let (Some(AttributeValue::S(buyer)), Some(AttributeValue::N(sequence))) =
        (record.change.keys.get("buyer"), record.change.keys.get("sequence"))
    else {
        return None;
    };
    Some((BuyerId::parse(buyer).ok()?, Sequence::new(sequence.parse().ok()?)))
}
