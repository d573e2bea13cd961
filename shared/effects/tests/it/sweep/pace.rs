//! Pages, shares and the pace of mails: everything that is due is worked off, and nothing starves.

use contract::stored::shard_of;
use domain::{BuyerId, Sequence};
use effects::outside::Delivery;
use leads_store::{Behind, Cursors as _, Held, HeldAtHead, Progress, Status, WorkKind};
use platform::clock::{Clock as _, Sleep as _};
use testkit::{buyer, made};

use super::{minutes, per_second, throttled};
use crate::around::{Watched, With};
use crate::world::{World, at, record};

/// So many buyers' names in the same shard.
fn neighbours(count: usize) -> impl Iterator<Item = String> {
    let names = (0..).map(|number| format!("neighbour-{number}"));
    names.filter(|name| shard_of(&buyer(name), 4) == 0).take(count)
}

fn paused() -> Delivery {
    Delivery::Paused { reason: "SendingPausedException".to_owned() }
}

#[tokio::test]
async fn more_mails_of_one_shard_than_a_page_takes_are_sent_in_one_sweep() {
    let world = World::new();
    world.invite(neighbours(350), throttled()).await;
    world.clock.pass(minutes(5));
    let swept = world.sweep().await;
    assert_eq!((swept.emails.len(), world.count(Status::Sent)), (350, 350));
    assert_eq!((swept.left.len(), &swept.open[&WorkKind::Email]), (0, &0));
}

#[tokio::test]
async fn mails_leave_at_the_pace_that_was_set_and_no_faster() {
    for (rate, seconds) in [(1, 199), (10, 19), (100, 1)] {
        let world = World::new();
        world.invite((0..200).map(|number| format!("buyer-{number}")), throttled()).await;
        world.clock.pass(minutes(5));
        let began = world.clock.now();
        let (swept, ended) =
            world.sweep_as(per_second(rate), &*world.streams, &world.leads, &world.outside).await;
        ended.unwrap();
        assert_eq!(swept.emails.len(), 200);
        assert_eq!(world.clock.now().duration_since(began).as_secs(), seconds, "{rate} a second");
    }
}

#[tokio::test]
async fn mails_without_time_are_left_and_reported_and_sent_by_the_next_sweep() {
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
    // A quarter of an hour less what an attempt may take, and the end of the sweep.
    assert_eq!(sent, [858, 142]);
    assert_eq!(world.outside.emails().len(), 2000, "each once more");
}

#[tokio::test]
async fn once_ses_is_paused_no_further_mail_is_tried_in_that_sweep() {
    let world = World::new();
    world.invite((0..200).map(|number| format!("buyer-{number}")), throttled()).await;
    for sweep in 1..=3 {
        world.clock.pass(minutes(5));
        world.outside.deliver_as([paused()]);
        let swept = world.sweep().await;
        assert_eq!(world.outside.emails().len(), 200 + sweep, "one is tried");
        assert_eq!(swept.emails.len(), 1);
        assert_eq!(swept.left["email"], "SES takes no mail now: SendingPausedException");
        assert_eq!(world.count(Status::Retry), 200);
    }
    world.clock.pass(minutes(5));
    assert_eq!(world.sweep().await.left.len(), 0);
    assert_eq!(world.count(Status::Sent), 200);
}

#[tokio::test]
async fn a_throttled_mail_is_no_reason_to_stop_the_others() {
    let world = World::new();
    world.invite((0..50).map(|number| format!("buyer-{number}")), throttled()).await;
    world.clock.pass(minutes(5));
    world.outside.deliver_as(std::iter::repeat_n(throttled(), 20));
    let swept = world.sweep().await;
    assert_eq!((swept.emails.len(), swept.left.len()), (50, 0));
    assert_eq!((world.count(Status::Retry), world.count(Status::Sent)), (20, 30));
}

#[tokio::test]
async fn mails_that_take_all_the_time_starve_no_other_share() {
    let world = World::new();
    // Begun before there was anything: no second walk is due.
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
    assert!(world.count(Status::Retry) > 100, "the mails took all the time");
    let mut advanced: Vec<&BuyerId> = swept.advanced.iter().map(|(buyer, _)| buyer).collect();
    advanced.sort();
    assert_eq!(advanced, [&behind, &unrung]);
    let held: Vec<&BuyerId> = swept.held.iter().map(|(buyer, _)| buyer).collect();
    assert_eq!(held, [&gap]);
    assert_eq!(swept.left.keys().collect::<Vec<_>>(), [&"email"]);
}

#[tokio::test]
async fn buyers_that_take_all_the_time_starve_no_mail() {
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
    // The streams of those behind take five minutes each.
    let slow = With {
        inner: &*world.streams,
        around: &Watched(async |of: &BuyerId| {
            if of.as_str().starts_with("behind") {
                world.clock.sleep(std::time::Duration::from_mins(5)).await;
            }
        }),
    };
    let swept = world.sweep_over(&slow, &world.leads, &world.outside).await;
    assert_eq!(swept.left["behind"], "the invocation's time is up");
    assert_eq!(world.count(Status::Sent), 20, "{:?}", swept.left);
}
