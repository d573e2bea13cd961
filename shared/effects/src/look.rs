//! One look at a buyer, and why the work on it may stop. Arithmetic with moments that cannot fail.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use domain::BuyerId;
use event_store::{Head, StoreError};
use futures::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use leads_store::{AddressDigest, LeadsUnavailable};
use platform::clock::{Deadline, OutOfTime};
use platform::telemetry::chain;

use crate::outside::SalesUnavailable;

/// One reading of a buyer's state, and the limits for the work on it.
pub(crate) struct Look<'a> {
    pub(crate) buyer: &'a BuyerId,
    pub(crate) head: Head,
    pub(crate) deadline: Deadline,
    /// Digests of addresses that get no more e-mail.
    pub(crate) stopped: &'a BTreeSet<AddressDigest>,
    /// Whether e-mails are left to the sweeper, which paces them.
    pub(crate) parks_mail: bool,
    /// Whether a sales message waits for the end of a pause. Later ones of the buyer then wait too, even if the pause
    /// ends meanwhile.
    pub(crate) is_held_back: Cell<bool>,
}

/// Why the work on a buyer stops for now.
pub(crate) enum Stop {
    /// A fact was recorded after the head that was read; read the buyer again.
    HeadMoved,
    /// Sales messages wait for the end of a pause.
    Paused,
    /// A temporary failure; try again later.
    Later { reason: String, not_before: Option<Timestamp> },
}

impl Stop {
    pub(crate) const fn later(reason: String, not_before: Option<Timestamp>) -> Self {
        Self::Later { reason, not_before }
    }
}

/// Turns a panic into a temporary failure of the buyer, so that other buyers go on. A panic leaves nothing half done
/// that a crash could not also leave.
pub(crate) fn catch_panic<T>(
    work: impl Future<Output = Result<T, Stop>>,
) -> impl Future<Output = Result<T, Stop>> {
    let ended = AssertUnwindSafe(work).catch_unwind();
    ended.map(|ended| ended.unwrap_or_else(|_| Err(Stop::later("a panic".to_owned(), None))))
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

/// The moment `by` after `moment`, or the last representable moment.
pub(crate) fn later(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// The moment `by` before `moment`, or the first representable moment.
pub(crate) fn earlier(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.saturating_sub(by).unwrap_or(Timestamp::MIN)
}
