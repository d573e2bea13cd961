//! E-mails: at most one attempt while an earlier one is in doubt, and every doubtful e-mail is visible.

use contract::receipt::{Kind, Receipt};
use domain::{Contact, Sequence};
use effects::outside::Delivery;
use jiff::SignedDuration;
use leads_store::{AddressDigest, LedgerEntry, ReceiptRecord, Receipts as _, Status};
use testkit::{acceptance_withdrawn, accepted, contact, made, made_by};

use crate::around::{Around, LostOnce, With};
use crate::logs::Logs;
use crate::world::{Seen, World, at, settled};

/// The sales messages that precede the invitation.
const MESSAGES: [&str; 2] = ["quote/car-1 sent", "opened/low/1 sent"];

fn with_address(email: &str) -> Contact {
    Contact { email: email.to_owned(), ..contact() }
}

#[tokio::test]
async fn an_accepted_email_is_sent_and_tagged_with_buyer_effect_and_attempt() {
    let world = World::given(&[made("car-1")]).await;
    let entry = LedgerEntry {
        status: Status::Sent,
        nonce: "nonce-1".to_owned(),
        sequence: Sequence::new(1),
        address: AddressDigest::of("ada.canary@example.com"),
        due: None,
        first_tried_at: Some(at("10:00:00")),
        is_unsent: false,
        since: at("10:00:00"),
        message_id: Some("mail-1".to_owned()),
        reason: None,
        receipts: ReceiptRecord::default(),
    };
    let ledger: Vec<_> = world.tables().ledger.into_iter().collect();
    assert_eq!(ledger, [((world.buyer.clone(), "quote-email".to_owned()), entry)]);
    let email = world.outside.emails().remove(0);
    assert_eq!(email.to, "ada.canary@example.com");
    let tag = |name, value: &str| (name, value.to_owned());
    assert_eq!(email.tags, [tag("buyer", "buyer-7"), tag("effect", "quote-email"), tag("nonce", "nonce-1")]);
}

#[tokio::test]
async fn an_unanswered_claim_is_repeated_once_and_logged() {
    let (world, logs) = (World::new(), Logs::listen());
    world.record(&[made("car-1")]).await;
    let lost = LostOnce::new("claim quote-email");
    let leads = With { inner: &world.leads, around: &lost };
    let advanced = world.advance_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(Seen::of(&advanced), settled(1, &[MESSAGES[0], MESSAGES[1], "quote-email sent"]));
    let error = "the leads table did not answer claim for buyer-7: lost";
    let line = "WARN claim unanswered: repeating it buyer=buyer-7 effect=quote-email";
    assert_eq!(logs.lines(), [format!("{line} error={error}")]);
}

#[tokio::test]
async fn a_doubtful_email_is_unknown_and_does_not_delay_its_buyer() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([Delivery::Unknown { reason: "timed out".to_owned() }]);
    assert_eq!(world.advance().await, settled(1, &[MESSAGES[0], MESSAGES[1], "quote-email unknown"]));
    let entry = world.tables().ledger.into_values().next().unwrap();
    assert_eq!(
        (entry.status, entry.due, entry.reason.as_deref()),
        (Status::Unknown, Some(at("11:00:00")), Some("timed out"))
    );
    assert_eq!(world.settled(), Vec::<String>::new(), "its outcome is in the ledger only");

    world.record(&[accepted("car-1").v(2)]).await;
    world.record(&[acceptance_withdrawn("car-1").v(3)]).await;
    world.advance().await;
    assert_eq!(world.emails(), ["quote-email"], "never tried again");
}

#[tokio::test]
async fn an_email_that_ses_refuses_is_rejected_and_its_buyer_goes_on() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([Delivery::Refused { reason: "MessageRejected".to_owned() }]);
    assert_eq!(world.advance().await, settled(1, &[MESSAGES[0], MESSAGES[1], "quote-email rejected"]));
    assert_eq!(world.settled(), ["1 quote-email rejected"]);
    let entry = world.tables().ledger.into_values().next().unwrap();
    assert_eq!((entry.status, entry.reason.as_deref()), (Status::Rejected, Some("MessageRejected")));
}

#[tokio::test]
async fn a_rejected_address_is_not_tried_again_but_another_one_is() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([Delivery::Refused { reason: "MessageRejected".to_owned() }]);
    world.advance().await;
    world.record(&[accepted("car-1").v(2)]).await;
    world.advance().await;
    world.record(&[acceptance_withdrawn("car-1").v(3)]).await;
    let performed = ["closed/high/car-1/2 sent", "opened/low/3 sent", "quote-email rejected"];
    assert_eq!(world.advance().await, settled(3, &performed), "same address");

    world.record(&[testkit::withdrawn("car-1").v(4)]).await;
    world.advance().await;
    world.record(&[made_by("car-2", with_address("ada@elsewhere.example"))]).await;
    let performed = ["quote/car-2 sent", "opened/low/5 sent", "quote-email sent"];
    assert_eq!(world.advance().await, settled(5, &performed), "another address");
    assert_eq!(world.emails(), ["quote-email", "accepted-email/car-1/2", "quote-email"]);
}

