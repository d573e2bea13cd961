//! Gaps are reported once an hour with their age.

use std::cell::Cell;

use contract::stored::StoredCommit;
use domain::{BuyerId, Sequence};
use event_store::{EventStore as _, erase};
use leads_store::{Held, HeldAtHead, LeadsStore as _, Progress};
use platform::clock::Clock as _;
use testkit::hooks::{BeforeEach, Call};
use testkit::leads::record;
use testkit::logs::{Level, Logs};
use testkit::{Hooked, accepted, buyer, made, withdrawn};

use super::minutes;
use crate::world::{World, settled};

impl World {
    /// Sweeps and returns the reported ages of the oldest held events by buyer, in minutes.
    async fn held(&self) -> Vec<i64> {
        let now = self.clock.now();
        let held = self.sweep().await.held;
        held.into_iter().map(|(_, held)| now.duration_since(held.since).as_mins()).collect()
    }
}

#[tokio::test]
async fn a_gap_is_reported_hourly_with_its_age_until_it_is_filled() {
    let world = World::new();
    world.record(&[accepted("car-1").v(2)]).await;
    assert_eq!(world.advance().await.behind, None);
    let mut reported = Vec::new();
    for _ in 0..25 {
        world.clock.pass(minutes(5));
        reported.extend(world.held().await);
    }
    assert_eq!(reported, [5, 65, 125]);
    world.record(&[made("car-1")]).await;
    world.advance().await;
    world.clock.pass(minutes(120));
    assert_eq!(world.held().await, [0; 0]);
    assert_eq!(world.tables().held.len(), 0);
}

#[tokio::test]
async fn a_gap_and_its_end_are_found_without_a_doorbell() {
    let world = World::new();
    world.record(&[withdrawn("car-1").v(2)]).await;
    world.clock.pass(minutes(3));
    world.sweep().await;
    assert_eq!(world.tables().held.len(), 1, "found by the walk");
    world.sweep().await;
    let (due, filled) = (minutes(60), world.record(&[made("car-1")]).await);
    assert_eq!(
        (filled.effects.len(), world.head().await.held_count()),
        (0, 0),
        "the filling is invisible to a walk"
    );
    world.clock.pass(due);
    assert_eq!(world.held().await, [0; 0]);
    assert_eq!(world.tables().held.len(), 0, "found when the look was due");
}

#[tokio::test]
async fn the_age_is_that_of_the_oldest_open_gap() {
    let world = World::new();
    world.record(&[accepted("car-1").v(2)]).await;
    world.advance().await;
    world.clock.pass(minutes(100));
    world.record(&[accepted("car-2").v(2)]).await;
    world.advance().await;
    assert_eq!(world.held().await, [100]);
    world.record(&[made("car-1")]).await;
    world.advance().await;
    world.clock.pass(minutes(60));
    assert_eq!(world.held().await, [60]);
}

impl World {
    /// Makes the stream unreadable.
    async fn corrupt(&self) {
        let commits = self.streams.commits();
        let found = commits.into_iter().find(|commit| commit.buyer == self.buyer.as_str()).unwrap();
        let corrupt = StoredCommit { sequence: 2, last: 2, facts: "?".to_owned(), ..found };
        self.streams.append(&corrupt).await.unwrap();
    }

    /// Records the oldest held event without moving the cursor.
    async fn record_held(&self, oldest: Option<Held>) {
        let through = self.leads.cursor(&self.buyer).await.unwrap().through;
        let held = Some(HeldAtHead { oldest, is_known: false });
        let progress = Progress { from: through, through, held, ..Default::default() };
        self.leads.move_cursor(&self.buyer, &progress, None).await.unwrap();
    }
}

#[tokio::test]
async fn a_gap_in_an_unreadable_stream_is_reported_as_known_before() {
    let world = World::new();
    world.record(&[accepted("car-1").v(2)]).await;
    world.advance().await;
    world.corrupt().await;
    world.clock.pass(minutes(10));
    let logs = Logs::listen("effects", Level::WARN);
    assert_eq!(world.held().await, [10]);
    let line = logs.lines().into_iter().find(|line| line.contains("held events")).unwrap();
    assert!(
        line.starts_with("WARN cannot read held events: keeping the known ones buyer=buyer-7 error="),
        "{line}"
    );
    assert!(line.ends_with(" sequence=1"), "{line}");
    assert_eq!(world.held().await, [0; 0], "not reported again within an hour");
}

