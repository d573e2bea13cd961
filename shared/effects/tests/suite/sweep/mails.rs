//! Due e-mails are tried again, declared doubtful, or closed. An e-mail that an operator wants to send again, with or
//! without its reason still holding.

use contract::receipt::{Kind, Receipt};
use domain::Contact;
use effects::outside::Delivery;
use jiff::SignedDuration;
use leads_store::{Claimed, LeadsStore as _, LedgerEntry, Receipts as _, Status};
use platform::clock::Clock as _;
use testkit::hooks::{BeforeFirst, Fate, Faults};
use testkit::leads::{act, claim};
use testkit::{Hooked, acceptance_withdrawn, accepted, at, made, made_by, withdrawn};

use super::{Always, changed_emails, minutes, throttled};
use crate::world::World;

#[tokio::test]
async fn an_unsent_email_is_sent_when_due_and_not_before() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([throttled()]);
    world.advance().await;
    let entry = world.tables().ledger.into_values().next().unwrap();
    world.clock.set(entry.due.unwrap() - SignedDuration::from_millis(1));
    let swept = world.sweep().await;
    assert_eq!((changed_emails(&swept), world.ledger()["quote-email"]), (vec![], "retry"), "not due");
    world.clock.set(entry.due.unwrap());
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email sent"]);
    let sent = world.tables().ledger.into_values().next().unwrap();
    assert_eq!((sent.status, sent.first_tried_at), (Status::Sent, entry.first_tried_at));
    assert_ne!(sent.nonce, entry.nonce);
    assert_eq!(world.emails().len(), 2, "tried twice, sent once");
}

#[tokio::test]
async fn a_retry_is_sent_only_if_still_called_for() {
    for (later, status, mails) in
        [(None, "sent", 2), (Some(acceptance_withdrawn("car-1").v(3)), "superseded", 1)]
    {
        let world = World::given(&[made("car-1")]).await;
        world.record(&[accepted("car-1").v(2)]).await;
        world.outside.deliver_as([throttled()]);
        world.advance().await;
        if let Some(event) = later {
            world.record(&[event]).await;
        }
        world.clock.pass(minutes(5));
        let swept = world.sweep().await;
        assert_eq!(changed_emails(&swept), [format!("accepted-email/car-1/2 {status}")]);
        assert_eq!(world.ledger()["accepted-email/car-1/2"], status);
        let tried = world.emails().iter().filter(|key| key.starts_with("accepted")).count();
        assert_eq!(tried, mails);
    }
}

#[tokio::test]
async fn an_email_is_tried_for_a_day_and_once_more_before_it_is_abandoned() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([throttled()]);
    world.advance().await;
    let day = minutes(24 * 60);
    world.clock.set(at("10:00:00") + day);
    world.outside.deliver_as([throttled()]);
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email retry"], "within the day");
    world.clock.pass(minutes(5));
    world.outside.deliver_as([throttled()]);
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email abandoned"], "after one more attempt");
    assert_eq!(world.emails().len(), 3);
    let entry = world.tables().ledger.into_values().next().unwrap();
    assert_eq!(
        (entry.reason.as_deref(), entry.is_unsent, entry.due),
        (Some("TooManyRequestsException"), true, None)
    );
    world.clock.pass(day);
    assert_eq!(changed_emails(&world.sweep().await), [""; 0]);
    assert_eq!(world.emails().len(), 3);
}

#[tokio::test]
async fn an_email_past_its_time_gets_a_last_attempt_however_late() {
    for (last, status) in [
        (None, "sent"),
        (Some(throttled()), "abandoned"),
        (Some(Delivery::Unknown { reason: "timed out".to_owned() }), "unknown"),
        (Some(Delivery::Refused { reason: "MessageRejected".to_owned() }), "rejected"),
    ] {
        let world = World::new();
        world.record(&[made("car-1")]).await;
        world.outside.deliver_as([throttled()]);
        world.advance().await;
        // No sweep runs for three days.
        world.clock.pass(minutes(72 * 60));
        world.outside.deliver_as(last);
        assert_eq!(changed_emails(&world.sweep().await), [format!("quote-email {status}")]);
        assert_eq!(world.emails().len(), 2, "{status}: it was tried");
    }
}