#[tokio::test]
async fn an_unusable_address_is_rejected_in_the_ledger() {
    for address in ["", "ada", "ädä@example.com", "ada@example.com\r\nBcc: eve@example.com"] {
        let world = World::new();
        world.record(&[made_by("car-1", with_address(address))]).await;
        let performed = [MESSAGES[0], MESSAGES[1], "quote-email rejected"];
        assert_eq!(world.advance().await, settled(1, &performed), "{address:?}");
        assert_eq!(world.emails(), [""; 0], "{address:?}: no attempt was made");
        let entry = world.tables().ledger.into_values().next().unwrap();
        assert_eq!(
            (entry.status, entry.reason.as_deref(), entry.first_tried_at, entry.due),
            (Status::Rejected, Some("address-unusable"), None, None),
            "{address:?}"
        );
        assert_eq!(world.settled(), ["1 quote-email rejected"], "{address:?}");

        world.record(&[made_by("car-2", with_address("ada@elsewhere.example"))]).await;
        world.record(&[testkit::withdrawn("car-1").v(2)]).await;
        world.record(&[testkit::withdrawn("car-2").v(2)]).await;
        world.record(&[made("car-3")]).await;
        world.advance().await;
        assert_eq!(world.ledger()["quote-email"], "sent", "{address:?}: another address is tried");
    }
}

/// Delays the answer to a claim by this many seconds.
struct SlowClaim<'a>(&'a World, i64);

impl Around for SlowClaim<'_> {
    async fn around<R>(&self, name: &str, call: impl Future<Output = R>, _: impl FnOnce(bool) -> R) -> R {
        let answer = call.await;
        if name.starts_with("claim") {
            self.0.clock.pass(SignedDuration::from_secs(self.1));
        }
        answer
    }
}

#[tokio::test]
async fn an_attempt_that_ends_together_with_its_claim_is_made() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    let leads = With { inner: &world.leads, around: &SlowClaim(&world, 22) };
    let advanced = world.advance_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!((advanced.behind, world.emails()), (None, vec!["quote-email".to_owned()]));
}

#[tokio::test]
async fn a_worker_that_wakes_too_late_for_its_claim_makes_no_attempt() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    let leads = With { inner: &world.leads, around: &SlowClaim(&world, 23) };
    let advanced = world.advance_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(Seen::of(&advanced), settled(1, &[MESSAGES[0], MESSAGES[1], "quote-email retry"]));
    assert_eq!(world.emails(), Vec::<String>::new());
    let entry = world.tables().ledger.into_values().next().unwrap();
    assert_eq!((entry.status, entry.reason.as_deref()), (Status::Retry, Some("no-time-left")));
}

#[tokio::test]
async fn an_address_that_bounced_permanently_gets_no_more_email() {
    let world = World::given(&[made("car-1")]).await;
    bounce_permanently(&world, "quote-email").await;
    world.record(&[accepted("car-1").v(2)]).await;
    let performed = ["closed/low/1 sent", "opened/high/car-1/2 sent", "accepted-email/car-1/2 rejected"];
    assert_eq!(world.advance().await, settled(2, &performed));
    assert_eq!(world.emails(), ["quote-email"], "no attempt was made");
    let ledger = world.tables().ledger;
    let entry = &ledger[&(world.buyer.clone(), "accepted-email/car-1/2".to_owned())];
    assert_eq!((entry.status, entry.reason.as_deref()), (Status::Rejected, Some("address-stopped")));

    world.record(&[made_by("car-2", with_address("ada@elsewhere.example"))]).await;
    world.record(&[accepted("car-2").v(2)]).await;
    world.advance().await;
    assert_eq!(world.emails(), ["quote-email", "accepted-email/car-2/2"]);
}

async fn bounce_permanently(world: &World, effect: &str) {
    let entry = world.tables().ledger.remove(&(world.buyer.clone(), effect.to_owned())).unwrap();
    let receipt = Receipt {
        buyer: world.buyer.clone(),
        effect: effect.to_owned(),
        nonce: entry.nonce,
        kind: Kind::Bounced { at: at("10:00:05"), is_permanent: true },
        message_id: "mail-1".to_owned(),
    };
    world.leads.apply_receipt(&receipt, at("10:00:06")).await.unwrap();
}
