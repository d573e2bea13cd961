//! What the doorbell missed: buyers that are behind, e-mails that are not closed, commits no doorbell rang for; and gaps
//! that are not filled. All four are worked off side by side, each in a share of its own, so that none starves another.
//!
//! Why it is so: `docs/adr/0020-a-sweep-has-shares.md`.

mod mails;
mod walk;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU32;

use domain::BuyerId;
use event_store::{Commits, Feed, NEEDED};
use futures::future::{join_all, join4, try_join_all};
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use platform::clock::{Clock, Deadline, Sleep};
use platform::telemetry::chain;

use crate::advance::{Advance, Advanced, CannotMark, Stop, unless_it_panics};
use crate::deliver::later;
use crate::outside::Outside;
use crate::sweep::walk::earlier;
use leads_store::{
    Cursors, Held, Lease, Ledger, Open, OpenWork, Status, Sweeps, Work, WorkCount, WorkKind, WorkPage,
    WorkPlace, WorkShard,
};

/// How many e-mails are worked on at once. Each takes its own turn at SES; see [`MailPace`].
const MAILS_AT_ONCE: usize = 32;

/// How many buyers, of those behind and of those found by a walk, are advanced at once.
const BUYERS_AT_ONCE: usize = 16;

/// How many gaps are looked at together.
const GAPS_AT_ONCE: usize = 16;

/// What is kept of the invocation for its end: the lease is given back, and what is open is counted.
const TO_END: SignedDuration = SignedDuration::from_secs(18);

/// How much open work is read at once.
const PAGE: usize = 100;

/// How long an item that cannot be read is left alone.
const UNREADABLE_FOR: SignedDuration = SignedDuration::from_hours(1);

/// How the sweeper sends e-mails that were not sent at once.
#[derive(Debug, Clone, Copy)]
pub struct MailPace {
    /// At most so many in a second. SES's own limit is that of the account, which reactors share.
    pub per_second: NonZeroU32,
    /// For so long; then a last try is made, however long the mail had to wait for it.
    pub tried_for: SignedDuration,
}

impl MailPace {
    /// So many in a second, for so many hours.
    #[must_use]
    pub fn new(per_second: NonZeroU32, hours: NonZeroU32) -> Self {
        Self { per_second, tried_for: SignedDuration::from_hours(hours.get().into()) }
    }
}

/// What one sweep found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Another sweep was under way: nothing was done.
    pub is_under_way: bool,
    /// Buyers that were advanced, and how it ended.
    pub advanced: Vec<(BuyerId, Advanced)>,
    /// E-mails whose entry changed, and to what.
    pub emails: Vec<(BuyerId, String, Status)>,
    /// Buyers of whom events are still held, with the oldest of them.
    pub held: Vec<(BuyerId, Held)>,
    /// Open work that could not be done, and why: it stays due.
    pub failed: Vec<Failed>,
    /// Items of open work that cannot be read: they are due again in an hour.
    pub unreadable: Vec<WorkPlace>,
    /// Shares in which work that was due is left for the next sweep, and why.
    pub left: BTreeMap<&'static str, String>,
    /// How much is open of each kind at the end, due or not; a kind that could not be counted is missing.
    pub open: BTreeMap<WorkKind, u64>,
}

/// Open work that could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Whose.
    pub buyer: BuyerId,
    /// The e-mail's key, or the kind of work.
    pub what: String,
    /// Why, without anything personal.
    pub reason: String,
}

/// One sweep: its shares run side by side in one thread.
struct Sweep<'a, S, L, O, W> {
    advance: &'a Advance<'a, S, L, O, W>,
    pace: MailPace,
    /// When the invocation ends, and with it the lease.
    deadline: Deadline,
    /// When the shares end: early enough for what comes after them.
    shares_end: Deadline,
    /// When the next e-mail's turn comes.
    next_turn: Cell<Timestamp>,
    /// Why SES takes no mail now.
    paused: RefCell<Option<String>>,
    /// Buyers that are being advanced now.
    advancing: RefCell<BTreeSet<BuyerId>>,
    swept: RefCell<Swept>,
    /// The first buyer that could be neither advanced nor marked.
    failure: RefCell<Option<CannotMark>>,
}

