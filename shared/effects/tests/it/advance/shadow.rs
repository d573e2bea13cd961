//! In shadow the former system performs the effects; the cursor moves past them without recording anything about them.

use std::collections::BTreeMap;

use domain::{Fact, FormerLeadId, Known};
use event_store::{Appended, Appending, EventStore as _, load};
use platform::clock::Clock as _;
use testkit::{accepted, made, offer};

use crate::world::{World, settled};

/// Records one commit, which is in shadow unless a handover is or was among the facts.
async fn record(world: &World, facts: impl IntoIterator<Item = Fact>) {
    let mut appending = Appending::onto(load(&*world.streams, &world.buyer).await.unwrap());
    for fact in facts {
        appending.take(fact);
    }
    let (commit, _) = appending.commit(&world.buyer, world.clock.now()).unwrap();
    assert_eq!(world.streams.append(&commit).await.unwrap(), Appended::Written);
}

/// The handover answer of a former system with the offers recorded so far, a low lead and a high lead for car-1.
async fn handed_over(world: &World, low: Option<&str>, high: Option<&str>) -> Fact {
    let mut offers: BTreeMap<_, _> = load(&*world.streams, &world.buyer).await.unwrap().state.offers.into();
    let lead = |name: &str| FormerLeadId::parse(name).unwrap();
    if let Some(known) = offers.get_mut(&offer("car-1")) {
        known.former_lead = high.map(lead);
    }
    Fact::HandedOver(Box::new(Known { offers, low_lead: low.map(lead), was_invited: true }))
}

#[tokio::test]
async fn in_shadow_nothing_is_sent_and_only_the_cursor_is_written() {
    let world = World::new();
    record(&world, [made("car-1").into()]).await;
    assert_eq!(world.advance().await, settled(1, &[]));
    assert_eq!((world.emails(), world.sales()), (Vec::new(), Vec::new()));
    assert!(world.ledger().is_empty() && world.open_leads().is_empty());
    assert_eq!(world.advance().await, settled(1, &[]));
}

#[tokio::test]
async fn after_a_handover_only_the_difference_to_the_answer_is_performed() {
    let world = World::new();
    record(&world, [made("car-1").into()]).await;
    world.advance().await;
    let answer = handed_over(&world, Some("L-1"), None).await;
    record(&world, [accepted("car-1").v(2).into(), answer]).await;
    let performed = ["closed/L-1 sent", "opened/high/car-1/2 sent", "accepted-email/car-1/2 sent"];
    assert_eq!(world.advance().await, settled(3, &performed));
    assert_eq!(world.sales(), ["closed/L-1", "opened/high/car-1/2"]);
    assert_eq!(world.emails(), ["accepted-email/car-1/2"]);
    assert_eq!(world.open_leads(), ["high/car-1/2"]);
}

#[tokio::test]
async fn an_email_decided_in_shadow_is_sent_if_the_former_system_did_not() {
    let world = World::new();
    record(&world, [made("car-1").into(), accepted("car-1").v(2).into()]).await;
    world.advance().await;
    record(&world, [Fact::HandedOver(Box::default())]).await;
    let performed = ["quote/car-1 sent", "opened/high/car-1/2 sent", "accepted-email/car-1/2 sent"];
    assert_eq!(world.advance().await, settled(3, &performed));
}

#[tokio::test]
async fn a_live_commit_after_a_shadow_commit_is_performed_in_the_same_look() {
    let world = World::new();
    record(&world, [made("car-1").into(), accepted("car-1").v(2).into()]).await;
    let answer = handed_over(&world, None, Some("H-1")).await;
    record(&world, [made("car-2").into(), answer]).await;
    assert_eq!(world.advance().await, settled(4, &["quote/car-2 sent"]));
    record(&world, [testkit::withdrawn("car-1").v(3).into()]).await;
    world.advance().await;
    assert_eq!(world.sales(), ["quote/car-2", "closed/H-1", "opened/low/5"]);
}
