//! Runs work on each of many buyers, a few at a time.

use std::ops::ControlFlow;

use domain::BuyerId;
use futures::stream::{FuturesUnordered, StreamExt as _};

/// The number of consecutive failures after which the remaining buyers are not tried, because the cause is then not one
/// buyer.
const GIVE_UP_AFTER: usize = 20;

/// The message printed after [`Ended::GaveUp`].
pub(crate) const GAVE_UP: &str = "Given up: too many buyers in a row failed. Fix the cause and run it again.";

/// How the work on many buyers ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Every buyer was tried.
    Whole,
    /// The user interrupted it.
    Interrupted,
    /// Too many consecutive buyers failed.
    GaveUp,
}

/// Runs `work` on each buyer, at most `at_once` at a time. `done` is called with each outcome as it arrives, and
/// returns `Break` for a failed one.
///
/// Once `interrupted` completes, no further buyer is started. Work in progress is dropped if it only reads; otherwise
/// it is awaited, so that its outcome is known.
pub(crate) async fn each<'a, T, X>(
    buyers: impl IntoIterator<Item = &'a BuyerId>,
    (at_once, only_reads): (u16, bool),
    interrupted: &mut (impl Future<Output = ()> + Unpin),
    work: impl AsyncFn(&'a BuyerId) -> T,
    mut done: impl FnMut(&'a BuyerId, T) -> Result<ControlFlow<()>, X>,
) -> Result<Ended, X> {
    let mut waiting = buyers.into_iter();
    let work = &work;
    let mut in_progress = FuturesUnordered::new();
    let (mut in_a_row, mut ended) = (0, Ended::Whole);
    loop {
        while ended == Ended::Whole && in_progress.len() < usize::from(at_once) {
            let Some(buyer) = waiting.next() else { break };
            in_progress.push(async move { (buyer, work(buyer).await) });
        }
        if in_progress.is_empty() {
            return Ok(ended);
        }
        let outcome = tokio::select! {
            biased;
            () = &mut *interrupted, if ended == Ended::Whole => {
                ended = Ended::Interrupted;
                if only_reads {
                    return Ok(ended);
                }
                continue;
            }
            outcome = in_progress.next() => outcome,
        };
        let Some((buyer, outcome)) = outcome else { return Ok(ended) };
        in_a_row = if done(buyer, outcome)?.is_break() { in_a_row + 1 } else { 0 };
        if in_a_row >= GIVE_UP_AFTER && ended == Ended::Whole {
            ended = Ended::GaveUp;
        }
    }
}