#[tokio::test]
async fn a_pause_never_counts_as_the_last_attempt() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    let paused = || Delivery::Paused { reason: "SendingPausedException".to_owned() };
    world.outside.deliver_as([paused()]);
    world.advance().await;
    for _ in 0..3 {
        world.clock.pass(minutes(24 * 60 + 1));
        world.outside.deliver_as([paused()]);
        assert_eq!(changed_emails(&world.sweep().await), ["quote-email retry"]);
    }
    world.clock.pass(minutes(5));
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email sent"], "once the pause is over");
}

#[tokio::test]
async fn lack_of_time_does_not_count_as_the_last_attempt() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([throttled()]);
    world.advance().await;
    world.clock.pass(minutes(25 * 60));
    // The claim is answered so late that it could expire during an attempt.
    let late =
        BeforeFirst::new("claim quote-email", async || world.clock.pass(SignedDuration::from_secs(23)));
    let leads = Hooked { inner: &world.leads, hook: &late };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(
        (changed_emails(&swept), world.emails().len()),
        (vec!["quote-email retry".to_owned()], 1),
        "not tried"
    );
    let entry = world.tables().ledger.into_values().next().unwrap();
    assert_eq!(entry.reason.as_deref(), Some("no-time-left"));
    world.clock.pass(minutes(5));
    world.outside.deliver_as([throttled()]);
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email abandoned"], "after an attempt");
}

#[tokio::test]
async fn the_time_of_a_parked_email_begins_with_its_first_attempt() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.refuse_sales(1);
    world.advance().await;
    // A sweep parks the e-mail two days before the first attempt, because SES is paused.
    world.clock.pass(minutes(3));
    let paused = Delivery::Paused { reason: "Paused".to_owned() };
    world.invite(["another".to_owned()], throttled()).await;
    world.clock.pass(minutes(5));
    world.outside.deliver_as([paused]);
    world.sweep().await;
    let parked = world.tables().ledger[&(world.buyer.clone(), "quote-email".to_owned())].clone();
    assert_eq!((parked.status, parked.first_tried_at), (Status::Retry, None));
    world.clock.pass(minutes(48 * 60));
    world.outside.deliver_as([throttled(), throttled()]);
    world.sweep().await;
    let tried = world.tables().ledger[&(world.buyer.clone(), "quote-email".to_owned())].clone();
    assert_eq!((tried.status, tried.is_unsent), (Status::Retry, true), "its day begins now");
    assert!(tried.first_tried_at.unwrap() > parked.due.unwrap() + minutes(47 * 60));
}

#[tokio::test]
async fn an_abandoned_unsent_email_is_sent_when_its_lead_opens_again() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([throttled(), throttled()]);
    world.advance().await;
    world.clock.pass(minutes(25 * 60));
    world.sweep().await;
    assert_eq!(world.ledger()["quote-email"], "abandoned");
    world.record(&[accepted("car-1").v(2)]).await;
    world.record(&[acceptance_withdrawn("car-1").v(3)]).await;
    let seen = world.advance().await;
    assert_eq!(seen.performed.last().unwrap(), "quote-email sent");
    assert_eq!(world.emails().len(), 3);
}

#[tokio::test]
async fn a_doubtful_email_is_abandoned_after_an_hour_and_never_resent() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([Delivery::Unknown { reason: "timed out".to_owned() }]);
    world.advance().await;
    world.clock.pass(minutes(59));
    world.sweep().await;
    assert_eq!(world.ledger()["quote-email"], "unknown");
    world.clock.pass(minutes(1));
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email abandoned"]);
    world.record(&[accepted("car-1").v(2)]).await;
    world.record(&[acceptance_withdrawn("car-1").v(3)]).await;
    world.advance().await;
    world.sweep().await;
    assert_eq!(world.emails(), ["quote-email"], "it may have been sent");
    let entry = world.tables().ledger.into_values().next().unwrap();
    assert_eq!(entry.reason.as_deref(), Some("timed out"), "the reason is kept");
}

#[tokio::test]
async fn an_abandoned_email_is_counted_once_despite_a_lost_answer() {
    let day = 25 * 60;
    for (delivery, until) in [(throttled(), day), (Delivery::Unknown { reason: "timed out".to_owned() }, 60)]
    {
        let world = World::new();
        world.record(&[made("car-1")]).await;
        world.outside.deliver_as([delivery.clone(), delivery]);
        world.advance().await;
        world.clock.pass(minutes(until));
        let lost = Faults::once("settle quote-email", Fate::LosesAnswer);
        let leads = Hooked { inner: &world.leads, hook: &lost };
        let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
        assert_eq!(
            (changed_emails(&swept), swept.failed),
            (vec!["quote-email abandoned".to_owned()], vec![])
        );
        assert_eq!(changed_emails(&world.sweep().await), [""; 0], "not counted again");
    }
}

