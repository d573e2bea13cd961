//! Wraps adapters so that a test can act around each call: inject a fault, pause, or record a fact at that moment.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;

use domain::{BuyerId, Sequence};
use effects::mail::Email;
use effects::outside::{Delivery, Outside, SalesMessage, SalesUnavailable};
use event_store::{Commits, Feed, FeedEntry, FeedPartition, Page, StoreError};
use jiff::Timestamp;
use leads_store::{
    Behind, Claim, Claimed, Cursor, Cursors, LeadsUnavailable, Lease, Ledger, Moved, Progress, Settled,
    Sweeps, Verdict, Walked, Work, WorkCount, WorkPage, WorkPlace, WorkShard,
};

/// Acts around a call.
pub(crate) trait Around {
    /// Runs or suppresses the real `call`. `lost` builds the answer of a failed call; its argument states whether the
    /// call took effect.
    async fn around<R>(&self, name: &str, call: impl Future<Output = R>, lost: impl FnOnce(bool) -> R) -> R;
}

/// An adapter whose calls all go through `around`.
pub(crate) struct With<'a, T, A> {
    pub(crate) inner: &'a T,
    pub(crate) around: &'a A,
}

impl<T: Commits, A: Around> Commits for With<'_, T, A> {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let lost = |_| {
            Err(StoreError::Unavailable {
                operation: "page",
                buyer: buyer.to_string(),
                source: "lost".into(),
            })
        };
        let name = format!("page {buyer}");
        self.around.around(&name, self.inner.page(buyer, before, limit), lost).await
    }
}

fn lost<R>(
    operation: &'static str,
    buyer: &impl ToString,
) -> impl FnOnce(bool) -> Result<R, LeadsUnavailable> {
    move |_| Err(LeadsUnavailable { operation, buyer: buyer.to_string(), source: "lost".into() })
}

impl<T: Cursors, A: Around> Cursors for With<'_, T, A> {
    async fn cursor(&self, buyer: &BuyerId) -> Result<Cursor, LeadsUnavailable> {
        self.around.around("cursor", self.inner.cursor(buyer), lost("cursor", buyer)).await
    }

    async fn cursors(&self, buyers: &[BuyerId]) -> Result<BTreeMap<BuyerId, Cursor>, LeadsUnavailable> {
        self.around.around("cursors", self.inner.cursors(buyers), lost("cursors", &"sweeper")).await
    }

    async fn move_cursor(
        &self,
        buyer: &BuyerId,
        progress: &Progress,
        mark_to_clear: Option<&str>,
    ) -> Result<Moved, LeadsUnavailable> {
        let call = self.inner.move_cursor(buyer, progress, mark_to_clear);
        self.around.around("move_cursor", call, lost("move_cursor", buyer)).await
    }

    async fn mark_behind(&self, buyer: &BuyerId, behind: &Behind) -> Result<(), LeadsUnavailable> {
        let call = self.inner.mark_behind(buyer, behind);
        self.around.around("mark_behind", call, lost("mark_behind", buyer)).await
    }
}

impl<T: Work, A: Around> Work for With<'_, T, A> {
    async fn due(
        &self,
        shard: WorkShard,
        until: Timestamp,
        after: Option<&WorkPlace>,
        limit: usize,
    ) -> Result<WorkPage, LeadsUnavailable> {
        let name = format!("due {}", shard.kind.name());
        let call = self.inner.due(shard, until, after, limit);
        self.around.around(&name, call, lost("due", &"sweeper")).await
    }

    async fn count(
        &self,
        shard: WorkShard,
        after: Option<&WorkPlace>,
    ) -> Result<WorkCount, LeadsUnavailable> {
        let name = format!("count {}", shard.kind.name());
        self.around.around(&name, self.inner.count(shard, after), lost("count", &"sweeper")).await
    }

    async fn postpone(&self, place: &WorkPlace, until: Timestamp) -> Result<(), LeadsUnavailable> {
        let call = self.inner.postpone(place, until);
        self.around.around("postpone", call, lost("postpone", &"sweeper")).await
    }
}

