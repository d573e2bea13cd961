//! Gaps that stay: told of once an hour, with their age.

use std::cell::Cell;

use contract::stored::StoredCommit;
use domain::{BuyerId, Sequence};
use event_store::{EventStore as _, erase};
use leads_store::{Cursors as _, Held, HeldAtHead, Progress};
use platform::clock::Clock as _;
use testkit::{accepted, buyer, made, withdrawn};

use super::minutes;
use crate::around::{Watched, With};
use crate::logs::Logs;
use crate::world::{World, record, settled};

impl World {
    /// How old the oldest held events are, buyer by buyer, as a sweep tells it.
    async fn held(&self) -> Vec<i64> {
        let now = self.clock.now();
        let held = self.sweep().await.held;
        held.into_iter().map(|(_, held)| now.duration_since(held.since).as_mins()).collect()
    }
}

#[tokio::test]
async fn a_gap_is_told_of_once_an_hour_with_its_age_until_it_is_filled() {
    let world = World::new();
    world.record(&[accepted("car-1").v(2)]).await;
    assert_eq!(world.advance().await.behind, None);
    let mut told = Vec::new();
    for _ in 0..25 {
        world.clock.pass(minutes(5));
        told.extend(world.held().await);
    }
    assert_eq!(told, [5, 65, 125]);
    world.record(&[made("car-1")]).await;
    world.advance().await;
    world.clock.pass(minutes(120));
    assert_eq!(world.held().await, [0; 0]);
    assert_eq!(world.tables().held.len(), 0);
}

#[tokio::test]
async fn a_gap_is_found_without_a_doorbell_and_its_end_too() {
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
        "nothing to be found by a walk"
    );
    world.clock.pass(due);
    assert_eq!(world.held().await, [0; 0]);
    assert_eq!(world.tables().held.len(), 0, "found when it was due");
}

#[tokio::test]
async fn the_age_is_that_of_the_oldest_gap_that_is_still_open() {
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
    /// Makes the stream one that cannot be read any more.
    async fn corrupt(&self) {
        let commits = self.streams.commits();
        let found = commits.into_iter().find(|commit| commit.buyer == self.buyer.as_str()).unwrap();
        let corrupt = StoredCommit { sequence: 2, last: 2, facts: "?".to_owned(), ..found };
        self.streams.append(&corrupt).await.unwrap();
    }

    /// Writes down what is held at the cursor, wherever it is.
    async fn say_held(&self, oldest: Option<Held>) {
        let through = self.leads.cursor(&self.buyer).await.unwrap().through;
        let held = Some(HeldAtHead { oldest, is_known: false });
        let progress = Progress { from: through, through, held, ..Default::default() };
        self.leads.move_cursor(&self.buyer, &progress, None).await.unwrap();
    }
}

#[tokio::test]
async fn a_gap_in_a_stream_that_cannot_be_read_is_told_of_with_what_was_known() {
    let world = World::new();
    world.record(&[accepted("car-1").v(2)]).await;
    world.advance().await;
    world.corrupt().await;
    world.clock.pass(minutes(10));
    let logs = Logs::listen();
    assert_eq!(world.held().await, [10]);
    let line = logs.lines().into_iter().find(|line| line.contains("what is held")).unwrap();
    assert!(
        line.starts_with("WARN what is held cannot be read: as known before buyer=buyer-7 error="),
        "{line}"
    );
    assert!(line.ends_with(" sequence=1"), "{line}");
    assert_eq!(world.held().await, [0; 0], "not again before an hour has passed");
}

