//! Work on each of many buyers, a few at once.

use std::ops::ControlFlow;

use domain::BuyerId;
use futures::stream::{FuturesUnordered, StreamExt as _};

/// How many buyers in a row may fail before the rest is not tried: then the cause is none of theirs.
const GIVE_UP_AFTER: usize = 20;

/// What is said where that happened.
pub(crate) const GAVE_UP: &str = "Given up: too many buyers in a row failed. Fix the cause and run it again.";

/// How working through many buyers ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Every buyer was tried.
    Whole,
    /// It was interrupted.
    Interrupted,
    /// Too many in a row failed.
    GaveUp,
}

/// Works on each buyer, at most so many at once. `done` sees each outcome as it comes and breaks for a failed one.
///
/// Once `interrupted` is ready no further buyer is begun. Work under way is given up if it only reads; otherwise it is awaited,
/// so that its outcome is known.
pub(crate) async fn each<'a, T, X>(
    buyers: impl IntoIterator<Item = &'a BuyerId>,
    (at_once, only_reads): (u16, bool),
    interrupted: &mut (impl Future<Output = ()> + Unpin),
    work: impl AsyncFn(&'a BuyerId) -> T,
    mut done: impl FnMut(&'a BuyerId, T) -> Result<ControlFlow<()>, X>,
) -> Result<Ended, X> {
    let mut waiting = buyers.into_iter();
    let work = &work;
    let mut under_way = FuturesUnordered::new();
    let (mut in_a_row, mut ended) = (0, Ended::Whole);
    loop {
        while ended == Ended::Whole && under_way.len() < usize::from(at_once) {
            let Some(buyer) = waiting.next() else { break };
            under_way.push(async move { (buyer, work(buyer).await) });
        }
        if under_way.is_empty() {
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
            outcome = under_way.next() => outcome,
        };
        let Some((buyer, outcome)) = outcome else { return Ok(ended) };
        in_a_row = if done(buyer, outcome)?.is_break() { in_a_row + 1 } else { 0 };
        if in_a_row >= GIVE_UP_AFTER && ended == Ended::Whole {
            ended = Ended::GaveUp;
        }
    }
}
