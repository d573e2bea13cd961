//! Only one sweep runs at a time.

use effects::{MailPace, Swept};
use leads_store::{Lease, Sweeps as _};
use platform::clock::Clock as _;
use testkit::made;

use super::{minutes, per_second, throttled};
use crate::around::{Away, Before, With};
use crate::world::World;

fn other(world: &World, until: i64) -> Lease {
    let now = world.clock.now();
    Lease { nonce: "another".to_owned(), now, until: now + minutes(until) }
}

#[tokio::test]
async fn a_second_sweep_does_nothing_while_one_is_under_way() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.clock.pass(minutes(3));
    world.leads.begin(&other(&world, 15)).await.unwrap();
    let tables = world.tables();
    let swept = world.sweep().await;
    assert_eq!(swept, Swept { is_under_way: true, ..Swept::default() });
    assert_eq!(world.tables(), tables);
    assert_eq!(world.sales(), [""; 0]);
}

#[tokio::test]
async fn an_expired_lease_is_taken_over() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.leads.begin(&other(&world, 3)).await.unwrap();
    world.clock.pass(minutes(4));
    let swept = world.sweep().await;
    assert_eq!((swept.is_under_way, swept.advanced.len()), (false, 1));
    assert_eq!(world.tables().lease, None, "the lease is released");
}

#[tokio::test]
async fn a_sweep_started_during_another_does_nothing() {
    let world = World::new();
    world.invite(["ada".to_owned()], throttled()).await;
    world.clock.pass(minutes(5));
    let meanwhile = Before::once("send quote-email", async || {
        assert!(world.sweep().await.is_under_way);
    });
    let outside = With { inner: &world.outside, around: &meanwhile };
    let swept = world.sweep_over(&*world.streams, &world.leads, &outside).await;
    assert_eq!((swept.emails.len(), world.outside.emails().len()), (1, 2), "tried again, and only once");
}

#[tokio::test]
async fn a_sweep_that_cannot_begin_or_end_reports_it() {
    for operation in ["begin", "end"] {
        let world = World::new();
        let away = Away(operation);
        let leads = With { inner: &world.leads, around: &away };
        let pace: MailPace = per_second(10);
        let (swept, ended) = world.sweep_as(pace, &*world.streams, &leads, &world.outside).await;
        ended.unwrap();
        let reason = format!("the leads table did not answer {operation} for sweeper: lost");
        assert_eq!(swept.left.into_iter().collect::<Vec<_>>(), [("sweep", reason)]);
    }
}

#[tokio::test]
async fn a_lease_lasts_as_long_as_the_invocation() {
    let world = World::new();
    let away = Away("end");
    let leads = With { inner: &world.leads, around: &away };
    let begun = world.clock.now();
    world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(world.tables().lease.unwrap().until, begun + minutes(15));
    world.clock.set(begun + minutes(15));
    assert!(world.sweep().await.is_under_way);
    world.clock.pass(jiff::SignedDuration::from_millis(1));
    assert!(!world.sweep().await.is_under_way);
}
