//! Walks find commits whose doorbell was lost in the index `feed`.

use event_store::slice;
use jiff::SignedDuration;
use leads_store::{Behind, Cursors as _};
use platform::clock::Clock as _;
use testkit::{buyer, made};

use super::minutes;
use crate::advance::Faults;
use crate::around::With;
use crate::world::{World, at, record};

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
    let calls = Faults::new(&[]);
    let feed = With { inner: &*world.streams, around: &calls };
    slice(&feed, begin + minutes(5), until, 100).await.unwrap();
    assert_eq!(calls.calls(), ["recorded"; 8]);
}
