//! How a sweep ends that cannot do everything, and how the next one goes on.

use domain::BuyerId;
use effects::leads::{Behind, Cursors as _};
use effects::outside::Delivery;
use event_store::surroundings::Surroundings as _;
use testkit::{buyer, made};

use super::walks::Watched;
use super::{minutes, per_second, told};
use crate::around::{Away, With};
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
    let takes_long = Watched(&world.streams, async |_: &BuyerId| world.clock.pass(minutes(1)));
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
    let takes_all = Watched(&world.streams, async |_: &BuyerId| world.clock.pass(minutes(15)));
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
