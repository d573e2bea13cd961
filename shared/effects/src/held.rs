//! Finds held events, which wait for missing earlier ones, and since when.

use contract::stored::Commit;
use domain::{BuyerId, Sequence, State};
use event_store::{Commits, StoreError, WithinDeadline, oldest_held, tail_after};
use jiff::{SignedDuration, Timestamp};
use leads_store::{Held, HeldAtHead, LeadsStore, Progress};
use platform::clock::{CALL_TIME, Clock, Deadline};
use platform::telemetry::chain;

use crate::look::{Stop, later};

/// How long after a look at a buyer's held events the next look is due.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// The oldest held event at this head, for the next move of the cursor. `commits` are the newest ones up to the head,
/// and `holds` is what the cursor said when it was read. The next look is due at once, because a short gap is filled by
/// then.
pub(crate) fn held_at_head(head: &State, commits: &[Commit], holds: bool, now: Timestamp) -> HeldAtHead {
    let oldest = (!head.held.is_empty()).then(|| {
        // Recorded before cursors stated held events, so it is in older commits. The next look reads further back.
        let (sequence, since) = oldest_held(head, commits).unwrap_or((Sequence::START.next(), now));
        Held { sequence, since, due: now }
    });
    HeldAtHead { is_known: oldest.is_some() == holds, oldest }
}

/// Looks again at a buyer's held events and returns the oldest; `None` if none is held any more. If the stream
/// cannot be read, the result is what the table said before.
pub(crate) async fn look_at_held(
    streams: &impl Commits,
    leads: &impl LeadsStore,
    clock: &impl Clock,
    buyer: &BuyerId,
    found: &Held,
    deadline: Deadline,
) -> Result<Option<Held>, Stop> {
    deadline.leaves(CALL_TIME, clock)?;
    // The cursor is read before the stream, so that a worker that moves it from now on has seen at least as much.
    let cursor = leads.cursor(buyer).await?;
    let through = cursor.through;
    let oldest = match read_oldest_held(streams, clock, buyer, found.sequence, deadline).await {
        Ok(oldest) => oldest,
        Err(error) => {
            let (sequence, error) = (found.sequence.get(), chain(&error));
            tracing::warn!(%buyer, sequence, error, "cannot read held events: keeping the known ones");
            // A worker that could read the stream has found the gap filled in the meantime.
            if !cursor.holds {
                return Ok(None);
            }
            Some((found.sequence, found.since))
        }
    };
    let due = later(clock.now(), AGAIN_AFTER);
    let oldest = oldest.map(|(sequence, since)| Held { sequence, since, due });
    let held = Some(HeldAtHead { oldest: oldest.clone(), is_known: false });
    let progress = Progress { from: through, through, held, ..Progress::default() };
    leads.move_cursor(buyer, &progress, None).await?;
    Ok(oldest)
}

/// The oldest held event, read from sequence number `from` on, or from the beginning if it is older.
async fn read_oldest_held(
    streams: &impl Commits,
    clock: &impl Clock,
    buyer: &BuyerId,
    from: Sequence,
    deadline: Deadline,
) -> Result<Option<(Sequence, Timestamp)>, StoreError> {
    let streams = WithinDeadline { store: streams, deadline, clock };
    let before = Sequence::new(from.get().saturating_sub(1));
    let (head, commits) = tail_after(&streams, buyer, Some(before)).await?;
    let oldest = oldest_held(&head.state, &commits);
    if oldest.is_some() || head.state.held.is_empty() {
        return Ok(oldest);
    }
    let (head, commits) = tail_after(&streams, buyer, Some(Sequence::START)).await?;
    Ok(oldest_held(&head.state, &commits))
}
