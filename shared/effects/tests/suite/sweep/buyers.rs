//! Buyers behind are advanced when due; their e-mails are left to the share of e-mails. Walks find commits whose
//! doorbell was lost in the index `feed`.

use domain::Sequence;
use event_store::slice;
use jiff::SignedDuration;
use leads_store::{Behind, LeadsStore as _};
use platform::clock::Clock as _;
use testkit::hooks::{BeforeEach, Call, Faults};
use testkit::leads::record;
use testkit::{Hooked, at, buyer, made};

use super::{changed_emails, minutes};
use crate::world::{Seen, World};

#[tokio::test]
async fn a_buyer_behind_is_advanced_when_due_and_not_before() {
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
async fn a_buyer_that_stays_behind_is_swept_at_growing_intervals() {
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
async fn the_email_of_a_buyer_behind_is_parked_and_sent_by_the_same_sweep() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.refuse_sales(1);
    world.advance().await;
    world.clock.pass(minutes(1));
    let swept = world.sweep().await;
    let advanced = Seen::of(&swept.advanced[0].1);
    assert_eq!(advanced.performed, ["quote/car-1 sent", "opened/low/1 sent", "quote-email retry"]);
    assert_eq!(changed_emails(&swept), ["quote-email sent"]);
    let entry = world.tables().ledger.into_values().next().unwrap();
    assert_eq!((entry.status.name(), entry.first_tried_at), ("sent", Some(world.clock.now())));
    assert_eq!(world.emails(), ["quote-email"]);
    assert_eq!((swept.left.len(), swept.open.values().sum::<u64>()), (0, 0));
}

#[tokio::test]
async fn a_buyer_that_causes_panics_is_behind_and_delays_no_other() {
    let world = World::new();
    // The first sweep ever makes a second walk at once.
    world.sweep().await;
    for name in ["ada", "bob", "cem"] {
        record(&*world.streams, &buyer(name), &[made("car-1")], world.clock.now()).await;
        world.clock.pass(minutes(1));
    }
    world.clock.pass(minutes(3));
    let faulty = Hooked {
        inner: &*world.streams,
        hook: &BeforeEach("page", async |call: &Call<'_>| {
            assert_ne!(call.buyer, "bob", "an injected fault");
        }),
    };
    let sweep = async || {
        let began = world.clock.now();
        let swept = world.sweep_over(&faulty, &world.leads, &world.outside).await;
        assert_eq!(swept.left.len(), 0, "{:?}", swept.left);
        began
    };
    let mut began = sweep().await;
    assert_eq!(world.outside.emails().len(), 2, "ada and cem");
    for (waits, attempts) in [(1, 1), (2, 2), (4, 3)] {
        let behind = world.leads.cursor(&buyer("bob")).await.unwrap().behind.unwrap();
        assert_eq!((behind.reason.as_str(), behind.attempts), ("a panic", attempts));
        assert_eq!(behind.not_before.duration_since(began).as_mins(), waits, "the waits double");
        world.clock.set(behind.not_before);
        began = sweep().await;
    }
}

#[tokio::test]
async fn a_buyer_found_by_two_shares_is_advanced_by_one() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    let (mark, reason) = ("first".to_owned(), "test".to_owned());
    let behind = Behind { mark, reason, attempts: 1, not_before: world.clock.now() };
    world.leads.mark_behind(&world.buyer, &behind).await.unwrap();
    world.clock.pass(minutes(3));
    // Each share yields to the others after it has read the cursor.
    let yields = Hooked {
        inner: &*world.streams,
        hook: &BeforeEach("page", async |_: &Call<'_>| tokio::task::yield_now().await),
    };
    let swept = world.sweep_over(&yields, &world.leads, &world.outside).await;
    assert_eq!(swept.advanced.len(), 1);
    assert_eq!(world.sales(), ["quote/car-1", "opened/low/1"], "each message once");
    assert_eq!(world.leads.cursor(&world.buyer).await.unwrap().through, Sequence::new(1));
}

#[tokio::test]
async fn a_commit_whose_doorbell_was_lost_is_found_after_two_minutes() {
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
async fn the_hourly_walk_finds_commits_that_a_slow_clock_hid() {
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
async fn the_watermark_passes_a_buyer_marked_behind() {
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
    // The first sweep ever makes a second walk at once, which also advances marked buyers.
    world.sweep().await;
    let walked = world.tables().walked.unwrap();
    assert_eq!(walked.through, world.clock.now() - minutes(2));
}

#[tokio::test]
async fn slices_of_any_page_size_miss_nothing_and_idle_ones_cost_8_queries() {
    let world = World::new();
    let begin = world.clock.now();
    for index in 0..60 {
        // Several commits in the same millisecond, some of them in the same partition.
        let moment = begin + SignedDuration::from_millis(index / 6);
        record(&*world.streams, &buyer(&format!("buyer-{index}")), &[made("car-1")], moment).await;
    }
    let until = begin + minutes(30);
    for limit in [1, 2, 3, 7, 100] {
        let (mut after, mut found) = (begin - minutes(1), Vec::new());
        while after < until {
            let slice = slice(&*world.streams, after, until, limit).await.unwrap();
            assert!(slice.through > after, "the slice makes progress");
            found.extend(slice.entries.into_iter().map(|entry| entry.buyer.to_string()));
            after = slice.through;
        }
        found.sort();
        let mut all: Vec<String> = (0..60).map(|index| format!("buyer-{index}")).collect();
        all.sort();
        assert_eq!(found, all, "limit {limit}");
    }
    let calls = Faults::default();
    let feed = Hooked { inner: &*world.streams, hook: &calls };
    slice(&feed, begin + minutes(5), until, 100).await.unwrap();
    assert_eq!(calls.calls(), ["recorded"; 8]);
}
