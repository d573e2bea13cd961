//! The pauses of effects, as an execution environment knows them.

use futures::lock::Mutex;
use jiff::{SignedDuration, Timestamp};
use leads_store::{LeadsStore, Pauses};
use platform::clock::{CALL_TIME, Clock, Deadline};

use crate::look::Stop;

/// How long the pauses that were read are relied on. It bounds how long effects go on after a pause began.
const KNOWN_FOR: SignedDuration = SignedDuration::from_secs(10);

/// The pauses of effects, read when an effect is to be performed, at most once in [`KNOWN_FOR`].
#[derive(Debug, Default)]
pub struct KnownPauses(Mutex<Option<(Timestamp, Pauses)>>);

impl KnownPauses {
    /// The pauses now. Concurrent callers wait for one request. If they cannot be read, no effect may be performed.
    pub(crate) async fn get(
        &self,
        leads: &impl LeadsStore,
        clock: &impl Clock,
        deadline: Deadline,
    ) -> Result<Pauses, Stop> {
        let mut known = self.0.lock().await;
        let now = clock.now();
        // A clock that went back says nothing about the age.
        let is_recent = |at: Timestamp| (SignedDuration::ZERO..KNOWN_FOR).contains(&now.duration_since(at));
        if let Some((at, pauses)) = known.as_ref()
            && is_recent(*at)
        {
            return Ok(pauses.clone());
        }
        deadline.leaves(CALL_TIME, clock)?;
        let pauses = leads.pauses().await?;
        *known = Some((now, pauses.clone()));
        Ok(pauses)
    }
}
