//! How a sweep ends if it cannot do everything, and how the next one continues.

use std::future::Future;
use std::time::Duration;

use domain::BuyerId;
use effects::outside::Delivery;
use jiff::SignedDuration;
use leads_store::{Behind, Cursors as _, Status, WorkKind};
use platform::clock::{Clock as _, Sleep as _};
use testkit::{buyer, made};

use super::{changed_emails, minutes, per_second, throttled};
use crate::around::{Around, Away, Watched, With};
use crate::world::{World, at, record};

#[tokio::test]
async fn a_second_walk_over_several_sweeps_counts_from_its_beginning() {
    let world = World::new();
    world.clock.set(at("12:00:00"));
    world.sweep().await;
    let slow = at("11:00:00");
    for index in 0..70 {
        let name = buyer(&format!("buyer-{index}"));
        record(&*world.streams, &name, &[made("car-1")], slow + minutes(index) / 2).await;
    }
    world.clock.set(at("13:00:00"));
    // Each look takes one minute of the 15 minutes of an invocation.
    let takes_long =
        With { inner: &*world.streams, around: &Watched(async |_: &BuyerId| world.clock.pass(minutes(1))) };
    let (began, last) = (at("13:00:00"), at("12:00:00"));
    let (mut advanced, mut places) = (0, Vec::new());
    loop {
        let swept = world.sweep_over(&takes_long, &world.leads, &world.outside).await;
        // The last buyer of a sweep runs out of time and is marked behind.
        advanced += swept.advanced.iter().filter(|(_, advanced)| advanced.behind.is_none()).count();
        let walked = world.tables().walked.unwrap();
        if walked.again_at == began {
            break;
        }
        places.push(walked);
        // A sweep that runs out of time lets its lease expire.
        world.clock.pass(minutes(1));
    }
    assert_eq!(advanced, 70, "each buyer once");
    assert!(places.len() >= 4, "{places:?}");
    assert!(places.is_sorted_by_key(|walked| walked.again), "{places:?}");
    assert!(places.iter().all(|walked| (walked.again.began, walked.again_at) == (began, last)), "{places:?}");
}

/// Makes each call about an e-mail take its longest time.
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
async fn the_slowest_emails_leave_time_for_the_end_of_the_sweep() {
    let world = World::new();
    world.invite((0..1000).map(|number| format!("buyer-{number}")), throttled()).await;
    world.clock.pass(minutes(5));
    let (slow, ends) = (Slow(&world), world.clock.deadline().moment());
    let (leads, outside) =
        (With { inner: &world.leads, around: &slow }, With { inner: &world.outside, around: &slow });
    let (swept, ended) = world.sweep_as(per_second(1), &*world.streams, &leads, &outside).await;
    ended.unwrap();
    assert!(world.count(Status::Retry) > 100, "the e-mails took all the time");
    assert!(ends.duration_since(world.clock.now()).as_secs() >= 18);
    assert_eq!(world.tables().lease, None, "the lease is released");
    assert_eq!(swept.open.keys().copied().collect::<Vec<_>>(), WorkKind::ALL);
    assert_eq!(swept.left.keys().collect::<Vec<_>>(), [&"email"]);
}

#[tokio::test]
async fn open_work_is_counted_even_if_the_lease_cannot_be_released() {
    let world = World::new();
    let away = Away("end");
    let leads = With { inner: &world.leads, around: &away };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(swept.left.keys().collect::<Vec<_>>(), [&"sweep"]);
    assert_eq!(swept.open.into_iter().collect::<Vec<_>>(), WorkKind::ALL.map(|kind| (kind, 0)));
}

#[tokio::test]
async fn a_kind_that_cannot_be_counted_is_missing_and_others_are_counted() {
    let world = World::new();
    let away = Away("count behind");
    let leads = With { inner: &world.leads, around: &away };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(swept.left["sweep"], "the leads table did not answer count for sweeper: lost");
    assert_eq!(swept.open.into_keys().collect::<Vec<_>>(), [WorkKind::Email, WorkKind::Held]);
}

/// Lets the sweep begin so late that only the time for its end is left, and each count take five seconds.
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
async fn no_count_is_started_that_could_outlive_the_invocation() {
    let world = World::new();
    let (slow, ends) = (SlowEnd(&world), world.clock.deadline().moment());
    let leads = With { inner: &world.leads, around: &slow };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(ends.duration_since(world.clock.now()).as_secs(), 3, "three counts were made");
    assert_eq!((swept.open.len(), world.tables().lease), (0, None));
    assert_eq!(swept.left["sweep"], "the invocation's time is up");
}

#[tokio::test]
async fn work_left_for_lack_of_time_stays_due_with_its_own_reason() {
    let world = World::new();
    world.sweep().await;
    let due = world.clock.now();
    let behind = |name: &str| Behind {
        mark: name.to_owned(),
        reason: "the sales team's queue is unavailable".to_owned(),
        attempts: 4,
        not_before: due,
    };
    for name in ["ada", "bob"] {
        world.leads.mark_behind(&buyer(name), &behind(name)).await.unwrap();
    }
    let takes_all =
        With { inner: &*world.streams, around: &Watched(async |_: &BuyerId| world.clock.pass(minutes(15))) };
    let swept = world.sweep_over(&takes_all, &world.leads, &world.outside).await;
    let time_is_up = "the invocation's time is up";
    assert_eq!(swept.left.get("behind").map(String::as_str), Some(time_is_up), "{:?}", swept.left);
    assert_eq!(swept.advanced.len(), 1);
    assert_eq!(world.leads.cursor(&buyer("bob")).await.unwrap().behind, Some(behind("bob")));
}

#[tokio::test]
async fn an_abandoned_email_is_reported_even_if_a_buyer_cannot_be_marked() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([Delivery::Unknown { reason: "timed out".to_owned() }]);
    world.advance().await;
    let unmarkable = buyer("another");
    record(&*world.streams, &unmarkable, &[made("car-1")], world.clock.now()).await;
    world.clock.pass(minutes(60));
    world.outside.refuse_sales(1);
    let away = Away("mark_behind");
    let leads = With { inner: &world.leads, around: &away };
    let (swept, ended) = world.sweep_as(per_second(10), &*world.streams, &leads, &world.outside).await;
    assert_eq!(ended.unwrap_err().buyer, unmarkable);
    assert_eq!(changed_emails(&swept), ["quote-email abandoned"]);
    assert!(swept.left.contains_key("walk"), "{:?}", swept.left);
}
