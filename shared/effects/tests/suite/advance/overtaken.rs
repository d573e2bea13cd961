//! Effects that a later fact has overtaken are superseded, whether it was recorded before the look or during a claim. A
//! claim takes address and sequence number from the head, not from the effect. An e-mail ends unsent only if the head
//! that was judged is still the newest.

use std::cell::{Cell, RefCell};

use domain::{Contact, Event, Sequence};
use effects::outside::Delivery;
use leads_store::{AddressDigest, Status};
use testkit::hooks::{BeforeEach, BeforeFirst, Call, Fate, Faults};
use testkit::leads::{ADA, record};
use testkit::{Hooked, acceptance_withdrawn, accepted, at, contact, made, made_by, withdrawn};

use crate::world::{Seen, World, behind, settled};

#[tokio::test]
async fn a_withdrawn_acceptance_sends_no_email_but_closings_are_announced() {
    let world = World::given(&[made("car-1")]).await;
    world.record(&[accepted("car-1").v(2)]).await;
    world.record(&[acceptance_withdrawn("car-1").v(3)]).await;

    let performed = [
        "closed/low/1 sent",
        "opened/high/car-1/2 superseded",
        "accepted-email/car-1/2 superseded",
        "closed/high/car-1/2 sent",
        "opened/low/3 sent",
        "quote-email already-sent",
    ];
    assert_eq!(world.advance().await, settled(3, &performed));
    assert_eq!(world.emails(), ["quote-email"]);
    assert_eq!(
        world.sales(),
        ["quote/car-1", "opened/low/1", "closed/low/1", "closed/high/car-1/2", "opened/low/3"]
    );
    assert_eq!(
        world.settled(),
        [
            "2 accepted-email/car-1/2 superseded",
            "2 opened/high/car-1/2 superseded",
            "3 quote-email already-sent"
        ]
    );
    assert_eq!(world.open_leads(), ["low/3"]);
}

#[tokio::test]
async fn a_quote_request_for_a_closed_offer_is_superseded() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.record(&[withdrawn("car-1").v(2)]).await;

    let performed =
        ["quote/car-1 superseded", "opened/low/1 superseded", "quote-email superseded", "closed/low/1 sent"];
    assert_eq!(world.advance().await, settled(2, &performed));
    assert_eq!(world.sales(), ["closed/low/1"]);
    assert_eq!(world.open_leads(), Vec::<String>::new());
}

#[tokio::test]
async fn a_superseded_invitation_is_sent_when_a_low_lead_opens_again() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.record(&[accepted("car-1").v(2)]).await;
    let performed = [
        "quote/car-1 sent",
        "opened/low/1 superseded",
        "quote-email superseded",
        "closed/low/1 sent",
        "opened/high/car-1/2 sent",
        "accepted-email/car-1/2 sent",
    ];
    assert_eq!(world.advance().await, settled(2, &performed));
    assert_eq!(world.emails(), ["accepted-email/car-1/2"]);

    world.record(&[acceptance_withdrawn("car-1").v(3)]).await;
    let performed = ["closed/high/car-1/2 sent", "opened/low/3 sent", "quote-email sent"];
    assert_eq!(world.advance().await, settled(3, &performed));
    assert_eq!(world.emails(), ["accepted-email/car-1/2", "quote-email"]);
}

#[tokio::test]
async fn an_invitation_is_sent_for_any_low_lead_at_the_head() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.record(&[accepted("car-1").v(2)]).await;
    world.record(&[acceptance_withdrawn("car-1").v(3)]).await;

    let performed = [
        "quote/car-1 sent",
        "opened/low/1 superseded",
        "quote-email sent",
        "closed/low/1 sent",
        "opened/high/car-1/2 superseded",
        "accepted-email/car-1/2 superseded",
        "closed/high/car-1/2 sent",
        "opened/low/3 sent",
        // The same e-mail, which was claimed as the head calls for it, at sequence number 3.
        "quote-email sent",
    ];
    assert_eq!(world.advance().await, settled(3, &performed));
    assert_eq!(world.emails(), ["quote-email"]);
}

/// Advances the buyer while one of these facts is recorded at the moment of each claim. Returns the number of claims.
async fn advance_while(world: &World, mut facts: Vec<Event>) -> (Seen, usize) {
    facts.reverse();
    let (facts, claims) = (RefCell::new(facts), Cell::new(0));
    let meanwhile = BeforeEach("claim", async |_: &Call<'_>| {
        claims.set(claims.get() + 1);
        let fact = facts.borrow_mut().pop();
        if let Some(fact) = fact {
            record(&*world.streams, &world.buyer, &[fact], at("10:00:00")).await;
        }
    });
    let leads = Hooked { inner: &world.leads, hook: &meanwhile };
    let advanced = world.advance_over(&*world.streams, &leads, &world.outside).await;
    (Seen::of(&advanced), claims.get())
}

