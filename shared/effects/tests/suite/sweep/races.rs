//! Facts recorded while a sweep works on an e-mail: it ends unsent only if the newest fact was judged.

use domain::Contact;
use effects::outside::Delivery;
use leads_store::Status;
use testkit::hooks::BeforeFirst;
use testkit::{Hooked, acceptance_withdrawn, accepted, contact, made, made_by, withdrawn};

use super::{changed_emails, minutes, throttled};
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
async fn an_email_is_not_superseded_if_its_lead_opens_meanwhile() {
    let world = throttled_once().await;
    world.record(&[accepted("car-1").v(2)]).await;
    world.advance().await;
    world.clock.pass(minutes(5));
    // The sweep has read a head that does not call for the e-mail. Before it writes, the lead opens, and a reactor
    // passes the entry.
    let meanwhile = BeforeFirst::new("settle quote-email", async || {
        world.record(&[acceptance_withdrawn("car-1").v(3)]).await;
        assert_eq!(world.advance().await.performed.last().unwrap(), "quote-email passed");
    });
    let leads = Hooked { inner: &world.leads, hook: &meanwhile };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!((changed_emails(&swept), world.ledger()["quote-email"]), (vec![], "retry"));
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email sent"], "still due");
}

#[tokio::test]
async fn an_email_is_not_abandoned_if_its_lead_opens_meanwhile() {
    let world = throttled_once().await;
    world.clock.pass(minutes(25 * 60));
    world.outside.deliver_as([throttled()]);
    let meanwhile = BeforeFirst::new("send quote-email", async || {
        world.record(&[accepted("car-1").v(2)]).await;
        world.record(&[acceptance_withdrawn("car-1").v(3)]).await;
        assert_eq!(world.advance().await.performed.last().unwrap(), "quote-email passed");
    });
    let outside = Hooked { inner: &world.outside, hook: &meanwhile };
    // The e-mail of the acceptance that was recorded and withdrawn in the meantime is not called for.
    let swept = world.sweep_over(&*world.streams, &world.leads, &outside).await;
    assert_eq!(changed_emails(&swept), ["quote-email retry"]);
    world.outside.deliver_as([throttled()]);
    assert_eq!(
        changed_emails(&world.sweep().await),
        ["quote-email retry"],
        "due at once, and its time starts again"
    );
    let entry = world.tables().ledger.into_values().find(|entry| entry.status == Status::Retry).unwrap();
    assert_eq!(entry.sequence.get(), 3);
}

#[tokio::test]
async fn an_email_is_not_rejected_if_its_lead_opens_for_another_address() {
    let bad = Contact { email: "bad@example.com".to_owned(), ..contact() };
    let world = World::new();
    world.record(&[made_by("car-1", bad)]).await;
    world.outside.deliver_as([throttled(), Delivery::Refused { reason: "MessageRejected".to_owned() }]);
    world.advance().await;
    world.clock.pass(minutes(5));
    let meanwhile = BeforeFirst::new("send quote-email", async || {
        world.record(&[withdrawn("car-1").v(2)]).await;
        world.record(&[made("car-2")]).await;
        assert_eq!(world.advance().await.performed.last().unwrap(), "quote-email passed");
    });
    let outside = Hooked { inner: &world.outside, hook: &meanwhile };
    let swept = world.sweep_over(&*world.streams, &world.leads, &outside).await;
    assert_eq!(changed_emails(&swept), ["quote-email retry"]);
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email sent"]);
    let to: Vec<String> = world.outside.emails().into_iter().map(|email| email.to).collect();
    assert_eq!(to, ["bad@example.com", "bad@example.com", testkit::leads::ADA]);
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
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email sent"]);
    assert_eq!(world.outside.emails().pop().unwrap().to, testkit::leads::ADA);
}

#[tokio::test]
async fn a_retry_is_not_claimed_at_a_head_that_has_moved() {
    let world = throttled_once().await;
    world.clock.pass(minutes(5));
    let meanwhile = BeforeFirst::new("claim quote-email", async || {
        world.record(&[withdrawn("car-1").v(2)]).await;
        world.advance().await;
    });
    let leads = Hooked { inner: &world.leads, hook: &meanwhile };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!((changed_emails(&swept), swept.failed.len()), (vec![], 0), "left to the next sweep");
    assert_eq!(world.emails().len(), 1);
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email superseded"]);
}

#[tokio::test]
async fn a_retry_taken_by_another_sweep_is_not_tried_twice() {
    let world = throttled_once().await;
    world.clock.pass(minutes(5));
    // This sweep's lease expires, and another sweep takes it over.
    let meanwhile = BeforeFirst::new("claim quote-email", async || {
        world.clock.pass(minutes(20));
        assert_eq!(changed_emails(&world.sweep().await), ["quote-email sent"]);
        world.clock.set(testkit::at("10:05:00"));
    });
    let leads = Hooked { inner: &world.leads, hook: &meanwhile };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(changed_emails(&swept), [""; 0]);
    assert_eq!(world.emails().len(), 2, "one attempt at each time");
}