impl<S, L, O, W> Advance<'_, S, L, O, W>
where
    S: Commits + Feed,
    L: Cursors + Ledger + Work + Sweeps,
    O: Outside,
    W: Clock + Sleep,
{
    /// Works off what is due and walks the index from where the last sweep came to, unless another sweep is under way. Ends
    /// when the time is up; what it costs follows what was recorded since, never the size of a table. What was done is in
    /// `swept`, however it ends.
    ///
    /// # Errors
    /// [`CannotMark`], if a buyer can be neither advanced nor marked behind; all else is done before it is reported.
    pub async fn sweep(
        &self,
        pace: MailPace,
        deadline: Deadline,
        swept: &mut Swept,
    ) -> Result<(), CannotMark> {
        let sweep = Sweep {
            advance: self,
            pace,
            deadline,
            shares_end: Deadline::at(earlier(deadline.moment(), TO_END)),
            next_turn: Cell::new(self.clock.now()),
            paused: RefCell::default(),
            advancing: RefCell::default(),
            swept: RefCell::default(),
            failure: RefCell::default(),
        };
        // In a place of its own: four shares make a large future.
        if let Err(stop) = Box::pin(sweep.all()).await {
            sweep.leave("sweep", stop);
        }
        *swept = sweep.swept.into_inner();
        match sweep.failure.into_inner() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl<S, L, O, W> Sweep<'_, S, L, O, W>
where
    S: Commits + Feed,
    L: Cursors + Ledger + Work + Sweeps,
    O: Outside,
    W: Clock + Sleep,
{
    async fn all(&self) -> Result<(), Stop> {
        self.has_time()?;
        let leads = self.advance.leads;
        let nonce = self.advance.clock.nonce();
        let lease = Lease { nonce, until: self.deadline.moment(), now: self.now() };
        let Some(walked) = leads.begin(&lease).await? else {
            self.swept.borrow_mut().is_under_way = true;
            return Ok(());
        };
        join4(self.mails(), self.behind(), self.held(), self.walks(walked)).await;
        // Mails of the buyers that were advanced are left to the share of the mails.
        if !self.swept.borrow().advanced.is_empty() {
            self.mails().await;
        }
        // What is open is counted whether or not the lease could be given back: that runs out by itself.
        if let Err(stop) = self.end(&lease).await {
            self.leave("sweep", stop);
        }
        let counted = join_all(WorkKind::ALL.map(async |kind| (kind, self.count(kind).await))).await;
        for (kind, count) in counted {
            match count {
                Ok(count) => {
                    self.swept.borrow_mut().open.insert(kind, count);
                }
                Err(stop) => self.leave("sweep", stop),
            }
        }
        Ok(())
    }

    async fn end(&self, lease: &Lease) -> Result<(), Stop> {
        self.deadline.leaves(NEEDED, self.advance.clock)?;
        Ok(self.advance.leads.end(lease).await?)
    }

    /// How much is open of a kind; an error if it cannot be counted to the end, for less would be no answer.
    async fn count(&self, kind: WorkKind) -> Result<u64, Stop> {
        let count = async |shard: WorkShard| -> Result<u64, Stop> {
            let (mut sum, mut after) = (0, None);
            loop {
                self.deadline.leaves(NEEDED, self.advance.clock)?;
                let WorkCount { count, next } = self.advance.leads.count(shard, after.as_ref()).await?;
                sum += count;
                if next.is_none() {
                    return Ok(sum);
                }
                after = next;
            }
        };
        Ok(try_join_all(kind.shards().map(count)).await?.into_iter().sum())
    }

    async fn behind(&self) {
        let work = async |work: OpenWork| {
            if let Err(stop) = self.advance_once(&work.buyer).await {
                self.leave(WorkKind::Behind.name(), stop);
            }
        };
        self.due(WorkKind::Behind, BUYERS_AT_ONCE, work).await;
    }

    async fn held(&self) {
        let kind = WorkKind::Held;
        let work = async |work: OpenWork| {
            let Open::Held(found) = work.what else { return };
            if let Err(stop) = self.has_time() {
                return self.leave(kind.name(), stop);
            }
            let look = self.advance.look_at_held(&work.buyer, &found, self.shares_end);
            match unless_it_panics(look).await {
                Ok(Some(held)) => self.swept.borrow_mut().held.push((work.buyer, held)),
                Ok(None) => {}
                Err(stop) => self.fail(kind, work.buyer, kind.name().to_owned(), stop),
            }
        };
        self.due(kind, GAPS_AT_ONCE, work).await;
    }

    /// Hands over everything of a kind that is due now, page by page, some of it at once, as long as there is time.
    async fn due(&self, kind: WorkKind, at_once: usize, work: impl AsyncFn(OpenWork)) {
        let until = self.now();
        let shards: VecDeque<_> = kind.shards().map(|shard| (shard, None)).collect();
        let pages = stream::unfold(shards, async |mut shards| {
            let (shard, after): (_, Option<WorkPlace>) = shards.pop_front()?;
            let page = async {
                self.has_time()?;
                Ok(self.advance.leads.due(shard, until, after.as_ref(), PAGE).await?)
            };
            let WorkPage { items, next } = match page.await {
                Ok(page) => page,
                Err(stop) => {
                    self.leave(kind.name(), stop);
                    WorkPage::default()
                }
            };
            if next.is_some() {
                shards.push_back((shard, next));
            }
            Some((items, shards))
        });
        let items = pages.flat_map(stream::iter);
        let done = items.for_each_concurrent(at_once, async |item| match item {
            Ok(item) => work(item).await,
            Err(place) => self.set_aside(kind, place).await,
        });
        done.await;
    }

    /// Advances a buyer, unless another share is at it. Its mails are left to their own share.
    async fn advance_once(&self, buyer: &BuyerId) -> Result<(), Stop> {
        self.has_time()?;
        if !self.advancing.borrow_mut().insert(buyer.clone()) {
            return Ok(());
        }
        let advanced = self.advance.advance_with(buyer, self.shares_end, true).await;
        self.advancing.borrow_mut().remove(buyer);
        match advanced {
            Ok(advanced) => {
                self.swept.borrow_mut().advanced.push((buyer.clone(), advanced));
                Ok(())
            }
            Err(error) => {
                let stop = Stop::later(chain(&error), None);
                self.failure.borrow_mut().get_or_insert(error);
                Err(stop)
            }
        }
    }

    /// An item that cannot be read is reported, and made due later: it must not stand before all others for ever.
    async fn set_aside(&self, kind: WorkKind, place: WorkPlace) {
        let until = later(self.now(), UNREADABLE_FOR);
        if let Err(error) = self.advance.leads.postpone(&place, until).await {
            self.leave(kind.name(), error.into());
        }
        self.swept.borrow_mut().unreadable.push(place);
    }

    fn fail(&self, kind: WorkKind, buyer: BuyerId, what: String, stop: Stop) {
        // Whatever moved the head comes first; the work is due again in the next sweep.
        let Stop::Later { reason, .. } = stop else { return };
        let mut swept = self.swept.borrow_mut();
        swept.left.entry(kind.name()).or_insert_with(|| reason.clone());
        swept.failed.push(Failed { buyer, what, reason });
    }

    fn leave(&self, share: &'static str, stop: Stop) {
        if let Stop::Later { reason, .. } = stop {
            self.swept.borrow_mut().left.entry(share).or_insert(reason);
        }
    }

    /// Whether a share may begin something more.
    fn has_time(&self) -> Result<(), Stop> {
        Ok(self.shares_end.leaves(NEEDED, self.advance.clock)?)
    }

    fn now(&self) -> Timestamp {
        self.advance.clock.now()
    }
}
