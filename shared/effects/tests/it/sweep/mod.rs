//! The sweeper: what the doorbell missed.

mod ends;
mod held;
mod resent;

use std::cell::Cell;

use domain::Sequence;
use effects::leads::{Behind, Cursors as _};
use effects::outside::Delivery;
use effects::{Advance, Swept};
use event_store::surroundings::Surroundings as _;
use event_store::{Commits, Feed, FeedEntry, FeedPartition, MemoryStreams, Page, StoreError, slice};
use jiff::{SignedDuration, Timestamp};
use testkit::{acceptance_withdrawn, accepted, buyer, made};

use crate::world::{World, at, record};

impl World {
    async fn sweep(&self) -> Swept {
        self.sweep_over(&*self.streams).await
    }

    async fn sweep_over(&self, streams: &(impl Commits + Feed)) -> Swept {
        let advance = Advance {
            streams,
            leads: &self.leads,
            outside: &self.outside,
            surroundings: &self.clock,
            letterhead: &self.letterhead,
        };
        let mut swept = Swept::default();
        advance.sweep(self.clock.deadline(), &mut swept).await.unwrap();
        swept
    }

    /// How many buyers a sweep advances.
    async fn advanced(&self) -> usize {
        self.sweep().await.advanced.len()
    }

    fn not_sent(&self) {
        self.outside.deliver_as([Delivery::NotSent { reason: "SendingPausedException".to_owned() }]);
    }
}

const fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

#[tokio::test]
async fn a_commit_that_nobody_rang_for_is_found_once_the_doorbell_has_had_its_time() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.clock.pass(minutes(1));
    assert_eq!(world.advanced().await, 0, "left to the doorbell");
    world.clock.pass(minutes(2));
    assert_eq!(world.advanced().await, 1);
    assert_eq!(world.emails(), ["quote-email"]);
    assert_eq!(world.sales(), ["quote/car-1", "opened/low/1"]);
    world.clock.pass(minutes(5));
    assert_eq!(world.advanced().await, 0, "settled");
}

#[tokio::test]
async fn thirty_hours_without_a_doorbell_are_caught_up_in_order() {
    let world = World::new();
    world.clock.pass(minutes(3));
    world.sweep().await;
    for hour in 0..30 {
        let name = format!("buyer-{hour}");
        record(&*world.streams, &buyer(&name), &[made("car-1")], world.clock.now()).await;
        world.clock.pass(minutes(60));
    }
    let swept = world.sweep().await;
    let buyers: Vec<String> = swept.advanced.iter().map(|(buyer, _)| buyer.to_string()).collect();
    assert_eq!(buyers, (0..30).map(|hour| format!("buyer-{hour}")).collect::<Vec<_>>(), "oldest first");
    assert_eq!(world.outside.emails().len(), 30);
}

#[tokio::test]
async fn a_buyer_that_is_behind_is_worked_off_when_due_and_not_before() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.refuse_sales(1);
    assert!(world.advance().await.behind.is_some());
    assert_eq!(world.advanced().await, 0, "not due");
    world.clock.pass(minutes(1));
    assert_eq!(world.advanced().await, 1);
    assert_eq!(world.leads.cursor(&world.buyer).await.unwrap().behind, None);
    assert_eq!(world.emails(), ["quote-email"]);
}

#[tokio::test]
async fn a_buyer_that_stays_behind_is_tried_less_and_less_often() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    let mut waits = Vec::new();
    for _ in 0..7 {
        world.outside.refuse_sales(1);
        world.sweep().await;
        if world.leads.cursor(&world.buyer).await.unwrap().behind.is_none() {
            world.outside.refuse_sales(1);
            world.advance().await;
        }
        let due = world.leads.cursor(&world.buyer).await.unwrap().behind.unwrap().not_before;
        waits.push(due.duration_since(world.clock.now()).as_mins());
        world.clock.set(due);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 16, 16]);
}

#[tokio::test]
async fn a_mail_that_was_definitely_not_sent_is_sent_when_due_and_its_buyer_goes_on() {
    let world = World::new();
    world.not_sent();
    world.record(&[made("car-1")]).await;
    world.advance().await;
    assert_eq!(world.ledger()["quote-email"], "retry");
    world.clock.pass(minutes(2));
    world.sweep().await;
    assert_eq!(world.ledger()["quote-email"], "sent");
    let cursor = world.leads.cursor(&world.buyer).await.unwrap();
    assert_eq!((cursor.through, cursor.behind), (Sequence::new(1), None));
    assert_eq!(world.emails().len(), 2, "tried twice, sent once");
}

