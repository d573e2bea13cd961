//! Implements the traits through which the product uses AWS. Each call is one step of the platform, with or without a
//! fault.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use contract::receipt::{Kind, Receipt};
use contract::stored::StoredCommit;
use domain::{BuyerId, Sequence};
use effects::mail::Email;
use effects::outside::{Delivery, Outside, SalesMessage, SalesUnavailable};
use event_store::{
    Appended, Clearing, Commits, EventStore, Feed, FeedEntry, FeedPartition, Page, StoreError,
};
use jiff::Timestamp;
use leads_store::{
    Behind, Claim, Claimed, Cursor, LeadsStore, LeadsUnavailable, Lease, Moved, Pausable, Pauses, Progress,
    ReceiptOutcome, Receipts, Settled, Verdict, Walked, WorkCount, WorkPage, WorkPlace, WorkShard,
};
use platform::clock::{Clock, Sleep};
use recorder::dead_letters::{DeadLetter, DeadLetters, DeadLettersUnavailable};

use crate::call::{Lost, Machine};
use crate::fault::Site;
use crate::history::BREAKS;
use crate::plan::{Safeguard, Strategy};
use crate::platform::{Platform, Request};
use crate::sight::Sight;
use crate::unguarded;

/// AWS as one execution environment uses it.
#[derive(Debug, Clone)]
pub(crate) struct Aws(pub(crate) Rc<Machine>);

/// The error text of a lost answer.
pub(crate) const LOST: &str = "no answer";

impl Clock for Aws {
    fn now(&self) -> Timestamp {
        self.0.as_ref().now()
    }

    fn nonce(&self) -> String {
        self.0.as_ref().nonce()
    }
}

impl Sleep for Aws {
    async fn sleep(&self, time: Duration) {
        self.0.sleep(time).await;
    }
}

impl Commits for Aws {
    async fn page(
        &self,
        buyer: &BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let lost = |_| Err(unavailable("Query", buyer.as_str()));
        let perform = |platform: &mut Platform| {
            let trusted = self.0.trusted(buyer.as_str()).map(|trusted| trusted + 1);
            let mut page = platform.page(buyer.as_str(), before.map(Sequence::get).or(trusted), limit);
            if platform.is_off(Safeguard::Closings) {
                unguarded::drop_closings(platform, buyer.as_str(), &mut page);
            }
            if platform.is_off(Safeguard::Merge) {
                unguarded::forget_before_answers(&mut page);
            }
            Ok(page)
        };
        self.0.call(Site::Page, perform, lost, || None).await
    }
}

impl EventStore for Aws {
    async fn append(&self, commit: &StoredCommit) -> Result<Appended, StoreError> {
        let off = self.0.platform.borrow().off;
        let changed = match off {
            Some(Safeguard::ChainedEffects) => {
                Some(unguarded::with_effects_per_step(&self.0.platform.borrow(), commit))
            }
            Some(Safeguard::Difference) => Some(unguarded::without_difference(commit)),
            _ => None,
        };
        let commit = changed.as_ref().unwrap_or(commit);
        if commit.facts.contains(BREAKS) {
            resume_unwind(Box::new("a message that makes the recorder panic"));
        }
        let perform = |platform: &mut Platform| Ok(platform.append(commit));
        let is_indiscreet = self.0.platform.borrow().is_off(Safeguard::DiscreetErrors);
        let lost = |_| {
            let source = if is_indiscreet { commit.facts.as_str() } else { LOST };
            let (operation, buyer) = ("PutItem", commit.buyer.clone());
            Err(StoreError::Unavailable { operation, buyer, source: source.into() })
        };
        self.0.call(Site::Append, perform, lost, || Some(Request::Append(commit.clone()))).await
    }
}

impl Clearing for Aws {
    async fn clear(&self, cleared: &StoredCommit) -> Result<(), StoreError> {
        let perform = |platform: &mut Platform| {
            platform.streams.clear(cleared);
            Ok(())
        };
        let lost = |_| Err(unavailable("UpdateItem", &cleared.buyer));
        self.0.call(Site::Clear, perform, lost, || Some(Request::Clear(cleared.clone()))).await
    }
}

