//! Any adapter with a hook around its calls.

use std::collections::BTreeMap;
use std::future::pending;

use contract::receipt::Receipt;
use contract::stored::StoredCommit;
use domain::{BuyerId, Sequence};
use event_store::{
    Appended, Clearing, Commits, EventStore, Feed, FeedEntry, FeedPartition, Page, StoreError,
};
use jiff::Timestamp;
use leads_store::{
    Behind, Claim, Claimed, Cursor, LeadsStore, LeadsUnavailable, Lease, Moved, Pauses, Progress,
    ReceiptOutcome, Receipts, Settled, Verdict, Walked, WorkCount, WorkPage, WorkPlace, WorkShard,
};

use crate::hooks::{Call, Fate, Hook};

/// An adapter whose calls all go through a hook. It implements every trait that the adapter implements.
#[derive(Debug)]
pub struct Hooked<'a, T, H = ()> {
    /// The adapter.
    pub inner: &'a T,
    /// The hook.
    pub hook: &'a H,
}

impl<T, H> Clone for Hooked<'_, T, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, H> Copy for Hooked<'_, T, H> {}

impl<'a, T> Hooked<'a, T> {
    /// The adapter itself, by reference: its calls have no hook.
    #[must_use]
    pub const fn plain(inner: &'a T) -> Self {
        Self { inner, hook: &() }
    }
}

impl<T, H: Hook> Hooked<'_, T, H> {
    /// Makes a call as the hook says. `failed` builds the answer of a failed call; its argument states whether the call
    /// took effect.
    async fn around<R>(
        &self,
        call: Call<'_>,
        made: impl Future<Output = R>,
        failed: impl FnOnce(bool) -> R,
    ) -> R {
        match self.hook.before(&call).await {
            Fate::Passes => {
                let answer = made.await;
                self.hook.after(&call).await;
                answer
            }
            Fate::Fails => failed(false),
            Fate::LosesAnswer => {
                made.await;
                failed(true)
            }
            Fate::Hangs => pending().await,
            Fate::HangsAfterwards => {
                made.await;
                pending().await
            }
            Fate::Panics => panic!("an injected fault"),
        }
    }

    /// A call to the streams table.
    async fn stored<R>(
        &self,
        call: Call<'_>,
        made: impl Future<Output = Result<R, StoreError>>,
    ) -> Result<R, StoreError> {
        let failed = |_| {
            let (operation, buyer) = (call.operation, named(call.buyer, "all buyers"));
            Err(StoreError::Unavailable { operation, buyer, source: "lost".into() })
        };
        self.around(call, made, failed).await
    }

    /// A call to the leads table.
    async fn kept<R>(
        &self,
        call: Call<'_>,
        made: impl Future<Output = Result<R, LeadsUnavailable>>,
    ) -> Result<R, LeadsUnavailable> {
        let failed = |_| {
            let (operation, buyer) = (call.operation, named(call.buyer, "sweeper"));
            Err(LeadsUnavailable { operation, buyer, source: "lost".into() })
        };
        self.around(call, made, failed).await
    }
}

fn named(buyer: &str, otherwise: &str) -> String {
    if buyer.is_empty() { otherwise.to_owned() } else { buyer.to_owned() }
}

fn of<'a>(operation: &'static str, buyer: &'a str, about: &'a str) -> Call<'a> {
    Call { operation, buyer, about, ..Call::default() }
}

impl<T: Commits, H: Hook> Commits for Hooked<'_, T, H> {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let call = Call { limit: Some(limit), ..of("page", buyer.as_str(), buyer.as_str()) };
        self.stored(call, self.inner.page(buyer, before, limit)).await
    }
}

impl<T: EventStore, H: Hook> EventStore for Hooked<'_, T, H> {
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError> {
        let call = Call { commit: Some(commit), ..of("append", &commit.buyer, "") };
        self.stored(call, self.inner.append(commit)).await
    }
}

impl<T: Clearing, H: Hook> Clearing for Hooked<'_, T, H> {
    async fn clear(&self, cleared: &StoredCommit) -> Result<(), StoreError> {
        let call = Call { commit: Some(cleared), ..of("clear", &cleared.buyer, "") };
        self.stored(call, self.inner.clear(cleared)).await
    }
}

impl<T: Feed, H: Hook> Feed for Hooked<'_, T, H> {
    async fn recorded(
        &self,
        partition: &FeedPartition,
        after: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, StoreError> {
        let call = Call { limit: Some(limit), ..of("recorded", "", "") };
        self.stored(call, self.inner.recorded(partition, after, until, limit)).await
    }
}

