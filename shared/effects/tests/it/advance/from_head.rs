//! A claim takes address and sequence number from the head, not from the effect. An e-mail ends unsent only if the head
//! that was judged is still the newest.

use domain::{Contact, Event, Sequence};
use effects::outside::Delivery;
use leads_store::{AddressDigest, Status};
use testkit::{contact, made, made_by, withdrawn};

use crate::around::{Away, Before, With};
use crate::attempts::ADA;
use crate::world::{Seen, World, at};

/// An address that SES refuses.
const BAD: &str = "bad@example.com";

/// An offer whose contact has the address that SES refuses.
fn made_for_bad(name: &str) -> Event {
    made_by(name, Contact { email: BAD.to_owned(), ..contact() })
}

fn refused() -> Delivery {
    Delivery::Refused { reason: "MessageRejected".to_owned() }
}

#[tokio::test]
async fn the_claim_uses_the_address_at_the_head() {
    let world = World::new();
    world.record(&[made_for_bad("car-1")]).await;
    world.record(&[withdrawn("car-1").v(2)]).await;
    world.record(&[made("car-2")]).await;
    let seen = world.advance().await;
    assert_eq!((seen.through, seen.behind), (3, None));
    let to: Vec<String> = world.outside.emails().into_iter().map(|email| email.to).collect();
    assert_eq!(to, [ADA]);
    let entry = world.tables().ledger.into_values().next().unwrap();
    assert_eq!(
        (entry.status, entry.sequence, entry.address),
        (Status::Sent, Sequence::new(3), AddressDigest::of(ADA))
    );
}

#[tokio::test]
async fn a_rejection_overtaken_by_a_later_opening_is_retried_at_once() {
    let world = World::new();
    world.record(&[made_for_bad("car-1")]).await;
    world.outside.deliver_as([refused()]);
    // During the attempt, the lead closes and opens for another address, and another reactor passes the entry.
    let meanwhile = Before::once("send quote-email", async || {
        world.record(&[withdrawn("car-1").v(2)]).await;
        world.record(&[made("car-2")]).await;
        let seen = world.advance().await;
        assert_eq!((seen.through, seen.behind), (3, None));
        assert_eq!(seen.performed.last().unwrap(), "quote-email passed");
    });
    let outside = With { inner: &world.outside, around: &meanwhile };
    let advanced = world.advance_over(&*world.streams, &world.leads, &outside).await;
    assert_eq!(Seen::of(&advanced).performed.last().unwrap(), "quote-email retry");
    let entry = world.tables().ledger.into_values().next().unwrap();
    assert_eq!(
        (entry.status, entry.due, entry.reason.as_deref(), entry.is_unsent),
        (Status::Retry, Some(at("10:00:00")), Some("MessageRejected"), true)
    );
}

#[tokio::test]
async fn a_rejection_at_an_unchanged_head_is_final() {
    let world = World::new();
    world.record(&[made_for_bad("car-1")]).await;
    world.outside.deliver_as([refused()]);
    world.advance().await;
    assert_eq!(world.ledger()["quote-email"], "rejected");
}

#[tokio::test]
async fn other_answers_of_ses_are_recorded_even_if_the_head_moved() {
    for (delivery, status) in [
        (Delivery::Accepted { message_id: "mail-1".to_owned() }, "sent"),
        (Delivery::Unknown { reason: "timed out".to_owned() }, "unknown"),
        (Delivery::NotSent { reason: "Throttling".to_owned() }, "retry"),
    ] {
        let world = World::new();
        world.record(&[made("car-1")]).await;
        world.outside.deliver_as([delivery]);
        let meanwhile = Before::once("send quote-email", async || {
            world.record(&[made("car-2")]).await;
        });
        let outside = With { inner: &world.outside, around: &meanwhile };
        let advanced = world.advance_over(&*world.streams, &world.leads, &outside).await;
        assert_eq!(advanced.behind, None);
        assert_eq!(world.ledger()["quote-email"], status);
    }
}

#[tokio::test]
async fn a_failed_settling_stops_nothing() {
    let world = World::new();
    world.record(&[made("car-1"), made("car-2")]).await;
    let away = Away("settle quote-email");
    let leads = With { inner: &world.leads, around: &away };
    let advanced = world.advance_over(&*world.streams, &leads, &world.outside).await;
    let seen = Seen::of(&advanced);
    assert_eq!((seen.through, seen.behind), (2, None));
    assert_eq!(seen.performed.last().unwrap(), "quote-email unknown");
    assert_eq!(world.ledger()["quote-email"], "sending", "its claim will expire");
}

#[tokio::test]
async fn a_failed_claim_leaves_the_buyer_behind() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    let away = Away("claim quote-email");
    let leads = With { inner: &world.leads, around: &away };
    let advanced = world.advance_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(
        (advanced.through.get(), advanced.behind.as_deref()),
        (0, Some("the leads table did not answer claim for buyer-7: lost"))
    );
    assert_eq!((world.emails(), world.ledger().len()), (vec![], 0));
}