impl DeadLetters for Aws {
    async fn put(&self, letter: &DeadLetter) -> Result<(), DeadLettersUnavailable> {
        let lost =
            |_| Err(DeadLettersUnavailable { message_id: letter.message_id.clone(), source: LOST.into() });
        if self.0.platform.borrow().strategy.is_some_and(Strategy::has_no_letters) {
            return lost(Lost::NothingDone);
        }
        let perform = |platform: &mut Platform| {
            platform.set_aside(letter);
            Ok(())
        };
        self.0.call(Site::Letter, perform, lost, || Some(Request::Letter(letter.clone()))).await
    }
}

impl LeadsStore for Aws {
    async fn cursor(&self, buyer: &BuyerId) -> Result<Cursor, LeadsUnavailable> {
        let lost = |_| Err(leads_unavailable("GetItem", buyer));
        let perform = |platform: &mut Platform| {
            let mut cursor = platform.leads.cursor(buyer.as_str());
            self.0.note_look(buyer.as_str(), platform.step());
            if let Some(trusted) = self.0.trusted(buyer.as_str()) {
                cursor.through = Sequence::new(trusted - 1);
            }
            Ok(cursor)
        };
        self.0.call(Site::Cursor, perform, lost, || None).await
    }

    async fn cursors(&self, buyers: &[BuyerId]) -> Result<BTreeMap<BuyerId, Cursor>, LeadsUnavailable> {
        let lost = |_| Err(without_buyer("BatchGetItem"));
        let perform = |platform: &mut Platform| {
            let cursor = |buyer: &BuyerId| (buyer.clone(), platform.leads.cursor(buyer.as_str()));
            Ok(buyers.iter().map(cursor).collect())
        };
        self.0.call(Site::Cursor, perform, lost, || None).await
    }

    async fn move_cursor(
        &self,
        buyer: &BuyerId,
        progress: &Progress,
        mark_to_clear: Option<&str>,
    ) -> Result<Moved, LeadsUnavailable> {
        let moves = progress.through > progress.from;
        if !moves && !progress.reports_held() && mark_to_clear.is_none() {
            return Ok(Moved::Done); // Nothing is to be written, so no call is made.
        }
        let lost = |_| Err(leads_unavailable("TransactWriteItems", buyer));
        let request = || {
            let mark = mark_to_clear.map(str::to_owned);
            Some(Request::MoveCursor(buyer.clone(), progress.clone(), mark))
        };
        let perform =
            |platform: &mut Platform| Ok(platform.move_cursor(buyer.as_str(), progress, mark_to_clear));
        self.0.call(Site::MoveCursor, perform, lost, request).await
    }

