//! Pages, shares and the pace of e-mails: all due work is done, and no share starves.

use contract::stored::shard_of;
use domain::{BuyerId, Sequence};
use effects::outside::Delivery;
use leads_store::{Behind, Held, HeldAtHead, LeadsStore as _, Progress, Status, WorkKind};
use platform::clock::{Clock as _, Sleep as _};
use testkit::hooks::{BeforeEach, Call};
use testkit::leads::record;
use testkit::{Hooked, at, buyer, made};

use super::{minutes, per_second, throttled};
use crate::world::World;

/// The ids of `count` buyers in the same shard.
fn neighbours(count: usize) -> impl Iterator<Item = String> {
    let names = (0..).map(|number| format!("neighbour-{number}"));
    names.filter(|name| shard_of(&buyer(name), 4) == 0).take(count)
}

fn paused() -> Delivery {
    Delivery::Paused { reason: "SendingPausedException".to_owned() }
}

#[tokio::test]
async fn several_pages_of_emails_in_one_shard_are_sent_in_one_sweep() {
    let world = World::new();
    world.invite(neighbours(350), throttled()).await;
    world.clock.pass(minutes(5));
    let swept = world.sweep().await;
    assert_eq!((swept.emails.len(), world.count(Status::Sent)), (350, 350));
    assert_eq!((swept.left.len(), &swept.open[&WorkKind::Email]), (0, &0));
}

#[tokio::test]
async fn emails_are_sent_at_the_configured_pace() {
    for (rate, seconds) in [(1, 199), (10, 19), (100, 1)] {
        let world = World::new();
        world.invite((0..200).map(|number| format!("buyer-{number}")), throttled()).await;
        world.clock.pass(minutes(5));
        let began = world.clock.now();
        let (swept, ended) =
            world.sweep_as(per_second(rate), &*world.streams, &world.leads, &world.outside).await;
        ended.unwrap();
        assert_eq!(swept.emails.len(), 200);
        assert_eq!(world.clock.now().duration_since(began).as_secs(), seconds, "{rate} per second");
    }
}

#[tokio::test]
async fn emails_left_for_lack_of_time_are_sent_by_the_next_sweep() {
    let world = World::new();
    world.invite((0..1000).map(|number| format!("buyer-{number}")), throttled()).await;
    world.clock.pass(minutes(5));
    let mut sent = Vec::new();
    while world.count(Status::Retry) > 0 {
        let (swept, ended) =
            world.sweep_as(per_second(1), &*world.streams, &world.leads, &world.outside).await;
        ended.unwrap();
        let is_left = swept.left.get("email").map(String::as_str) == Some("the invocation's time is up");
        assert_eq!(is_left, world.count(Status::Retry) > 0, "{:?}", swept.left);
        sent.push(swept.emails.len());
    }
    // 15 minutes minus the time of an attempt and that of the sweep's end, at one e-mail per second.
    assert_eq!(sent, [858, 142]);
    assert_eq!(world.outside.emails().len(), 2000, "each tried once more");
}

#[tokio::test]
async fn after_a_pause_no_more_emails_are_tried_in_that_sweep() {
    let world = World::new();
    world.invite((0..200).map(|number| format!("buyer-{number}")), throttled()).await;
    for sweep in 1..=3 {
        world.clock.pass(minutes(5));
        world.outside.deliver_as([paused()]);
        let swept = world.sweep().await;
        assert_eq!(world.outside.emails().len(), 200 + sweep, "one attempt");
        assert_eq!(swept.emails.len(), 1);
        assert_eq!(swept.left["email"], "SES accepts no e-mail now: SendingPausedException");
        assert_eq!(world.count(Status::Retry), 200);
    }
    world.clock.pass(minutes(5));
    assert_eq!(world.sweep().await.left.len(), 0);
    assert_eq!(world.count(Status::Sent), 200);
}

#[tokio::test]
async fn a_throttled_email_does_not_stop_the_others() {
    let world = World::new();
    world.invite((0..50).map(|number| format!("buyer-{number}")), throttled()).await;
    world.clock.pass(minutes(5));
    world.outside.deliver_as(std::iter::repeat_n(throttled(), 20));
    let swept = world.sweep().await;
    assert_eq!((swept.emails.len(), swept.left.len()), (50, 0));
    assert_eq!((world.count(Status::Retry), world.count(Status::Sent)), (20, 30));
}

#[tokio::test]
async fn emails_that_take_all_the_time_starve_no_other_share() {
    let world = World::new();
    // The first sweep runs before anything is recorded, so no second walk is due later.
    world.sweep().await;
    world.invite((0..1000).map(|number| format!("buyer-{number}")), throttled()).await;
    let [behind, gap, unrung] = ["behind", "gap", "unrung"].map(buyer);
    record(&*world.streams, &behind, &[made("car-1")], world.clock.now()).await;
    let other = Behind {
        mark: "mark".to_owned(),
        reason: "test".to_owned(),
        attempts: 1,
        not_before: world.clock.now(),
    };
    world.leads.mark_behind(&behind, &other).await.unwrap();
    record(&*world.streams, &gap, &[testkit::accepted("car-1").v(2)], world.clock.now()).await;
    record(&*world.streams, &unrung, &[made("car-1")], world.clock.now()).await;
    let oldest = Some(Held { sequence: Sequence::new(1), since: at("10:00:00"), due: at("10:00:00") });
    let held = Some(HeldAtHead { oldest, is_known: false });
    let progress = Progress { through: Sequence::new(1), held, ..Progress::default() };
    world.leads.move_cursor(&gap, &progress, None).await.unwrap();
    world.clock.pass(minutes(5));

    let (swept, ended) = world.sweep_as(per_second(1), &*world.streams, &world.leads, &world.outside).await;
    ended.unwrap();
    assert!(world.count(Status::Retry) > 100, "the e-mails took all the time");
    let mut advanced: Vec<&BuyerId> = swept.advanced.iter().map(|(buyer, _)| buyer).collect();
    advanced.sort();
    assert_eq!(advanced, [&behind, &unrung]);
    let held: Vec<&BuyerId> = swept.held.iter().map(|(buyer, _)| buyer).collect();
    assert_eq!(held, [&gap]);
    assert_eq!(swept.left.keys().collect::<Vec<_>>(), [&"email"]);
}

#[tokio::test]
async fn buyers_that_take_all_the_time_starve_no_email() {
    let world = World::new();
    world.sweep().await;
    world.invite((0..20).map(|number| format!("buyer-{number}")), throttled()).await;
    for number in 0..60 {
        let name = buyer(&format!("behind-{number}"));
        let (mark, reason) = ("mark".to_owned(), "test".to_owned());
        let behind = Behind { mark, reason, attempts: 1, not_before: world.clock.now() };
        world.leads.mark_behind(&name, &behind).await.unwrap();
    }
    world.clock.pass(minutes(5));
    // Reading the stream of a buyer behind takes five minutes.
    let slow = Hooked {
        inner: &*world.streams,
        hook: &BeforeEach("page", async |call: &Call<'_>| {
            if call.buyer.starts_with("behind") {
                world.clock.sleep(std::time::Duration::from_mins(5)).await;
            }
        }),
    };
    let swept = world.sweep_over(&slow, &world.leads, &world.outside).await;
    assert_eq!(swept.left["behind"], "the invocation's time is up");
    assert_eq!(world.count(Status::Sent), 20, "{:?}", swept.left);
}
