//! What is recorded while a sweep is at a mail: an ending without a mail judges the last fact, or is not written.

use domain::Contact;
use effects::outside::Delivery;
use leads_store::Status;
use testkit::{acceptance_withdrawn, accepted, contact, made, made_by, withdrawn};

use super::{minutes, throttled, told};
use crate::around::{Before, With};
use crate::world::World;

/// A buyer whose invitation was throttled.
async fn throttled_once() -> World {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([throttled()]);
    world.advance().await;
    world
}

#[tokio::test]
async fn a_mail_is_not_superseded_once_its_lead_has_opened_again() {
    let world = throttled_once().await;
    world.record(&[accepted("car-1").v(2)]).await;
    world.advance().await;
    world.clock.pass(minutes(5));
    // The sweep has read that nothing calls for it; before it writes so, the lead opens, and a reactor passes the entry.
    let meanwhile = Before::once("settle quote-email", async || {
        world.record(&[acceptance_withdrawn("car-1").v(3)]).await;
        assert_eq!(world.advance().await.performed.last().unwrap(), "quote-email passed");
    });
    let leads = With { inner: &world.leads, around: &meanwhile };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!((told(&swept), world.ledger()["quote-email"]), (vec![], "retry"));
    assert_eq!(told(&world.sweep().await), ["quote-email sent"], "still due");
}

#[tokio::test]
async fn a_mail_is_not_given_up_once_its_lead_has_opened_again() {
    let world = throttled_once().await;
    world.clock.pass(minutes(25 * 60));
    world.outside.deliver_as([throttled()]);
    let meanwhile = Before::once("send quote-email", async || {
        world.record(&[accepted("car-1").v(2)]).await;
        world.record(&[acceptance_withdrawn("car-1").v(3)]).await;
        assert_eq!(world.advance().await.performed.last().unwrap(), "quote-email passed");
    });
    let outside = With { inner: &world.outside, around: &meanwhile };
    // The other mail of the lead that opened and closed meanwhile is not called for.
    let swept = world.sweep_over(&*world.streams, &world.leads, &outside).await;
    assert_eq!(told(&swept), ["quote-email retry"]);
    world.outside.deliver_as([throttled()]);
    assert_eq!(told(&world.sweep().await), ["quote-email retry"], "due at once, and its time begins anew");
    let entry = world.tables().ledger.into_values().find(|entry| entry.status == Status::Retry).unwrap();
    assert_eq!(entry.sequence.get(), 3);
}

#[tokio::test]
async fn a_mail_is_not_rejected_once_its_lead_has_opened_for_another_address() {
    let bad = Contact { email: "bad@example.com".to_owned(), ..contact() };
    let world = World::new();
    world.record(&[made_by("car-1", bad)]).await;
    world.outside.deliver_as([throttled(), Delivery::Refused { reason: "MessageRejected".to_owned() }]);
    world.advance().await;
    world.clock.pass(minutes(5));
    let meanwhile = Before::once("send quote-email", async || {
        world.record(&[withdrawn("car-1").v(2)]).await;
        world.record(&[made("car-2")]).await;
        assert_eq!(world.advance().await.performed.last().unwrap(), "quote-email passed");
    });
    let outside = With { inner: &world.outside, around: &meanwhile };
    let swept = world.sweep_over(&*world.streams, &world.leads, &outside).await;
    assert_eq!(told(&swept), ["quote-email retry"]);
    assert_eq!(told(&world.sweep().await), ["quote-email sent"]);
    let to: Vec<String> = world.outside.emails().into_iter().map(|email| email.to).collect();
    assert_eq!(to, ["bad@example.com", "bad@example.com", crate::attempts::ADA]);
}

#[tokio::test]
async fn a_retry_is_claimed_with_the_address_at_the_head() {
    let bad = Contact { email: "bad@example.com".to_owned(), ..contact() };
    let world = World::new();
    world.record(&[made_by("car-1", bad)]).await;
    world.outside.deliver_as([throttled()]);
    world.advance().await;
    world.record(&[withdrawn("car-1").v(2)]).await;
    world.record(&[made("car-2")]).await;
    world.advance().await;
    world.clock.pass(minutes(5));
    assert_eq!(told(&world.sweep().await), ["quote-email sent"]);
    assert_eq!(world.outside.emails().pop().unwrap().to, crate::attempts::ADA);
}

#[tokio::test]
async fn a_retry_is_not_claimed_at_a_head_that_has_moved() {
    let world = throttled_once().await;
    world.clock.pass(minutes(5));
    let meanwhile = Before::once("claim quote-email", async || {
        world.record(&[withdrawn("car-1").v(2)]).await;
        world.advance().await;
    });
    let leads = With { inner: &world.leads, around: &meanwhile };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!((told(&swept), swept.failed.len()), (vec![], 0), "left to the next sweep");
    assert_eq!(world.emails().len(), 1);
    assert_eq!(told(&world.sweep().await), ["quote-email superseded"]);
}

#[tokio::test]
async fn a_retry_that_another_sweep_has_taken_is_not_tried_twice() {
    let world = throttled_once().await;
    world.clock.pass(minutes(5));
    // A sweep whose lease was taken from it.
    let meanwhile = Before::once("claim quote-email", async || {
        world.clock.pass(minutes(20));
        assert_eq!(told(&world.sweep().await), ["quote-email sent"]);
        world.clock.set(crate::world::at("10:05:00"));
    });
    let leads = With { inner: &world.leads, around: &meanwhile };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(told(&swept), [""; 0]);
    assert_eq!(world.emails().len(), 2, "one attempt each time");
}
