//! Adapters with something around each of their calls: a fault, a pause, a fact recorded at that very moment.

use std::future::Future;

use domain::{BuyerId, Sequence};
use effects::leads::{
    Behind, Claim, Claimed, Cursor, Cursors, LeadsUnavailable, Ledger, LedgerEntry, Moved, OpenWork,
    Progress, Status, Verdict, Walked, Work,
};
use effects::mail::Email;
use effects::outside::{Delivery, Outside, SalesMessage, SalesUnavailable};
use event_store::{Commits, Page, StoreError};
use jiff::Timestamp;

/// What happens around a call.
pub(crate) trait Around {
    /// `call` is the real one; `lost` makes the answer of a call that failed, told whether it had taken effect.
    async fn around<R>(&self, name: &str, call: impl Future<Output = R>, lost: impl FnOnce(bool) -> R) -> R;
}

/// An adapter with something around each of its calls.
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
        self.around.around("page", self.inner.page(buyer, before, limit), lost).await
    }
}

fn lost<R>(operation: &'static str, buyer: &BuyerId) -> impl FnOnce(bool) -> Result<R, LeadsUnavailable> {
    move |_| Err(LeadsUnavailable { operation, buyer: buyer.to_string(), source: "lost".into() })
}

impl<T: Cursors, A: Around> Cursors for With<'_, T, A> {
    async fn cursor(&self, buyer: &BuyerId) -> Result<Cursor, LeadsUnavailable> {
        self.around.around("cursor", self.inner.cursor(buyer), lost("cursor", buyer)).await
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

impl<T: Work, A> Work for With<'_, T, A> {
    async fn open_work(&self, now: Timestamp, limit: usize) -> Result<Vec<OpenWork>, LeadsUnavailable> {
        self.inner.open_work(now, limit).await
    }

    async fn close(
        &self,
        buyer: &BuyerId,
        key: &str,
        found: &LedgerEntry,
        status: Status,
        now: Timestamp,
    ) -> Result<bool, LeadsUnavailable> {
        self.inner.close(buyer, key, found, status, now).await
    }

    async fn walked(&self) -> Result<Option<Walked>, LeadsUnavailable> {
        self.inner.walked().await
    }

    async fn set_walked(&self, walked: Walked) -> Result<(), LeadsUnavailable> {
        self.inner.set_walked(walked).await
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
        nonce: &str,
        verdict: &Verdict,
    ) -> Result<bool, LeadsUnavailable> {
        let call = self.inner.settle(buyer, key, nonce, verdict);
        self.around.around(&format!("settle {key}"), call, lost("settle", buyer)).await
    }
}

impl<T: Outside, A: Around> Outside for With<'_, T, A> {
    async fn send_email(&self, email: &Email) -> Delivery {
        let key = &email.tags.iter().find(|tag| tag.0 == "effect").unwrap().1;
        let lost = |was_taken| {
            let reason = "lost".to_owned();
            if was_taken { Delivery::Unknown { reason } } else { Delivery::NotSent { reason } }
        };
        self.around.around(&format!("send {key}"), self.inner.send_email(email), lost).await
    }

    async fn tell_sales(&self, message: &SalesMessage) -> Result<(), SalesUnavailable> {
        let effect_id = message.effect_id.clone();
        let lost = |_| Err(SalesUnavailable { effect_id, source: "lost".into() });
        self.around.around("tell_sales", self.inner.tell_sales(message), lost).await
    }
}