    async fn mark_behind(&self, buyer: &BuyerId, behind: &Behind) -> Result<(), LeadsUnavailable> {
        let lost = |_| Err(leads_unavailable("UpdateItem", buyer));
        let perform = |platform: &mut Platform| {
            platform.mark_behind(buyer.as_str(), behind);
            Ok(())
        };
        let request = || Some(Request::Mark(buyer.clone(), behind.clone()));
        self.0.call(Site::Mark, perform, lost, request).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Claimed, LeadsUnavailable> {
        let lost = |_| Err(leads_unavailable("TransactWriteItems", &claim.buyer));
        let is_off = self.0.platform.borrow().is_off(Safeguard::ClaimFromHead);
        let changed = is_off.then(|| unguarded::claim_from_effect(&self.0, claim));
        let claim = changed.as_ref().unwrap_or(claim);
        let request = || Some(Request::Claim(claim.clone()));
        let judged = self.0.platform.borrow().now;
        self.0.call(Site::Claim, |platform| Ok(platform.claim(claim, judged)), lost, request).await
    }

    async fn settle(
        &self,
        buyer: &BuyerId,
        key: &str,
        verdict: &Verdict,
    ) -> Result<Settled, LeadsUnavailable> {
        let lost = |_| Err(leads_unavailable("UpdateItem", buyer));
        let request = || Some(Request::Settle(buyer.clone(), key.to_owned(), verdict.clone()));
        let judged = self.0.platform.borrow().now;
        let perform = |platform: &mut Platform| Ok(platform.settle(buyer.as_str(), key, verdict, judged));
        self.0.call(Site::Settle, perform, lost, request).await
    }

    /// All work is in the first shard, so a query of another shard costs no call.
    async fn due(
        &self,
        shard: WorkShard,
        until: Timestamp,
        after: Option<&WorkPlace>,
        limit: usize,
    ) -> Result<WorkPage, LeadsUnavailable> {
        if shard.shard > 0 {
            return Ok(WorkPage::default());
        }
        let perform = |platform: &mut Platform| {
            let noise = platform.is_noisy.then_some(&mut platform.chance);
            Ok(platform.leads.due(shard.kind, until, after, limit, noise))
        };
        self.0.call(Site::OpenWork, perform, |_| Err(without_buyer("Query")), || None).await
    }

    async fn count(&self, shard: WorkShard, _: Option<&WorkPlace>) -> Result<WorkCount, LeadsUnavailable> {
        if shard.shard > 0 {
            return Ok(WorkCount::default());
        }
        let count = self.0.platform.borrow().leads.open(shard.kind).count() as u64;
        Ok(WorkCount { count, next: None })
    }

    /// Does nothing, because no work is unreadable here.
    async fn postpone(&self, _: &WorkPlace, _: Timestamp) -> Result<(), LeadsUnavailable> {
        Ok(())
    }

    async fn begin(&self, lease: &Lease) -> Result<Option<Option<Walked>>, LeadsUnavailable> {
        let perform = |platform: &mut Platform| Ok(platform.leads.begin(lease));
        let request = || Some(Request::Begin(lease.clone()));
        self.0.call(Site::Lease, perform, |_| Err(without_buyer("UpdateItem")), request).await
    }

    async fn set_walked(&self, walked: Walked) -> Result<(), LeadsUnavailable> {
        let lost = |_| Err(without_buyer("UpdateItem"));
        let perform = |platform: &mut Platform| {
            platform.leads.set_walked(walked);
            Ok(())
        };
        self.0.call(Site::Walked, perform, lost, || Some(Request::Walked(walked))).await
    }

    async fn end(&self, lease: &Lease) -> Result<(), LeadsUnavailable> {
        let perform = |platform: &mut Platform| {
            platform.leads.end(lease);
            Ok(())
        };
        let request = || Some(Request::End(lease.clone()));
        self.0.call(Site::Lease, perform, |_| Err(without_buyer("UpdateItem")), request).await
    }

    async fn pauses(&self) -> Result<Pauses, LeadsUnavailable> {
        let perform = |platform: &mut Platform| {
            Ok(unguarded::as_known(&platform.leads.pauses, platform.off, &self.0.name))
        };
        self.0.call(Site::Pauses, perform, |_| Err(without_buyer("GetItem")), || None).await
    }
}

impl Feed for Aws {
    async fn recorded(
        &self,
        partition: &FeedPartition,
        after: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, StoreError> {
        let lost = |_| Err(unavailable("Query", partition.key()));
        let perform = |platform: &mut Platform| {
            Ok(platform.index.query(platform.now, partition.key(), after, until, limit))
        };
        self.0.call(Site::Feed, perform, lost, || None).await
    }
}

impl Outside for Aws {
    async fn send_email(&self, email: &Email) -> Delivery {
        let lost = |lost| match lost {
            Lost::NothingDone => Delivery::NotSent { reason: "connection refused".to_owned() },
            Lost::PerhapsDone => Delivery::Unknown { reason: "timed out".to_owned() },
        };
        let changed = self.0.platform.borrow().in_place_of(email);
        let email = changed.as_ref().unwrap_or(email);
        self.check_no_mail_after_stop(email);
        self.0.must_not_be_paused(Pausable::Emails);
        let request = || Some(Request::Email(email.clone()));
        let delivery = self.0.call(Site::Email, |platform| platform.send_email(email), lost, request).await;
        let repeats = self.0.platform.borrow().strategy.is_some_and(Strategy::repeats_doubts);
        if repeats && let Delivery::Unknown { reason } = delivery {
            return Delivery::NotSent { reason };
        }
        delivery
    }