#[tokio::test]
async fn a_gap_is_told_of_no_more_if_who_could_read_the_stream_said_meanwhile_that_it_is_filled() {
    let (world, first) = (World::new(), buyer("another"));
    world.record(&[accepted("car-1").v(2)]).await;
    record(&*world.streams, &first, &[accepted("car-1").v(2)], world.clock.now()).await;
    world.clock.pass(minutes(3));
    world.sweep().await;
    assert_eq!(world.tables().held.len(), 2);
    world.corrupt().await;
    world.clock.pass(minutes(60));
    let meanwhile = With {
        inner: &*world.streams,
        around: &Watched(async |of: &BuyerId| {
            if *of == first {
                world.say_held(None).await;
            }
        }),
    };
    let told = world.sweep_over(&meanwhile, &world.leads, &world.outside).await.held;
    let told: Vec<&BuyerId> = told.iter().map(|(buyer, _)| buyer).collect();
    assert_eq!(told, [&first]);
    assert!(!world.tables().held.contains_key(&world.buyer));
}

#[tokio::test]
async fn a_look_reads_from_where_the_oldest_event_waits_and_no_further() {
    let world = World::given(&[made("car-2")]).await;
    world.record(&[withdrawn("car-1").v(2)]).await;
    world.advance().await;
    let pages = Cell::new(0);
    let counted =
        With { inner: &*world.streams, around: &Watched(async |_: &BuyerId| pages.set(pages.get() + 1)) };
    let look = async || {
        world.clock.pass(minutes(60));
        world.sweep_over(&counted, &world.leads, &world.outside).await;
        pages.replace(0)
    };
    look().await;
    assert_eq!(look().await, 1, "it waits");
    world.record(&[made("car-1")]).await;
    assert_eq!(look().await, 1, "it waits no more");
    assert_eq!(world.tables().held.len(), 0);
}

#[tokio::test]
async fn what_was_held_before_cursors_told_of_it_is_found_by_the_next_look() {
    let world = World::new();
    world.record(&[accepted("car-1").v(2)]).await;
    let progress = Progress { through: Sequence::new(1), ..Default::default() };
    world.leads.move_cursor(&world.buyer, &progress, None).await.unwrap();
    world.clock.pass(minutes(30));
    world.record(&[made("car-2")]).await;
    world.advance().await;
    assert_eq!(world.tables().held[&world.buyer].since, world.clock.now(), "not known better yet");
    world.clock.pass(minutes(1));
    assert_eq!(world.held().await, [31]);
}

#[tokio::test]
async fn a_gap_is_said_where_nothing_is_left_to_settle_and_where_it_stands() {
    let world = World::given(&[made("car-2")]).await;
    world.record(&[made("car-3"), accepted("car-1").v(2)]).await;
    let (from, through) = (Sequence::new(1), Sequence::new(3));
    let progress = Progress { from, through, ..Default::default() };
    world.leads.move_cursor(&world.buyer, &progress, None).await.unwrap();
    assert_eq!(world.advance().await, settled(3, &[]));
    let said = || world.tables().held[&world.buyer].sequence;
    assert_eq!(said(), Sequence::new(1), "not known better yet");
    world.held().await;
    assert_eq!(said(), Sequence::new(3));
}

#[tokio::test]
async fn an_older_gap_than_the_table_says_is_found_and_not_taken_for_filled() {
    let world = World::new();
    world.record(&[accepted("car-1").v(2)]).await;
    world.record(&[made("car-2")]).await;
    world.advance().await;
    let late = Held { sequence: Sequence::new(2), since: world.clock.now(), due: world.clock.now() };
    world.say_held(Some(late)).await;
    world.clock.pass(minutes(7));
    assert_eq!(world.held().await, [7]);
    assert_eq!(world.tables().held[&world.buyer].sequence, Sequence::new(1));
}

#[tokio::test]
async fn a_gap_of_an_erased_buyer_is_still_told_of() {
    let world = World::new();
    world.record(&[accepted("car-1").v(2)]).await;
    world.advance().await;
    erase(&*world.streams, &world.clock, &world.buyer).await.unwrap().unwrap();
    world.advance().await;
    for told in [vec![10], vec![70]] {
        world.clock.pass(minutes(if told == [10] { 10 } else { 60 }));
        assert_eq!(world.held().await, told, "since it was recorded");
    }
}