impl<T: Sweeps, A: Around> Sweeps for With<'_, T, A> {
    async fn begin(&self, lease: &Lease) -> Result<Option<Option<Walked>>, LeadsUnavailable> {
        self.around.around("begin", self.inner.begin(lease), lost("begin", &"sweeper")).await
    }

    async fn set_walked(&self, walked: Walked) -> Result<(), LeadsUnavailable> {
        let call = self.inner.set_walked(walked);
        self.around.around("set_walked", call, lost("set_walked", &"sweeper")).await
    }

    async fn end(&self, lease: &Lease) -> Result<(), LeadsUnavailable> {
        self.around.around("end", self.inner.end(lease), lost("end", &"sweeper")).await
    }
}

impl<T: Ledger, A: Around> Ledger for With<'_, T, A> {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, LeadsUnavailable> {
        let name = format!("claim {}", claim.key);
        self.around.around(&name, self.inner.claim(claim), lost("claim", &claim.buyer)).await
    }

    async fn settle(
        &self,
        buyer: &BuyerId,
        key: &str,
        verdict: &Verdict,
    ) -> Result<Settled, LeadsUnavailable> {
        let call = self.inner.settle(buyer, key, verdict);
        self.around.around(&format!("settle {key}"), call, lost("settle", buyer)).await
    }
}

impl<T: Feed, A: Around> Feed for With<'_, T, A> {
    async fn recorded(
        &self,
        partition: &FeedPartition,
        after: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, StoreError> {
        let lost = |_| {
            let (operation, buyer) = ("recorded", "all buyers".to_owned());
            Err(StoreError::Unavailable { operation, buyer, source: "lost".into() })
        };
        self.around.around("recorded", self.inner.recorded(partition, after, until, limit), lost).await
    }
}

impl<T: Outside, A: Around> Outside for With<'_, T, A> {
    async fn send_email(&self, email: &Email) -> Delivery {
        let key = &email.tags.iter().find(|tag| tag.0 == "effect").unwrap().1;
        let lost = |took_effect| {
            let reason = "lost".to_owned();
            if took_effect { Delivery::Unknown { reason } } else { Delivery::NotSent { reason } }
        };
        self.around.around(&format!("send {key}"), self.inner.send_email(email), lost).await
    }

    async fn notify_sales(&self, message: &SalesMessage) -> Result<(), SalesUnavailable> {
        let effect_id = message.effect_id.clone();
        let lost = |_| Err(SalesUnavailable { effect_id, source: "lost".into() });
        self.around.around("notify_sales", self.inner.notify_sales(message), lost).await
    }
}

/// Runs an action before the first call with this name.
pub(crate) struct Before<'a, F> {
    name: &'a str,
    calls: Cell<usize>,
    then: F,
}

impl<'a, F: AsyncFn()> Before<'a, F> {
    pub(crate) fn once(name: &'a str, then: F) -> Self {
        Self { name, calls: Cell::new(0), then }
    }
}

impl<F: AsyncFn()> Around for Before<'_, F> {
    async fn around<R>(&self, name: &str, call: impl Future<Output = R>, _: impl FnOnce(bool) -> R) -> R {
        if name == self.name && self.calls.replace(self.calls.get() + 1) == 0 {
            (self.then)().await;
        }
        call.await
    }
}

/// Runs an action before each page of a buyer's stream is read.
pub(crate) struct Watched<F>(pub(crate) F);

impl<F: AsyncFn(&BuyerId)> Around for Watched<F> {
    async fn around<R>(&self, name: &str, call: impl Future<Output = R>, _: impl FnOnce(bool) -> R) -> R {
        if let Some(buyer) = name.strip_prefix("page ") {
            (self.0)(&testkit::buyer(buyer)).await;
        }
        call.await
    }
}

/// Makes all calls with this name fail without effect.
pub(crate) struct Away<'a>(pub(crate) &'a str);

impl Around for Away<'_> {
    async fn around<R>(&self, name: &str, call: impl Future<Output = R>, lost: impl FnOnce(bool) -> R) -> R {
        if name == self.0 { lost(false) } else { call.await }
    }
}

/// Loses the answer of the first call with this name, which takes effect.
pub(crate) struct LostOnce<'a> {
    name: &'a str,
    is_lost: Cell<bool>,
}

impl<'a> LostOnce<'a> {
    pub(crate) fn new(name: &'a str) -> Self {
        Self { name, is_lost: Cell::new(false) }
    }
}

impl Around for LostOnce<'_> {
    async fn around<R>(&self, name: &str, call: impl Future<Output = R>, lost: impl FnOnce(bool) -> R) -> R {
        let answer = call.await;
        if name == self.name && !self.is_lost.replace(true) { lost(true) } else { answer }
    }
}