#[tokio::test]
async fn a_retry_that_the_cursor_has_passed_is_sent_only_while_its_reason_holds() {
    for (later, status, mails) in
        [(None, "sent", 2), (Some(acceptance_withdrawn("car-1").v(3)), "superseded", 1)]
    {
        let world = World::given(&[made("car-1")]).await;
        world.record(&[accepted("car-1").v(2)]).await;
        world.not_sent();
        world.advance().await;
        // Somebody else moved the cursor on, whatever the reason.
        let progress = effects::leads::Progress {
            from: Sequence::new(1),
            through: Sequence::new(2),
            ..effects::leads::Progress::default()
        };
        let mark = world.leads.cursor(&world.buyer).await.unwrap().behind.unwrap().mark;
        world.leads.move_cursor(&world.buyer, &progress, Some(&mark)).await.unwrap();
        if let Some(event) = later {
            world.record(&[event]).await;
        }
        world.clock.pass(minutes(2));
        world.sweep().await;
        assert_eq!(world.ledger()["accepted-email/car-1/2"], status);
        let tried = world.emails().iter().filter(|key| key.starts_with("accepted")).count();
        assert_eq!(tried, mails);
    }
}

#[tokio::test]
async fn a_mail_that_cannot_be_sent_for_a_day_is_abandoned_and_its_buyer_goes_on() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.not_sent();
    world.advance().await;
    for _ in 0..24 {
        world.clock.pass(minutes(60));
        world.not_sent();
        world.sweep().await;
    }
    assert_eq!(world.ledger()["quote-email"], "retry", "the day is not over");
    let tried = world.emails().len();
    for _ in 0..2 {
        world.clock.pass(minutes(60));
        world.sweep().await;
    }
    assert_eq!((world.ledger()["quote-email"], world.emails().len()), ("abandoned", tried));
    let cursor = world.leads.cursor(&world.buyer).await.unwrap();
    assert_eq!((cursor.through, cursor.behind), (Sequence::new(1), None));
}

#[tokio::test]
async fn a_doubtful_mail_is_abandoned_after_an_hour_and_never_sent_again() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([Delivery::Unknown { reason: "timed out".to_owned() }]);
    world.advance().await;
    world.clock.pass(minutes(59));
    world.sweep().await;
    assert_eq!(world.ledger()["quote-email"], "unknown");
    world.clock.pass(minutes(1));
    let swept = world.sweep().await;
    assert_eq!(world.ledger()["quote-email"], "abandoned");
    assert_eq!(swept.emails.len(), 1, "and it is told");
    assert_eq!(world.emails().len(), 1);
}

#[tokio::test]
async fn a_claim_that_ran_out_is_doubtful_whoever_finds_it() {
    use effects::leads::{AddressDigest, Claim, Claimed, Ledger as _};
    let world = World::new();
    let claim = Claim {
        buyer: world.buyer.clone(),
        key: "quote-email".to_owned(),
        sequence: Sequence::new(1),
        nonce: "crashed".to_owned(),
        address: AddressDigest::of("ada.canary@example.com"),
        head: Sequence::START,
        now: world.clock.now(),
        deadline: world.clock.now() + SignedDuration::from_secs(30),
        is_shadow: false,
    };
    assert_eq!(world.leads.claim(&claim).await.unwrap(), Claimed::Ours);
    world.sweep().await;
    assert_eq!(world.ledger()["quote-email"], "sending");
    world.clock.pass(SignedDuration::from_secs(30));
    world.sweep().await;
    assert_eq!(world.ledger()["quote-email"], "unknown");
    assert_eq!(world.emails(), [""; 0]);
}

#[tokio::test]
async fn the_hourly_walk_finds_what_a_slow_clock_hid_behind_the_watermark() {
    let world = World::new();
    world.clock.set(at("12:00:00"));
    world.sweep().await;
    let slow = at("12:00:00") - minutes(60);
    record(&*world.streams, &world.buyer, &[made("car-1")], slow).await;
    world.clock.pass(minutes(5));
    assert_eq!(world.advanced().await, 0, "the watermark is past it");
    world.clock.pass(minutes(55));
    assert_eq!(world.advanced().await, 1);
}

