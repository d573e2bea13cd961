//! Buyers behind are advanced when due; their e-mails are left to the share of e-mails.

use domain::Sequence;
use leads_store::{Behind, Cursors as _};
use platform::clock::Clock as _;
use testkit::{buyer, made};

use super::{changed_emails, minutes};
use crate::around::{Watched, With};
use crate::world::{Seen, World, record};

#[tokio::test]
async fn a_buyer_behind_is_advanced_when_due_and_not_before() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.refuse_sales(1);
    assert!(world.advance().await.behind.is_some());
    assert_eq!(world.advanced().await, 0, "not due");
    world.clock.pass(minutes(1));
    assert_eq!(world.advanced().await, 1);
    assert_eq!(world.leads.cursor(&world.buyer).await.unwrap().behind, None);
    assert_eq!(world.emails(), ["quote-email"]);
}

#[tokio::test]
async fn a_buyer_that_stays_behind_is_swept_at_growing_intervals() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    let mut waits = Vec::new();
    for _ in 0..7 {
        world.outside.refuse_sales(1);
        world.sweep().await;
        if world.leads.cursor(&world.buyer).await.unwrap().behind.is_none() {
            world.outside.refuse_sales(1);
            world.advance().await;
        }
        let due = world.leads.cursor(&world.buyer).await.unwrap().behind.unwrap().not_before;
        waits.push(due.duration_since(world.clock.now()).as_mins());
        world.clock.set(due);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 16, 16]);
}

#[tokio::test]
async fn the_email_of_a_buyer_behind_is_parked_and_sent_by_the_same_sweep() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.refuse_sales(1);
    world.advance().await;
    world.clock.pass(minutes(1));
    let swept = world.sweep().await;
    let advanced = Seen::of(&swept.advanced[0].1);
    assert_eq!(advanced.performed, ["quote/car-1 sent", "opened/low/1 sent", "quote-email retry"]);
    assert_eq!(changed_emails(&swept), ["quote-email sent"]);
    let entry = world.tables().ledger.into_values().next().unwrap();
    assert_eq!((entry.status.name(), entry.first_tried_at), ("sent", Some(world.clock.now())));
    assert_eq!(world.emails(), ["quote-email"]);
    assert_eq!((swept.left.len(), swept.open.values().sum::<u64>()), (0, 0));
}

#[tokio::test]
async fn a_buyer_that_causes_panics_is_behind_and_delays_no_other() {
    let world = World::new();
    // The first sweep ever makes a second walk at once.
    world.sweep().await;
    for name in ["ada", "bob", "cem"] {
        record(&*world.streams, &buyer(name), &[made("car-1")], world.clock.now()).await;
        world.clock.pass(minutes(1));
    }
    world.clock.pass(minutes(3));
    let faulty = With {
        inner: &*world.streams,
        around: &Watched(async |of: &domain::BuyerId| {
            assert_ne!(*of, buyer("bob"), "an injected fault");
        }),
    };
    let sweep = async || {
        let began = world.clock.now();
        let swept = world.sweep_over(&faulty, &world.leads, &world.outside).await;
        assert_eq!(swept.left.len(), 0, "{:?}", swept.left);
        began
    };
    let mut began = sweep().await;
    assert_eq!(world.outside.emails().len(), 2, "ada and cem");
    for (waits, attempts) in [(1, 1), (2, 2), (4, 3)] {
        let behind = world.leads.cursor(&buyer("bob")).await.unwrap().behind.unwrap();
        assert_eq!((behind.reason.as_str(), behind.attempts), ("a panic", attempts));
        assert_eq!(behind.not_before.duration_since(began).as_mins(), waits, "the waits double");
        world.clock.set(behind.not_before);
        began = sweep().await;
    }
}

#[tokio::test]
async fn a_buyer_found_by_two_shares_is_advanced_by_one() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    let (mark, reason) = ("first".to_owned(), "test".to_owned());
    let behind = Behind { mark, reason, attempts: 1, not_before: world.clock.now() };
    world.leads.mark_behind(&world.buyer, &behind).await.unwrap();
    world.clock.pass(minutes(3));
    // Each share yields to the others after it has read the cursor.
    let yields = With {
        inner: &*world.streams,
        around: &Watched(async |_: &domain::BuyerId| tokio::task::yield_now().await),
    };
    let swept = world.sweep_over(&yields, &world.leads, &world.outside).await;
    assert_eq!(swept.advanced.len(), 1);
    assert_eq!(world.sales(), ["quote/car-1", "opened/low/1"], "each message once");
    assert_eq!(world.leads.cursor(&world.buyer).await.unwrap().through, Sequence::new(1));
}
