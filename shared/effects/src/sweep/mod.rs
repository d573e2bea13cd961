//! The sweep: finds and does the work that no doorbell triggers. It has four shares: buyers that are behind, open
//! e-mails, commits whose doorbell was lost, and the age of held events. They run concurrently, so that none starves
//! another.
//!
//! For the reasons see `docs/adr/0020-a-sweep-has-shares.md`.

mod mails;
mod walk;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU32;

use domain::BuyerId;
use event_store::{Commits, Feed};
use futures::future::{join_all, join4, try_join_all};
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use leads_store::{
    Held, LeadsStore, Lease, Open, OpenWork, Pausable, Pauses, Status, WorkCount, WorkKind, WorkPage,
    WorkPlace, WorkShard,
};
use platform::clock::{CALL_TIME, Clock, Deadline, Sleep};
use platform::telemetry::chain;

use crate::advance::{Advance, CannotMark};
use crate::held::look_at_held;
use crate::look::{Stop, catch_panic, earlier, later};
use crate::outside::Outside;
use crate::report::Advanced;

/// The number of buyers whose held events are looked at at once.
const GAPS_AT_ONCE: usize = 16;

/// The number of buyers advanced at once, separately for buyers behind and for those found by a walk.
const BUYERS_AT_ONCE: usize = 16;

/// The time reserved for the end of the invocation, when the lease is released and open work is counted.
const END_TIME: SignedDuration = SignedDuration::from_secs(18);

/// The number of items of open work read at once.
const PAGE: usize = 100;

/// How long an unreadable item is postponed.
const UNREADABLE_FOR: SignedDuration = SignedDuration::from_hours(1);

/// How fast and how long the sweeper tries to send e-mails that were not sent at once.
#[derive(Debug, Clone, Copy)]
pub struct MailPace {
    /// The greatest number of attempts per second. SES's own limit applies to the account, which the reactors share.
    pub per_second: NonZeroU32,
    /// How long attempts are made after the first. The first attempt after that is the last, however late it comes.
    pub tried_for: SignedDuration,
}

impl MailPace {
    /// A pace of `per_second` attempts per second, for `hours` hours.
    #[must_use]
    pub fn new(per_second: NonZeroU32, hours: NonZeroU32) -> Self {
        Self { per_second, tried_for: SignedDuration::from_hours(hours.get().into()) }
    }
}

/// The report of one sweep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Whether another sweep was under way, so that this one did nothing.
    pub is_under_way: bool,
    /// The buyers that were advanced, and how each advance ended.
    pub advanced: Vec<(BuyerId, Advanced)>,
    /// The e-mails whose ledger entry changed, by key, with the new status.
    pub emails: Vec<(BuyerId, String, Status)>,
    /// The buyers that still have held events, with the oldest one.
    pub held: Vec<(BuyerId, Held)>,
    /// The open work that failed; it stays due.
    pub failed: Vec<Failed>,
    /// The items of open work that cannot be read; they are due again in an hour.
    pub unreadable: Vec<WorkPlace>,
    /// The shares that left due work for the next sweep, and why.
    pub left: BTreeMap<&'static str, String>,
    /// The amount of open work of each kind at the end, due or not. A kind that could not be counted is missing.
    pub open: BTreeMap<WorkKind, u64>,
    /// When the older of the pauses began; `None` if nothing is paused.
    pub paused_since: Option<Timestamp>,
}

/// Open work that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The buyer whose work it is.
    pub buyer: BuyerId,
    /// The e-mail's key, or the kind of work.
    pub what: String,
    /// Why it failed, without personal data.
    pub reason: String,
}

/// A sweep in progress; its shares run concurrently on one thread.
struct Sweep<'a, S, L, O, W> {
    advance: &'a Advance<'a, S, L, O, W>,
    pace: MailPace,
    /// When the invocation ends, and with it the lease.
    deadline: Deadline,
    /// When the shares must end, to leave time for the end of the sweep.
    shares_end: Deadline,
    /// The earliest time of the next attempt at SES.
    next_turn: Cell<Timestamp>,
    /// Why SES accepts no e-mail now.
    paused: RefCell<Option<String>>,
    /// The buyers that the shares are advancing now. No two shares advance the same buyer at once.
    advancing: RefCell<BTreeSet<BuyerId>>,
    swept: RefCell<Swept>,
    /// The first buyer that could be neither advanced nor marked behind.
    failure: RefCell<Option<CannotMark>>,
}

