//! Effects that a later fact has overtaken are superseded, whether it was recorded before the look or during a claim.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;

use domain::{BuyerId, Event};
use event_store::MemoryStreams;
use testkit::{acceptance_withdrawn, accepted, made, withdrawn};

use crate::around::{Around, With};
use crate::world::{Seen, World, at, behind, record, settled};

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

/// Records one fact at the moment of each claim.
struct AtEachClaim {
    streams: Rc<MemoryStreams>,
    buyer: BuyerId,
    facts: RefCell<Vec<Event>>,
    claims: Cell<usize>,
}

impl Around for AtEachClaim {
    async fn around<R>(&self, name: &str, call: impl Future<Output = R>, _: impl FnOnce(bool) -> R) -> R {
        if name.starts_with("claim") {
            self.claims.set(self.claims.get() + 1);
            let fact = self.facts.borrow_mut().pop();
            if let Some(fact) = fact {
                record(&*self.streams, &self.buyer, &[fact], at("10:00:00")).await;
            }
        }
        call.await
    }
}

async fn advance_while(world: &World, mut facts: Vec<Event>) -> (Seen, usize) {
    facts.reverse();
    let streams = Rc::clone(&world.streams);
    let around =
        AtEachClaim { streams, buyer: world.buyer.clone(), facts: RefCell::new(facts), claims: Cell::new(0) };
    let leads = With { inner: &world.leads, around: &around };
    let advanced = world.advance_over(&*world.streams, &leads, &world.outside).await;
    (Seen::of(&advanced), around.claims.get())
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
