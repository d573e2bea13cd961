//! An e-mail that an operator wants to send again, with or without its reason still holding.

use domain::Contact;
use effects::outside::Delivery;
use platform::clock::Clock as _;
use testkit::{acceptance_withdrawn, accepted, made, made_by, withdrawn};

use super::minutes;
use crate::world::World;

#[tokio::test]
async fn a_resent_email_is_sent_once_and_only_if_still_called_for() {
    for (later, status, mails) in
        [(None, "sent", 2), (Some(acceptance_withdrawn("car-1").v(3)), "superseded", 1)]
    {
        let world = World::given(&[made("car-1")]).await;
        world.record(&[accepted("car-1").v(2)]).await;
        world.outside.deliver_as([Delivery::Unknown { reason: "timed out".to_owned() }]);
        world.advance().await;
        world.clock.pass(minutes(60));
        world.sweep().await;
        let key = "accepted-email/car-1/2";
        assert_eq!(world.ledger()[key], "abandoned");
        if let Some(event) = later {
            world.record(&[event]).await;
            world.advance().await;
        }
        let found = world.tables().ledger[&(world.buyer.clone(), key.to_owned())].clone();
        assert!(world.leads.resend(&world.buyer, key, &found, world.clock.now()));
        assert!(!world.leads.resend(&world.buyer, key, &found, world.clock.now()), "the entry has changed");
        world.sweep().await;
        world.sweep().await;
        assert_eq!(world.ledger()[key], status);
        assert_eq!(world.emails().iter().filter(|tried| *tried == key).count(), mails);
    }
}

#[tokio::test]
async fn a_resent_email_to_an_unusable_address_is_rejected() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([Delivery::Unknown { reason: "timed out".to_owned() }]);
    world.advance().await;
    world.clock.pass(minutes(60));
    world.sweep().await;
    let nobody = Contact { email: "nobody".to_owned(), ..testkit::contact() };
    for event in [withdrawn("car-1").v(2), made_by("car-2", nobody)] {
        world.record(&[event]).await;
        world.advance().await;
    }
    let key = (world.buyer.clone(), "quote-email".to_owned());
    let found = world.tables().ledger[&key].clone();
    assert_eq!(found.status.name(), "abandoned");
    assert!(world.leads.resend(&world.buyer, "quote-email", &found, world.clock.now()));

    let changed = world.sweep().await.emails;
    assert_eq!((changed.len(), world.ledger()["quote-email"]), (1, "rejected"));
    world.clock.pass(minutes(5));
    assert_eq!(world.sweep().await.emails, [], "it is no longer due");
    for event in [withdrawn("car-2").v(2), made("car-3")] {
        world.record(&[event]).await;
        world.advance().await;
    }
    assert_eq!(world.ledger()["quote-email"], "sent");
}