    async fn notify_sales(&self, message: &SalesMessage) -> Result<(), SalesUnavailable> {
        self.0.must_not_be_paused(Pausable::Sales);
        let lost = |_| Err(SalesUnavailable { effect_id: message.effect_id.clone(), source: LOST.into() });
        let perform = |platform: &mut Platform| {
            if platform.now < platform.sales.back_at {
                platform.sights.add(Sight::SalesDown);
                return lost(Lost::NothingDone);
            }
            platform.notify_sales(message);
            Ok(())
        };
        self.0.call(Site::Sales, perform, lost, || Some(Request::Sales(message.clone()))).await
    }
}

impl Aws {
    /// Checks that a worker which read the cursor after an address was stopped sends no mail to it. A sweeper does
    /// several things for a buyer at once, so its first read counts.
    fn check_no_mail_after_stop(&self, email: &Email) {
        let buyer = email.tags.iter().find(|(tag, _)| *tag == "buyer").map(|(_, buyer)| buyer.clone());
        let recipient = (buyer.unwrap_or_default(), email.to.clone());
        let (first, last) = self.0.looks(&recipient.0);
        let look = if self.0.name.starts_with("Sweeper") { first } else { last };
        let mut platform = self.0.platform.borrow_mut();
        if platform.stops.get(&recipient).is_some_and(|stopped| *stopped < look) {
            platform.mails_after_stop.push(recipient);
        }
    }
}

impl Receipts for Aws {
    /// Makes two writes, as the product's table does: the stop comes first, so that the ledger never explains a stop
    /// that is not recorded.
    async fn apply_receipt(
        &self,
        receipt: &Receipt,
        now: Timestamp,
    ) -> Result<ReceiptOutcome, LeadsUnavailable> {
        let lost = |_| Err(leads_unavailable("UpdateItem", &receipt.buyer));
        let entry = {
            let platform = self.0.platform.borrow();
            platform.leads.entry(receipt.buyer.as_str(), &receipt.effect).cloned()
        };
        let stops =
            matches!(receipt.kind, Kind::Bounced { is_permanent: true, .. } | Kind::Complained { .. });
        if let Some(entry) = entry.filter(|entry| stops && entry.nonce == receipt.nonce) {
            let request =
                || Some(Request::Stop(receipt.buyer.clone(), entry.address.clone(), receipt.clone()));
            let perform = |platform: &mut Platform| {
                platform.stop(&receipt.buyer, &entry.address, receipt);
                Ok(())
            };
            self.0
                .call(Site::Stop, perform, |_| Err(leads_unavailable("UpdateItem", &receipt.buyer)), request)
                .await?;
        }
        let request = || Some(Request::Receipt(receipt.clone(), now));
        self.0.call(Site::Receipt, |platform| Ok(platform.apply_receipt(receipt, now)), lost, request).await
    }
}

fn unavailable(operation: &'static str, buyer: &str) -> StoreError {
    StoreError::Unavailable { operation, buyer: buyer.to_owned(), source: LOST.into() }
}

fn without_buyer(operation: &'static str) -> LeadsUnavailable {
    LeadsUnavailable { operation, buyer: "nobody".to_owned(), source: LOST.into() }
}

fn leads_unavailable(operation: &'static str, buyer: &BuyerId) -> LeadsUnavailable {
    LeadsUnavailable { operation, buyer: buyer.to_string(), source: LOST.into() }
}
