use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_lambda_events::event::dynamodb::Event;
use domain::{BuyerId, Sequence};
use effects::mail::Letterhead;
use effects::outside::Outside;
use effects::{Advance, CannotMark};
use event_store::Commits;
use futures::{StreamExt as _, stream};
use leads_store::{Cursors, Ledger};
use platform::clock::{Clock, Deadline};
use platform::telemetry::{Metrics, chain};

use crate::doorbells::doorbells;

/// How many buyers are advanced at once.
const AT_ONCE: usize = 16;

/// How many cursors are remembered, to know a doorbell of what is settled. Beyond that all are forgotten.
const REMEMBERED: usize = 10_000;

/// Advances buyers. It reads the streams and cannot write them.
#[derive(Debug)]
pub struct Reactor<S, L, O, W> {
    streams: S,
    leads: L,
    outside: O,
    clock: W,
    letterhead: Letterhead,
    cursors: Mutex<BTreeMap<BuyerId, Sequence>>,
}

impl<S, L, O, W> Reactor<S, L, O, W>
where
    S: Commits,
    L: Cursors + Ledger,
    O: Outside,
    W: Clock,
{
    /// A reactor that remembers nothing yet.
    #[must_use]
    pub const fn new(streams: S, leads: L, outside: O, clock: W, letterhead: Letterhead) -> Self {
        Self { streams, leads, outside, clock, letterhead, cursors: Mutex::new(BTreeMap::new()) }
    }

    /// Opens the connection while there is a full processor to do it: the first hand-shake inside an invocation is slow.
    pub async fn warm_up(&self) {
        if let Ok(nobody) = BuyerId::parse("-")
            && let Err(error) = self.streams.page(&nobody, None, 1).await
        {
            tracing::warn!(error = chain(&error), "not warmed up");
        }
    }

    /// Advances every buyer of the batch. A buyer that cannot go on is marked behind and holds up nobody.
    ///
    /// # Errors
    /// [`CannotMark`], if a mark cannot be written: then the batch comes again, finitely often.
    pub async fn handle(&self, event: Event, deadline: Deadline) -> Result<(), CannotMark> {
        let metrics = Mutex::new(Metrics::default());
        let advancing = doorbells(&event)
            .into_iter()
            .map(|(buyer, rang)| self.advance(buyer, rang, deadline, &metrics))
            .collect::<Vec<_>>();
        let results: Vec<Result<(), CannotMark>> =
            stream::iter(advancing).buffer_unordered(AT_ONCE).collect().await;
        let metrics = metrics.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.write(self.clock.now().as_millisecond());
        results.into_iter().collect()
    }

    async fn advance(
        &self,
        buyer: BuyerId,
        rang: Sequence,
        deadline: Deadline,
        metrics: &Mutex<Metrics>,
    ) -> Result<(), CannotMark> {
        // A cursor moves from the end of a commit to the end of another: past the first fact is past the commit.
        if self.settled_through(&buyer) >= rang {
            return Ok(());
        }
        let advance = Advance {
            streams: &self.streams,
            leads: &self.leads,
            outside: &self.outside,
            clock: &self.clock,
            letterhead: &self.letterhead,
        };
        match advance.advance(&buyer, deadline).await {
            Ok(advanced) => {
                self.remember(&buyer, advanced.through);
                let mut metrics = metrics.lock().unwrap_or_else(PoisonError::into_inner);
                advanced.tell(&buyer, self.clock.now(), &mut metrics);
                Ok(())
            }
            Err(error) => {
                tracing::error!(%buyer, error = chain(&error), "cannot be marked behind: the batch comes again");
                Err(error)
            }
        }
    }

    /// How far this buyer is known to be settled. A cursor never goes back, so this is never too high.
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