/// Does the work that is due and walks the index from where the last sweep stopped, unless another sweep is under way.
/// It stops before the deadline. Its cost depends on what was recorded since, not on the size of a table. The report is
/// written to `swept` even if the sweep fails.
///
/// # Errors
/// [`CannotMark`] if a buyer can be neither advanced nor marked behind. All other work is done before it is returned.
pub async fn sweep(
    advance: &Advance<'_, impl Commits + Feed, impl LeadsStore, impl Outside, impl Sleep>,
    pace: MailPace,
    deadline: Deadline,
    swept: &mut Swept,
) -> Result<(), CannotMark> {
    let sweep = Sweep::new(advance, pace, deadline);
    // Boxed, because the future of four shares is large.
    if let Err(stop) = Box::pin(sweep.all()).await {
        sweep.leave("sweep", stop);
    }
    *swept = sweep.swept.into_inner();
    match sweep.failure.into_inner() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

impl<S, L, O, W> Sweep<'_, S, L, O, W>
where
    S: Commits + Feed,
    L: LeadsStore,
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
        // The e-mails of the buyers that were advanced were only claimed; they are sent here.
        if !self.swept.borrow().advanced.is_empty() {
            self.mails().await;
        }
        // Open work is counted even if the lease could not be released; a lease expires by itself.
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
        self.deadline.leaves(CALL_TIME, self.advance.clock)?;
        Ok(self.advance.leads.end(lease).await?)
    }

    /// Counts the open work of a kind. It fails if the count is incomplete, because a smaller number would be wrong.
    async fn count(&self, kind: WorkKind) -> Result<u64, Stop> {
        let count = async |shard: WorkShard| -> Result<u64, Stop> {
            let (mut sum, mut after) = (0, None);
            loop {
                self.deadline.leaves(CALL_TIME, self.advance.clock)?;
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
        // Most of them wait for the end of the pause, and their next look would mark them again.
        if self.unless_paused(Pausable::Sales, WorkKind::Behind).await.is_none() {
            return;
        }
        let work = async |work: OpenWork| {
            if let Err(stop) = self.advance_once(&work.buyer).await {
                self.leave(WorkKind::Behind.name(), stop);
            }
        };
        self.due(WorkKind::Behind, BUYERS_AT_ONCE, work).await;
    }

    async fn held(&self) {
        let kind = WorkKind::Held;
        let Advance { streams, leads, clock, .. } = self.advance;
        let work = async |work: OpenWork| {
            let Open::Held(found) = work.what else { return };
            if let Err(stop) = self.has_time() {
                return self.leave(kind.name(), stop);
            }
            let look = look_at_held(*streams, *leads, *clock, &work.buyer, &found, self.shares_end);
            match catch_panic(look).await {
                Ok(Some(held)) => self.swept.borrow_mut().held.push((work.buyer, held)),
                Ok(None) => {}
                Err(stop) => self.fail(kind, work.buyer, kind.name().to_owned(), stop),
            }
        };
        self.due(kind, GAPS_AT_ONCE, work).await;
    }
}

impl<'a, S, L, O, W> Sweep<'a, S, L, O, W>
where
    S: Commits,
    L: LeadsStore,
    O: Outside,
    W: Clock,
{
    fn new(advance: &'a Advance<'a, S, L, O, W>, pace: MailPace, deadline: Deadline) -> Self {
        Self {
            advance,
            pace,
            deadline,
            shares_end: Deadline::at(earlier(deadline.moment(), END_TIME)),
            next_turn: Cell::new(advance.clock.now()),
            paused: RefCell::default(),
            advancing: RefCell::default(),
            swept: RefCell::default(),
            failure: RefCell::default(),
        }
    }

    /// Reads the due work of a kind page by page and passes each item to `work`, at most `at_once` concurrently, as
    /// long as there is time.
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

    /// Advances a buyer, unless another share is advancing it. Its e-mails are left to their own share.
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

    /// Reports and postpones an item that cannot be read, so that it does not come before all other work every time.
    async fn set_aside(&self, kind: WorkKind, place: WorkPlace) {
        let until = later(self.now(), UNREADABLE_FOR);
        if let Err(error) = self.advance.leads.postpone(&place, until).await {
            self.leave(kind.name(), error.into());
        }
        self.swept.borrow_mut().unreadable.push(place);
    }

    fn fail(&self, kind: WorkKind, buyer: BuyerId, what: String, stop: Stop) {
        // A fact was recorded in the meantime. That is no failure; the work is due again in the next sweep.
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

    /// The pauses, unless effects of this kind are paused or the pauses cannot be read; that share is left then.
    async fn unless_paused(&self, kind: Pausable, share: WorkKind) -> Option<Pauses> {
        let Advance { leads, clock, pauses, .. } = self.advance;
        match pauses.get(*leads, *clock, self.shares_end).await {
            Ok(pauses) => {
                self.swept.borrow_mut().paused_since = pauses.since();
                pauses.of(kind).is_none().then_some(pauses)
            }
            Err(stop) => {
                self.leave(share.name(), stop);
                None
            }
        }
    }

    /// Checks that a share has time for another call.
    fn has_time(&self) -> Result<(), Stop> {
        Ok(self.shares_end.leaves(CALL_TIME, self.advance.clock)?)
    }

    fn now(&self) -> Timestamp {
        self.advance.clock.now()
    }
}