impl<T: LeadsStore, H: Hook> LeadsStore for Hooked<'_, T, H> {
    async fn cursor(&self, buyer: &BuyerId) -> Result<Cursor, LeadsUnavailable> {
        self.kept(of("cursor", buyer.as_str(), ""), self.inner.cursor(buyer)).await
    }

    async fn cursors(&self, buyers: &[BuyerId]) -> Result<BTreeMap<BuyerId, Cursor>, LeadsUnavailable> {
        self.kept(of("cursors", "", ""), self.inner.cursors(buyers)).await
    }

    async fn move_cursor(
        &self,
        buyer: &BuyerId,
        progress: &Progress,
        mark_to_clear: Option<&str>,
    ) -> Result<Moved, LeadsUnavailable> {
        let call = of("move_cursor", buyer.as_str(), "");
        self.kept(call, self.inner.move_cursor(buyer, progress, mark_to_clear)).await
    }

    async fn mark_behind(&self, buyer: &BuyerId, behind: &Behind) -> Result<(), LeadsUnavailable> {
        self.kept(of("mark_behind", buyer.as_str(), ""), self.inner.mark_behind(buyer, behind)).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Claimed, LeadsUnavailable> {
        self.kept(of("claim", claim.buyer.as_str(), &claim.key), self.inner.claim(claim)).await
    }

    async fn settle(
        &self,
        buyer: &BuyerId,
        key: &str,
        verdict: &Verdict,
    ) -> Result<Settled, LeadsUnavailable> {
        self.kept(of("settle", buyer.as_str(), key), self.inner.settle(buyer, key, verdict)).await
    }

    async fn due(
        &self,
        shard: WorkShard,
        until: Timestamp,
        after: Option<&WorkPlace>,
        limit: usize,
    ) -> Result<WorkPage, LeadsUnavailable> {
        let call = Call { limit: Some(limit), ..of("due", "", shard.kind.name()) };
        self.kept(call, self.inner.due(shard, until, after, limit)).await
    }

    async fn count(
        &self,
        shard: WorkShard,
        after: Option<&WorkPlace>,
    ) -> Result<WorkCount, LeadsUnavailable> {
        self.kept(of("count", "", shard.kind.name()), self.inner.count(shard, after)).await
    }

    async fn postpone(&self, place: &WorkPlace, until: Timestamp) -> Result<(), LeadsUnavailable> {
        self.kept(of("postpone", "", ""), self.inner.postpone(place, until)).await
    }

    async fn begin(&self, lease: &Lease) -> Result<Option<Option<Walked>>, LeadsUnavailable> {
        self.kept(of("begin", "", ""), self.inner.begin(lease)).await
    }

    async fn set_walked(&self, walked: Walked) -> Result<(), LeadsUnavailable> {
        self.kept(of("set_walked", "", ""), self.inner.set_walked(walked)).await
    }

    async fn end(&self, lease: &Lease) -> Result<(), LeadsUnavailable> {
        self.kept(of("end", "", ""), self.inner.end(lease)).await
    }

    async fn pauses(&self) -> Result<Pauses, LeadsUnavailable> {
        self.kept(of("pauses", "", ""), self.inner.pauses()).await
    }
}

impl<T: Receipts, H: Hook> Receipts for Hooked<'_, T, H> {
    async fn apply_receipt(
        &self,
        receipt: &Receipt,
        now: Timestamp,
    ) -> Result<ReceiptOutcome, LeadsUnavailable> {
        let call = of("apply_receipt", receipt.buyer.as_str(), &receipt.effect);
        self.kept(call, self.inner.apply_receipt(receipt, now)).await
    }
}

#[cfg(feature = "outside")]
mod outside {
    use effects::mail::Email;
    use effects::outside::{Delivery, Outside, SalesMessage, SalesUnavailable};

    use super::{Hooked, of};
    use crate::hooks::Hook;

    impl<T: Outside, H: Hook> Outside for Hooked<'_, T, H> {
        async fn send_email(&self, email: &Email) -> Delivery {
            let tag = |name| email.tags.iter().find(|tag| tag.0 == name).unwrap().1.as_str();
            let failed = |took_effect| {
                let reason = "lost".to_owned();
                if took_effect { Delivery::Unknown { reason } } else { Delivery::NotSent { reason } }
            };
            let call = of("send", tag("buyer"), tag("effect"));
            self.around(call, self.inner.send_email(email), failed).await
        }

        async fn notify_sales(&self, message: &SalesMessage) -> Result<(), SalesUnavailable> {
            let effect_id = message.effect_id.clone();
            let failed = |_| Err(SalesUnavailable { effect_id, source: "lost".into() });
            let call = of("notify_sales", message.buyer.as_str(), "");
            self.around(call, self.inner.notify_sales(message), failed).await
        }
    }
}
