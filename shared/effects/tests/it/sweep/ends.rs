//! How a sweep ends that cannot do everything, and how the next one goes on.

use std::future::Future;
use std::time::Duration;

use domain::BuyerId;
use effects::outside::Delivery;
use jiff::SignedDuration;
use leads_store::{Behind, Cursors as _, Status, WorkKind};
use platform::clock::{Clock as _, Sleep as _};
use testkit::{buyer, made};

use super::{minutes, per_second, throttled, told};
use crate::around::{Around, Away, Watched, With};
use crate::world::{World, at, record};

#[tokio::test]
async fn a_second_walk_of_several_sweeps_counts_from_where_it_began() {
    let world = World::new();
    world.clock.set(at("12:00:00"));
    world.sweep().await;
    let slow = at("11:00:00");
    for index in 0..70 {
        let name = buyer(&format!("buyer-{index}"));
        record(&*world.streams, &name, &[made("car-1")], slow + minutes(index) / 2).await;
    }
    world.clock.set(at("13:00:00"));
    // Each look takes a minute, of the quarter of an hour that there is.
    let takes_long =
        With { inner: &*world.streams, around: &Watched(async |_: &BuyerId| world.clock.pass(minutes(1))) };
    let (began, last) = (at("13:00:00"), at("12:00:00"));
    let (mut advanced, mut places) = (0, Vec::new());
    loop {
        let swept = world.sweep_over(&takes_long, &world.leads, &world.outside).await;
        // The last one of a sweep runs out of time, and is marked.
        advanced += swept.advanced.iter().filter(|(_, advanced)| advanced.behind.is_none()).count();
        let walked = world.tables().walked.unwrap();
        if walked.again_at == began {
            break;
        }
        places.push(walked);
        // A sweep whose time is up leaves its lease to run out.
        world.clock.pass(minutes(1));
    }
    assert_eq!(advanced, 70, "each once");
    assert!(places.len() >= 4, "{places:?}");
    assert!(places.is_sorted_by_key(|walked| walked.again), "{places:?}");
    assert!(places.iter().all(|walked| (walked.again.began, walked.again_at) == (began, last)), "{places:?}");
}

/// Each call about a mail takes as long as it may.
struct Slow<'a>(&'a World);

impl Around for Slow<'_> {
    async fn around<R>(&self, name: &str, call: impl Future<Output = R>, _: impl FnOnce(bool) -> R) -> R {
        let seconds = match name.split(' ').next().unwrap() {
            "claim" => 11,
            "send" => 8,
            "settle" => 5,
            _ => 0,
        };
        self.0.clock.sleep(Duration::from_secs(seconds)).await;
        call.await
    }
}

#[tokio::test]
async fn mails_that_take_as_long_as_they_may_leave_time_for_the_end_of_the_sweep() {
    let world = World::new();
    world.invite((0..1000).map(|number| format!("buyer-{number}")), throttled()).await;
    world.clock.pass(minutes(5));
    let (slow, ends) = (Slow(&world), world.clock.deadline().moment());
    let (leads, outside) =
        (With { inner: &world.leads, around: &slow }, With { inner: &world.outside, around: &slow });
    let (swept, ended) = world.sweep_as(per_second(1), &*world.streams, &leads, &outside).await;
    ended.unwrap();
    assert!(world.count(Status::Retry) > 100, "the mails took all the time");
    assert!(ends.duration_since(world.clock.now()).as_secs() >= 18);
    assert_eq!(world.tables().lease, None, "given back");
    assert_eq!(swept.open.keys().copied().collect::<Vec<_>>(), WorkKind::ALL);
    assert_eq!(swept.left.keys().collect::<Vec<_>>(), [&"email"]);
}

#[tokio::test]
async fn what_is_open_is_counted_though_the_lease_cannot_be_given_back() {
    let world = World::new();
    let away = Away("end");
    let leads = With { inner: &world.leads, around: &away };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(swept.left.keys().collect::<Vec<_>>(), [&"sweep"]);
    assert_eq!(swept.open.into_iter().collect::<Vec<_>>(), WorkKind::ALL.map(|kind| (kind, 0)));
}

#[tokio::test]
async fn a_kind_that_cannot_be_counted_is_missing_and_the_others_are_there() {
    let world = World::new();
    let away = Away("count behind");
    let leads = With { inner: &world.leads, around: &away };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(swept.left["sweep"], "the leads table did not answer count for sweeper: lost");
    assert_eq!(swept.open.into_keys().collect::<Vec<_>>(), [WorkKind::Email, WorkKind::Held]);
}

/// The sweep begins so late that only its end is left, and each count takes five seconds.
struct SlowEnd<'a>(&'a World);

impl Around for SlowEnd<'_> {
    async fn around<R>(&self, name: &str, call: impl Future<Output = R>, _: impl FnOnce(bool) -> R) -> R {
        match name.split(' ').next() {
            Some("begin") => self.0.clock.pass(minutes(15) - SignedDuration::from_secs(18)),
            Some("count") => self.0.clock.pass(SignedDuration::from_secs(5)),
            _ => {}
        }
        call.await
    }
}

#[tokio::test]
async fn no_count_is_begun_that_could_outlive_the_invocation() {
    let world = World::new();
    let (slow, ends) = (SlowEnd(&world), world.clock.deadline().moment());
    let leads = With { inner: &world.leads, around: &slow };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(ends.duration_since(world.clock.now()).as_secs(), 3, "three were made");
    assert_eq!((swept.open.len(), world.tables().lease), (0, None));
    assert_eq!(swept.left["sweep"], "the invocation's time is up");
}

#[tokio::test]
async fn what_there_is_no_time_for_stays_due_with_its_own_reason() {
    let world = World::new();
    world.sweep().await;
    let due = world.clock.now();
    let behind = |name: &str| Behind {
        mark: name.to_owned(),
        reason: "the queue of the sales team is away".to_owned(),
        attempts: 4,
        not_before: due,
    };
    for name in ["ada", "bob"] {
        world.leads.mark_behind(&buyer(name), &behind(name)).await.unwrap();
    }
    let takes_all =
        With { inner: &*world.streams, around: &Watched(async |_: &BuyerId| world.clock.pass(minutes(15))) };
    let swept = world.sweep_over(&takes_all, &world.leads, &world.outside).await;
    let up = "the invocation's time is up";
    assert_eq!(swept.left.get("behind").map(String::as_str), Some(up), "{:?}", swept.left);
    assert_eq!(swept.advanced.len(), 1);
    assert_eq!(world.leads.cursor(&buyer("bob")).await.unwrap().behind, Some(behind("bob")));
}

#[tokio::test]
async fn what_was_given_up_is_reported_though_a_buyer_cannot_be_marked() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([Delivery::Unknown { reason: "timed out".to_owned() }]);
    world.advance().await;
    let cannot = buyer("another");
    record(&*world.streams, &cannot, &[made("car-1")], world.clock.now()).await;
    world.clock.pass(minutes(60));
    world.outside.refuse_sales(1);
    let away = Away("mark_behind");
    let leads = With { inner: &world.leads, around: &away };
    let (swept, ended) = world.sweep_as(per_second(10), &*world.streams, &leads, &world.outside).await;
    assert_eq!(ended.unwrap_err().buyer, cannot);
    assert_eq!(told(&swept), ["quote-email abandoned"]);
    assert!(swept.left.contains_key("walk"), "{:?}", swept.left);
}
