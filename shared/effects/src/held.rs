//! Gaps: events that wait for earlier ones, and since when.

use contract::stored::Commit;
use domain::{BuyerId, Fact, OfferId, OfferVersion, Sequence, State};
use event_store::{Commits, InTime, NEEDED, StoreError, tail_after};
use jiff::{SignedDuration, Timestamp};
use platform::clock::{Clock, Deadline};
use platform::telemetry::chain;

use crate::advance::{Advance, Stop};
use crate::deliver::later;
use crate::outside::Outside;
use leads_store::{Cursors, Held, HeldAtHead, Ledger, Progress};

/// How long after a look at what is held it is looked at again.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Where the oldest of the events that are held at this head stands, and when it was recorded; `None` if it is in none of
/// these commits.
#[must_use]
pub fn oldest_held(head: &State, commits: &[Commit]) -> Option<(Sequence, Timestamp)> {
    let waits = |offer: &OfferId, version: OfferVersion| {
        head.held.get(offer).is_some_and(|held| held.contains_key(&version))
    };
    let is_held = |fact: &Fact| match fact {
        Fact::Event(event) => waits(&event.offer, event.version),
        // Of an older version: what was held before it lies in commits that are emptied.
        Fact::Reset(Some(kept)) | Fact::Erased(Some(kept)) => {
            kept.held.iter().any(|(offer, held)| held.keys().any(|version| waits(offer, *version)))
        }
        Fact::Migrated(_)
        | Fact::HandedOver(_)
        | Fact::Voided { .. }
        | Fact::Reset(None)
        | Fact::Erased(None) => false,
    };
    let counts =
        commits.iter().rposition(|commit| commit.facts.iter().any(Fact::is_fresh_start)).unwrap_or(0);
    commits.iter().skip(counts).find_map(|commit| {
        let place = commit.facts.iter().position(is_held)?;
        Some((Sequence::new(commit.first.get() + place as u64), commit.recorded_at))
    })
}

/// What is held at this head, of which these commits are the end, for the cursor that was read before. Looked at again at
/// once: a gap that is soon filled is gone by then.
pub(crate) fn held_at_head(head: &State, commits: &[Commit], is_said: bool, now: Timestamp) -> HeldAtHead {
    let oldest = (!head.held.is_empty()).then(|| {
        // Not in these commits: recorded before cursors told of it. The next look reads further back.
        let (sequence, since) = oldest_held(head, commits).unwrap_or((Sequence::START.next(), now));
        Held { sequence, since, due: now }
    });
    HeldAtHead { is_known: oldest.is_some() == is_said, oldest }
}

impl<S, L, O, W> Advance<'_, S, L, O, W>
where
    S: Commits,
    L: Cursors + Ledger,
    O: Outside,
    W: Clock,
{
    /// Looks again at what is held, and tells the oldest of it; `None` if nothing is any more. A stream that cannot be read
    /// holds, as far as is known, what it held before.
    pub(crate) async fn look_at_held(
        &self,
        buyer: &BuyerId,
        found: &Held,
        deadline: Deadline,
    ) -> Result<Option<Held>, Stop> {
        deadline.leaves(NEEDED, self.clock)?;
        // Before the stream: whoever moves it from here on has seen at least as much.
        let cursor = self.leads.cursor(buyer).await?;
        let through = cursor.through;
        let oldest = match self.read_oldest_held(buyer, found.sequence, deadline).await {
            Ok(oldest) => oldest,
            Err(error) => {
                let (sequence, error) = (found.sequence.get(), chain(&error));
                tracing::warn!(%buyer, sequence, error, "what is held cannot be read: as known before");
                // Unless somebody who could read it has said otherwise meanwhile.
                if !cursor.holds {
                    return Ok(None);
                }
                Some((found.sequence, found.since))
            }
        };
        let due = later(self.clock.now(), AGAIN_AFTER);
        let oldest = oldest.map(|(sequence, since)| Held { sequence, since, due });
        let held = Some(HeldAtHead { oldest: oldest.clone(), is_known: false });
        let progress = Progress { from: through, through, held, ..Progress::default() };
        self.leads.move_cursor(buyer, &progress, None).await?;
        Ok(oldest)
    }

    /// The oldest of what is held, read from this sequence number on; if it is older, from the beginning.
    async fn read_oldest_held(
        &self,
        buyer: &BuyerId,
        from: Sequence,
        deadline: Deadline,
    ) -> Result<Option<(Sequence, Timestamp)>, StoreError> {
        let streams = InTime { store: self.streams, deadline, clock: self.clock };
        let before = Sequence::new(from.get().saturating_sub(1));
        let (head, commits) = tail_after(&streams, buyer, Some(before)).await?;
        let oldest = oldest_held(&head.state, &commits);
        if oldest.is_some() || head.state.held.is_empty() {
            return Ok(oldest);
        }
        let (head, commits) = tail_after(&streams, buyer, Some(Sequence::START)).await?;
        Ok(oldest_held(&head.state, &commits))
    }
}