#[tokio::test]
async fn a_fact_recorded_during_the_claim_is_read_before_anything_is_sent() {
    let world = World::given(&[made("car-1")]).await;
    world.record(&[accepted("car-1").v(2)]).await;

    let (seen, claims) = advance_while(&world, vec![acceptance_withdrawn("car-1").v(3)]).await;
    let performed = [
        "closed/low/1 sent",
        "opened/high/car-1/2 sent",
        // Here the claim fails because of the withdrawal, and the buyer is read again from the last settled commit on.
        "closed/low/1 sent",
        "opened/high/car-1/2 superseded",
        "accepted-email/car-1/2 superseded",
        "closed/high/car-1/2 sent",
        "opened/low/3 sent",
        "quote-email already-sent",
    ];
    assert_eq!(seen, settled(3, &performed));
    assert_eq!(claims, 2, "a failed claim for the acceptance, and one for the invitation");
    assert_eq!(world.emails(), ["quote-email"]);
    assert_eq!(world.ledger().into_iter().collect::<Vec<_>>(), [("quote-email".to_owned(), "sent")]);
    assert_eq!(world.open_leads(), ["low/3"]);
}

#[tokio::test]
async fn a_fact_irrelevant_to_the_email_only_costs_another_look() {
    let world = World::given(&[made("car-1")]).await;
    world.record(&[accepted("car-1").v(2)]).await;

    let (seen, claims) = advance_while(&world, vec![made("car-2")]).await;
    let performed = [
        "closed/low/1 sent",
        "opened/high/car-1/2 sent",
        "closed/low/1 sent",
        "opened/high/car-1/2 sent",
        "accepted-email/car-1/2 sent",
        "quote/car-2 sent",
    ];
    assert_eq!(seen, settled(3, &performed));
    assert_eq!(claims, 2);
    assert_eq!(world.emails(), ["quote-email", "accepted-email/car-1/2"]);
}

#[tokio::test]
async fn facts_faster_than_claims_leave_the_buyer_behind_without_an_email() {
    let world = World::new();
    world.record(&[made("car-1")]).await;

    let facts = ["car-2", "car-3", "car-4", "car-5"].map(made);
    let (seen, claims) = advance_while(&world, facts.to_vec()).await;
    let reason = "facts were recorded faster than effects could be claimed";
    assert_eq!(seen, behind(0, reason, &["quote/car-1 sent", "opened/low/1 sent"].repeat(4)));
    assert_eq!((claims, world.emails()), (4, vec![]));
    assert_eq!(world.ledger().len(), 0);

    let performed = [
        "quote/car-1 sent",
        "opened/low/1 sent",
        "quote-email sent",
        "quote/car-2 sent",
        "quote/car-3 sent",
        "quote/car-4 sent",
        "quote/car-5 sent",
    ];
    assert_eq!(world.advance().await, settled(5, &performed));
    assert_eq!(world.tables().cursors[&world.buyer].behind, None, "its own mark is cleared");
}

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
    let meanwhile = BeforeFirst::new("send quote-email", async || {
        world.record(&[withdrawn("car-1").v(2)]).await;
        world.record(&[made("car-2")]).await;
        let seen = world.advance().await;
        assert_eq!((seen.through, seen.behind), (3, None));
        assert_eq!(seen.performed.last().unwrap(), "quote-email passed");
    });
    let outside = Hooked { inner: &world.outside, hook: &meanwhile };
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
        let meanwhile = BeforeFirst::new("send quote-email", async || {
            world.record(&[made("car-2")]).await;
        });
        let outside = Hooked { inner: &world.outside, hook: &meanwhile };
        let advanced = world.advance_over(&*world.streams, &world.leads, &outside).await;
        assert_eq!(advanced.behind, None);
        assert_eq!(world.ledger()["quote-email"], status);
    }
}

#[tokio::test]
async fn a_failed_settling_stops_nothing() {
    let world = World::new();
    world.record(&[made("car-1"), made("car-2")]).await;
    let away = Faults::always("settle quote-email", Fate::Fails);
    let leads = Hooked { inner: &world.leads, hook: &away };
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
    let away = Faults::always("claim quote-email", Fate::Fails);
    let leads = Hooked { inner: &world.leads, hook: &away };
    let advanced = world.advance_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(
        (advanced.through.get(), advanced.behind.as_deref()),
        (0, Some("the leads table did not answer claim for buyer-7: lost"))
    );
    assert_eq!((world.emails(), world.ledger().len()), (vec![], 0));
}