#[tokio::test]
async fn a_marked_buyer_lets_the_watermark_pass_and_is_left_to_its_mark() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    let behind = Behind {
        mark: "m".to_owned(),
        reason: "test".to_owned(),
        attempts: 1,
        not_before: world.clock.now() + minutes(30),
    };
    world.leads.mark_behind(&world.buyer, &behind).await.unwrap();
    world.clock.pass(minutes(3));
    // The very first run walks a second time at once, which asks of marked buyers too.
    world.sweep().await;
    let walked = world.tables().walked.unwrap();
    assert_eq!(walked.through, world.clock.now() - minutes(2));
}

/// Streams with something that happens before a page of a buyer is read.
struct Watched<'a, F>(&'a MemoryStreams, F);

impl<F: AsyncFn(&domain::BuyerId)> Commits for Watched<'_, F> {
    async fn page(
        &self,
        buyer: &domain::BuyerId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        (self.1)(buyer).await;
        self.0.page(buyer, before, limit).await
    }
}

impl<F> Feed for Watched<'_, F> {
    async fn recorded(
        &self,
        partition: &FeedPartition,
        after: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, StoreError> {
        self.0.recorded(partition, after, until, limit).await
    }
}

#[tokio::test]
async fn a_buyer_that_makes_the_code_panic_is_behind_and_holds_up_nobody() {
    let world = World::new();
    // The very first run walks twice.
    world.sweep().await;
    for name in ["ada", "bob", "cem"] {
        record(&*world.streams, &buyer(name), &[made("car-1")], world.clock.now()).await;
        world.clock.pass(minutes(1));
    }
    world.clock.pass(minutes(3));
    let faulty = Watched(&world.streams, async |of: &domain::BuyerId| {
        assert_ne!(*of, buyer("bob"), "a fault of the test");
    });
    let sweep = async || world.sweep_over(&faulty).await.unfinished;
    assert_eq!(sweep().await, None);
    assert_eq!(world.outside.emails().len(), 2, "ada and cem");
    for (waits, attempts) in [(1, 1), (2, 2), (4, 3)] {
        let behind = world.leads.cursor(&buyer("bob")).await.unwrap().behind.unwrap();
        assert_eq!((behind.reason.as_str(), behind.attempts), ("a panic", attempts));
        assert_eq!(
            behind.not_before.duration_since(world.clock.now()).as_mins(),
            waits,
            "less and less often"
        );
        world.clock.set(behind.not_before);
        assert_eq!(sweep().await, None);
    }
}

/// A feed that counts how often it is asked.
struct Counted<'a>(&'a MemoryStreams, Cell<usize>);

impl Feed for Counted<'_> {
    async fn recorded(
        &self,
        partition: &FeedPartition,
        after: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<FeedEntry>, StoreError> {
        self.1.set(self.1.get() + 1);
        self.0.recorded(partition, after, until, limit).await
    }
}

#[tokio::test]
async fn slices_miss_nothing_however_small_the_pages_and_an_idle_hour_costs_eight_questions() {
    let world = World::new();
    let begin = world.clock.now();
    for index in 0..60 {
        // Several in the same millisecond, some in the same partition.
        let moment = begin + SignedDuration::from_millis(index / 6);
        record(&*world.streams, &buyer(&format!("buyer-{index}")), &[made("car-1")], moment).await;
    }
    let until = begin + minutes(30);
    for limit in [1, 2, 3, 7, 100] {
        let feed = Counted(&world.streams, Cell::new(0));
        let (mut after, mut found) = (begin - minutes(1), Vec::new());
        while after < until {
            let slice = slice(&feed, after, until, limit).await.unwrap();
            assert!(slice.through > after, "it goes on");
            found.extend(slice.entries.into_iter().map(|entry| entry.buyer.to_string()));
            after = slice.through;
        }
        found.sort();
        let mut all: Vec<String> = (0..60).map(|index| format!("buyer-{index}")).collect();
        all.sort();
        assert_eq!(found, all, "limit {limit}");
    }
    let feed = Counted(&world.streams, Cell::new(0));
    slice(&feed, begin + minutes(5), until, 100).await.unwrap();
    assert_eq!(feed.1.get(), 8);
}
