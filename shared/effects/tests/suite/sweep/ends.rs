//! How a sweep ends if it cannot do everything, and how the next one continues. Only one sweep runs at a time.

use std::time::Duration;

use effects::outside::Delivery;
use effects::{MailPace, Swept};
use jiff::SignedDuration;
use leads_store::{Behind, LeadsStore as _, Lease, Status, WorkKind};
use platform::clock::{Clock as _, Sleep as _};
use testkit::hooks::{Before, BeforeEach, BeforeFirst, Call, Fate, Faults};
use testkit::leads::record;
use testkit::{Hooked, at, buyer, made};

use super::{changed_emails, minutes, per_second, throttled};
use crate::world::World;

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
    let takes_long = Hooked {
        inner: &*world.streams,
        hook: &BeforeEach("page", async |_: &Call<'_>| world.clock.pass(minutes(1))),
    };
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

#[tokio::test]
async fn the_slowest_emails_leave_time_for_the_end_of_the_sweep() {
    let world = World::new();
    world.invite((0..1000).map(|number| format!("buyer-{number}")), throttled()).await;
    world.clock.pass(minutes(5));
    let ends = world.deadline().moment();
    // Each call about an e-mail takes its longest time.
    let slow = Before(async |call: &Call<'_>| {
        let seconds = match call.operation {
            "claim" => 11,
            "send" => 8,
            "settle" => 5,
            _ => 0,
        };
        world.clock.sleep(Duration::from_secs(seconds)).await;
        Fate::Passes
    });
    let (leads, outside) =
        (Hooked { inner: &world.leads, hook: &slow }, Hooked { inner: &world.outside, hook: &slow });
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
    let away = Faults::always("end", Fate::Fails);
    let leads = Hooked { inner: &world.leads, hook: &away };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(swept.left.keys().collect::<Vec<_>>(), [&"sweep"]);
    assert_eq!(swept.open.into_iter().collect::<Vec<_>>(), WorkKind::ALL.map(|kind| (kind, 0)));
}

#[tokio::test]
async fn a_kind_that_cannot_be_counted_is_missing_and_others_are_counted() {
    let world = World::new();
    let away = Faults::always("count behind", Fate::Fails);
    let leads = Hooked { inner: &world.leads, hook: &away };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(swept.left["sweep"], "the leads table did not answer count for sweeper: lost");
    assert_eq!(swept.open.into_keys().collect::<Vec<_>>(), [WorkKind::Email, WorkKind::Held]);
}

#[tokio::test]
async fn no_count_is_started_that_could_outlive_the_invocation() {
    let world = World::new();
    let ends = world.deadline().moment();
    // The sweep begins so late that only the time for its end is left, and each count takes five seconds.
    let slow = Before(async |call: &Call<'_>| {
        match call.operation {
            "begin" => world.clock.pass(minutes(15) - SignedDuration::from_secs(18)),
            "count" => world.clock.pass(SignedDuration::from_secs(5)),
            _ => {}
        }
        Fate::Passes
    });
    let leads = Hooked { inner: &world.leads, hook: &slow };
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
    let takes_all = Hooked {
        inner: &*world.streams,
        hook: &BeforeEach("page", async |_: &Call<'_>| world.clock.pass(minutes(15))),
    };
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
    let away = Faults::always("mark_behind", Fate::Fails);
    let leads = Hooked { inner: &world.leads, hook: &away };
    let (swept, ended) = world.sweep_as(per_second(10), &*world.streams, &leads, &world.outside).await;
    assert_eq!(ended.unwrap_err().buyer, unmarkable);
    assert_eq!(changed_emails(&swept), ["quote-email abandoned"]);
    assert!(swept.left.contains_key("walk"), "{:?}", swept.left);
}

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
    let meanwhile = BeforeFirst::new("send quote-email", async || {
        assert!(world.sweep().await.is_under_way);
    });
    let outside = Hooked { inner: &world.outside, hook: &meanwhile };
    let swept = world.sweep_over(&*world.streams, &world.leads, &outside).await;
    assert_eq!((swept.emails.len(), world.outside.emails().len()), (1, 2), "tried again, and only once");
}

#[tokio::test]
async fn a_sweep_that_cannot_begin_or_end_reports_it() {
    for operation in ["begin", "end"] {
        let world = World::new();
        let away = Faults::always(operation, Fate::Fails);
        let leads = Hooked { inner: &world.leads, hook: &away };
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
    let away = Faults::always("end", Fate::Fails);
    let leads = Hooked { inner: &world.leads, hook: &away };
    let begun = world.clock.now();
    world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(world.tables().lease.unwrap().until, begun + minutes(15));
    world.clock.set(begun + minutes(15));
    assert!(world.sweep().await.is_under_way);
    world.clock.pass(jiff::SignedDuration::from_millis(1));
    assert!(!world.sweep().await.is_under_way);
}
