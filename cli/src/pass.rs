//! A pass over many buyers in the order of their ids: a few at a time, at a limited rate, and interrupted at any time so
//! that a later run can go on.

use std::time::Duration;

use domain::BuyerId;
use futures::future::{Either, select};
use futures::stream::{self, StreamExt as _};

use crate::Failure;

/// The number of buyers read concurrently.
const AT_ONCE: usize = 16;

/// Awaits work that may be dropped; `None` if it is interrupted first.
pub(crate) async fn unless<T>(
    interrupted: &mut (impl Future<Output = ()> + Unpin),
    work: impl Future<Output = T>,
) -> Option<T> {
    // Boxed, because the futures of requests are large.
    match select(Box::pin(work), interrupted).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(((), _)) => None,
    }
}

/// Waits for as long as a rate of `per_second` demands after this many units.
pub(crate) async fn rest(units: f64, per_second: u32) {
    tokio::time::sleep(Duration::from_secs_f64(units / f64::from(per_second.max(1)))).await;
}

/// How a pass ended.
#[derive(Debug)]
pub(crate) struct Passed<'a> {
    /// The buyer with which a later pass goes on; `None` if every buyer is done.
    pub(crate) next: Option<&'a BuyerId>,
    /// Why the pass ended early, unless it was interrupted.
    pub(crate) failure: Option<Failure>,
}

/// Reads the buyers, a few at a time, and hands each group over in order to `done`, which returns the units after which
/// to rest. An interrupt takes effect between two groups or drops a read, never `done`.
pub(crate) async fn in_order<'a, T>(
    buyers: &'a [BuyerId],
    per_second: u32,
    interrupted: &mut (impl Future<Output = ()> + Unpin),
    read: impl AsyncFn(&'a BuyerId) -> T,
    mut done: impl AsyncFnMut(Vec<(&'a BuyerId, T)>) -> Result<f64, Failure>,
) -> Passed<'a> {
    let mut groups = buyers.chunks(AT_ONCE).peekable();
    let read = &read;
    while let Some(group) = groups.next() {
        let reading = stream::iter(group).map(|buyer| async move { (buyer, read(buyer).await) });
        let next = group.first();
        let Some(read) = unless(interrupted, reading.buffered(AT_ONCE).collect()).await else {
            return Passed { next, failure: None };
        };
        let units = match done(read).await {
            Ok(units) => units,
            Err(failure) => return Passed { next, failure: Some(failure) },
        };
        if let Some(following) = groups.peek()
            && unless(interrupted, rest(units, per_second)).await.is_none()
        {
            return Passed { next: following.first(), failure: None };
        }
    }
    Passed { next: None, failure: None }
}