#[tokio::test]
async fn a_gap_in_an_unreadable_stream_that_another_worker_saw_filled_is_gone() {
    let (world, first) = (World::new(), buyer("another"));
    world.record(&[accepted("car-1").v(2)]).await;
    record(&*world.streams, &first, &[accepted("car-1").v(2)], world.clock.now()).await;
    world.clock.pass(minutes(3));
    world.sweep().await;
    assert_eq!(world.tables().held.len(), 2);
    world.corrupt().await;
    world.clock.pass(minutes(60));
    let meanwhile = Hooked {
        inner: &*world.streams,
        hook: &BeforeEach("page", async |call: &Call<'_>| {
            if call.buyer == first.as_str() {
                world.record_held(None).await;
            }
        }),
    };
    let reported = world.sweep_over(&meanwhile, &world.leads, &world.outside).await.held;
    let reported: Vec<&BuyerId> = reported.iter().map(|(buyer, _)| buyer).collect();
    assert_eq!(reported, [&first]);
    assert!(!world.tables().held.contains_key(&world.buyer));
}

#[tokio::test]
async fn a_look_reads_no_further_back_than_the_oldest_held_event() {
    let world = World::given(&[made("car-2")]).await;
    world.record(&[withdrawn("car-1").v(2)]).await;
    world.advance().await;
    let pages = Cell::new(0);
    let counted = Hooked {
        inner: &*world.streams,
        hook: &BeforeEach("page", async |_: &Call<'_>| pages.set(pages.get() + 1)),
    };
    let look = async || {
        world.clock.pass(minutes(60));
        world.sweep_over(&counted, &world.leads, &world.outside).await;
        pages.replace(0)
    };
    look().await;
    assert_eq!(look().await, 1, "the event is held");
    world.record(&[made("car-1")]).await;
    assert_eq!(look().await, 1, "the event is no longer held");
    assert_eq!(world.tables().held.len(), 0);
}

#[tokio::test]
async fn an_event_held_before_cursors_stated_it_is_found_by_the_next_look() {
    let world = World::new();
    world.record(&[accepted("car-1").v(2)]).await;
    let progress = Progress { through: Sequence::new(1), ..Default::default() };
    world.leads.move_cursor(&world.buyer, &progress, None).await.unwrap();
    world.clock.pass(minutes(30));
    world.record(&[made("car-2")]).await;
    world.advance().await;
    assert_eq!(world.tables().held[&world.buyer].since, world.clock.now(), "the true time is not known yet");
    world.clock.pass(minutes(1));
    assert_eq!(world.held().await, [31]);
}

#[tokio::test]
async fn a_gap_is_recorded_even_if_nothing_is_left_to_settle() {
    let world = World::given(&[made("car-2")]).await;
    world.record(&[made("car-3"), accepted("car-1").v(2)]).await;
    let (from, through) = (Sequence::new(1), Sequence::new(3));
    let progress = Progress { from, through, ..Default::default() };
    world.leads.move_cursor(&world.buyer, &progress, None).await.unwrap();
    assert_eq!(world.advance().await, settled(3, &[]));
    let recorded = || world.tables().held[&world.buyer].sequence;
    assert_eq!(recorded(), Sequence::new(1), "the true place is not known yet");
    world.held().await;
    assert_eq!(recorded(), Sequence::new(3));
}

#[tokio::test]
async fn a_gap_older_than_recorded_is_found() {
    let world = World::new();
    world.record(&[accepted("car-1").v(2)]).await;
    world.record(&[made("car-2")]).await;
    world.advance().await;
    let late = Held { sequence: Sequence::new(2), since: world.clock.now(), due: world.clock.now() };
    world.record_held(Some(late)).await;
    world.clock.pass(minutes(7));
    assert_eq!(world.held().await, [7]);
    assert_eq!(world.tables().held[&world.buyer].sequence, Sequence::new(1));
}

#[tokio::test]
async fn a_gap_of_an_erased_buyer_is_still_reported() {
    let world = World::new();
    world.record(&[accepted("car-1").v(2)]).await;
    world.advance().await;
    erase(&*world.streams, &world.clock, &world.buyer).await.unwrap().unwrap();
    world.advance().await;
    for ages in [vec![10], vec![70]] {
        world.clock.pass(minutes(if ages == [10] { 10 } else { 60 }));
        assert_eq!(world.held().await, ages, "since the event was recorded");
    }
}