#[tokio::test]
async fn an_email_settled_by_a_receipt_meanwhile_is_not_reported() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([throttled(), Delivery::Refused { reason: "MessageRejected".to_owned() }]);
    world.advance().await;
    world.clock.pass(minutes(5));
    let meanwhile = BeforeFirst::new("settle quote-email", async || {
        let Some(LedgerEntry { nonce, .. }) = world.tables().ledger.into_values().next() else { panic!() };
        let (kind, message_id, effect) = (Kind::Rejected, "ses-1".to_owned(), "quote-email".to_owned());
        let receipt = Receipt { buyer: world.buyer.clone(), effect, nonce, kind, message_id };
        world.leads.apply_receipt(&receipt, world.clock.now() - minutes(1)).await.unwrap();
    });
    let leads = Hooked { inner: &world.leads, hook: &meanwhile };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!((changed_emails(&swept), world.ledger()["quote-email"]), (vec![], "rejected"));
}

#[tokio::test]
async fn an_expired_claim_is_doubtful_and_not_tried_again() {
    let world = World::new();
    let crashed = claim("quote-email", "crashed", "10:00:00");
    assert_eq!(world.leads.claim(&crashed).await.unwrap(), Claimed::Ours);
    world.clock.set(at("10:00:29.999"));
    world.sweep().await;
    assert_eq!(world.ledger()["quote-email"], "sending");
    world.clock.set(at("10:00:30"));
    assert_eq!(changed_emails(&world.sweep().await), ["quote-email unknown"]);
    let entry = world.tables().ledger.into_values().next().unwrap();
    assert_eq!(
        (entry.nonce.as_str(), entry.reason.as_deref(), entry.due),
        ("crashed", Some("claim ran out"), Some(at("11:00:30")))
    );
    assert_eq!(world.emails(), [""; 0]);
}

#[tokio::test]
async fn a_retry_to_a_stopped_address_is_rejected_without_an_attempt() {
    let world = World::given(&[made("car-1")]).await;
    world.outside.deliver_as([throttled()]);
    world.record(&[accepted("car-1").v(2)]).await;
    world.advance().await;
    let first = world.tables().ledger[&(world.buyer.clone(), "quote-email".to_owned())].clone();
    let receipt = Receipt {
        buyer: world.buyer.clone(),
        effect: "quote-email".to_owned(),
        nonce: first.nonce,
        kind: Kind::Bounced { at: at("10:00:05"), is_permanent: true },
        message_id: "mail-1".to_owned(),
    };
    world.leads.apply_receipt(&receipt, at("10:00:06")).await.unwrap();
    world.clock.pass(minutes(5));
    assert_eq!(changed_emails(&world.sweep().await), ["accepted-email/car-1/2 rejected"]);
    let key = (world.buyer.clone(), "accepted-email/car-1/2".to_owned());
    assert_eq!(world.tables().ledger[&key].reason.as_deref(), Some("address-stopped"));
    assert_eq!(world.emails().len(), 2, "the first attempts of both");
}

#[tokio::test]
async fn two_hundred_throttled_buyers_get_each_message_and_email_once() {
    let world = World::new();
    let buyers = world.invite((0..200).map(|number| format!("buyer-{number}")), throttled()).await;
    // SES throttles every attempt for an hour.
    let always = Always(throttled());
    for _ in 0..12 {
        world.clock.pass(minutes(5));
        let swept = world.sweep_over(&*world.streams, &world.leads, &always).await;
        assert_eq!((swept.left.len(), swept.emails.len()), (0, 200), "each e-mail is tried again");
        assert_eq!(world.count(Status::Retry), 200);
    }
    assert_eq!(world.outside.sales().len(), 400, "no message is repeated");
    world.clock.pass(minutes(5));
    world.sweep().await;
    assert_eq!(world.count(Status::Sent), 200);
    assert_eq!(world.outside.sales().len(), 400);
    for buyer in &buyers {
        assert_eq!(world.tables().cursors[buyer].behind, None, "{buyer}");
    }
}

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
        assert!(world.leads.resend(&world.buyer, key, &found, world.clock.now(), &act()));
        assert!(
            !world.leads.resend(&world.buyer, key, &found, world.clock.now(), &act()),
            "the entry has changed"
        );
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
    assert!(world.leads.resend(&world.buyer, "quote-email", &found, world.clock.now(), &act()));

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
