//! Effects of commits that another system acts upon are settled and never performed, also not later.

use domain::Event;
use event_store::surroundings::Surroundings as _;
use event_store::{Appended, Appending, EventStore as _, Performing, load};
use testkit::{acceptance_withdrawn, accepted, made};

use crate::world::{World, settled};

async fn record(world: &World, event: Event, performing: Performing) {
    let mut appending = Appending::onto(load(&*world.streams, &world.buyer).await.unwrap());
    appending.take(event.into());
    let (commit, _) = appending.commit(&world.buyer, performing, world.clock.now()).unwrap();
    assert_eq!(world.streams.append(&commit).await.unwrap(), Appended::Written);
}

#[tokio::test]
async fn in_shadow_nothing_goes_out_and_everything_is_settled() {
    let world = World::new();
    record(&world, made("car-1"), Performing::Shadow).await;
    let performed = ["quote/car-1 suppressed", "opened/low/1 suppressed", "quote-email suppressed"];
    assert_eq!(world.advance().await, settled(1, &performed));
    assert_eq!((world.emails(), world.sales()), (Vec::new(), Vec::new()));
    assert_eq!(world.ledger().into_iter().collect::<Vec<_>>(), [("quote-email".to_owned(), "suppressed")]);
    assert_eq!(world.open_leads(), ["low/1"], "another system has told of it");
    assert_eq!(world.advance().await, settled(1, &[]));
}

#[tokio::test]
async fn going_live_repeats_nothing_and_performs_what_comes_then() {
    let world = World::new();
    record(&world, made("car-1"), Performing::Shadow).await;
    world.advance().await;
    record(&world, accepted("car-1").v(2), Performing::Live).await;
    let performed = ["closed/low/1 sent", "opened/high/car-1/2 sent", "accepted-email/car-1/2 sent"];
    assert_eq!(world.advance().await, settled(2, &performed));
    record(&world, acceptance_withdrawn("car-1").v(3), Performing::Live).await;
    // The invitation is one for ever, and the other system sent it.
    let performed = ["closed/high/car-1/2 sent", "opened/low/3 sent", "quote-email suppressed"];
    assert_eq!(world.advance().await, settled(3, &performed));
    assert_eq!(world.emails(), ["accepted-email/car-1/2"]);
}

#[tokio::test]
async fn a_live_commit_behind_a_shadow_one_is_performed_in_the_same_look() {
    let world = World::new();
    record(&world, made("car-1"), Performing::Shadow).await;
    record(&world, made("car-2"), Performing::Live).await;
    let performed =
        ["quote/car-1 suppressed", "opened/low/1 suppressed", "quote-email suppressed", "quote/car-2 sent"];
    assert_eq!(world.advance().await, settled(2, &performed));
    assert_eq!(world.sales(), ["quote/car-2"]);
}
