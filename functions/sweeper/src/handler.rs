use effects::leads::{Cursors, Ledger, Work};
use effects::mail::Letterhead;
use effects::outside::Outside;
use effects::{Advance, CannotMark, Swept};
use event_store::surroundings::{Deadline, Surroundings};
use event_store::{Commits, Feed};
use telemetry::{Metrics, chain};

/// Works off what the doorbell missed.
#[derive(Debug)]
pub struct Sweeper<S, L, O, W> {
    streams: S,
    leads: L,
    outside: O,
    surroundings: W,
    letterhead: Letterhead,
}

impl<S, L, O, W> Sweeper<S, L, O, W>
where
    S: Commits + Feed,
    L: Cursors + Ledger + Work,
    O: Outside,
    W: Surroundings,
{
    /// A sweeper. It remembers nothing from one run to the next: its place is in the leads table.
    #[must_use]
    pub const fn new(streams: S, leads: L, outside: O, surroundings: W, letterhead: Letterhead) -> Self {
        Self { streams, leads, outside, surroundings, letterhead }
    }

    /// One run: until all that is due is worked off, or the time is up.
    ///
    /// # Errors
    /// [`CannotMark`]: the next run begins where this one did.
    pub async fn handle(&self, deadline: Deadline) -> Result<(), CannotMark> {
        let advance = Advance {
            streams: &self.streams,
            leads: &self.leads,
            outside: &self.outside,
            surroundings: &self.surroundings,
            letterhead: &self.letterhead,
        };
        let mut swept = Swept::default();
        let ended = advance.sweep(deadline, &mut swept).await;
        if let Err(error) = &ended {
            tracing::error!(buyer = %error.buyer, error = chain(error), "cannot be marked behind");
        }
        // Also then: what was given up is told only once.
        self.tell(&swept);
        ended
    }

    /// One line and one count for each thing that was done.
    fn tell(&self, swept: &Swept) {
        let mut metrics = Metrics::default();
        let now = self.surroundings.now();
        for (buyer, advanced) in &swept.advanced {
            advanced.tell(buyer, now, &mut metrics);
        }
        for (buyer, key, status) in &swept.emails {
            let status = status.name();
            metrics.count("EmailsSwept", vec![("status", status.to_owned())], 1);
            tracing::info!(%buyer, effect = key, status, "e-mail");
        }
        for (buyer, held) in &swept.held {
            let age = now.duration_since(held.since).as_secs();
            metrics.oldest("HeldOldest", u64::try_from(age).unwrap_or_default());
            let (sequence, since) = (held.sequence.get(), held.since.to_string());
            tracing::info!(%buyer, sequence, since, "waits for an earlier event");
        }
        match &swept.unfinished {
            None => tracing::info!(buyers = swept.advanced.len(), emails = swept.emails.len(), "swept"),
            Some(reason) => {
                metrics.count("SweepsUnfinished", vec![], 1);
                tracing::warn!(reason, "the next run goes on from here");
            }
        }
        metrics.write(now.as_millisecond());
    }
}
