//! E-mails: at most one attempt while an earlier one is in doubt, and every doubtful e-mail is visible. The cursor
//! passes ledger entries of every status without changing them.

use std::collections::BTreeSet;

use contract::receipt::{Kind, Receipt};
use domain::{Contact, Sequence};
use effects::Advanced;
use effects::outside::Delivery;
use jiff::SignedDuration;
use leads_store::{
    AddressDigest, Claim, Claimed, LeadsStore as _, LedgerEntry, ReceiptRecord, Receipts as _, Settled,
    Status,
};
use serde_json::json;
use testkit::hooks::{After, Call, Fate, Faults};
use testkit::leads::{claim, verdict};
use testkit::logs::{Level, Logs};
use testkit::{Hooked, acceptance_withdrawn, accepted, at, contact, made, made_by};

use crate::world::{Seen, World, settled};
use testkit::engine::{Engine, LEADS, leads_at};

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
        act: None,
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
    let (world, logs) = (World::new(), Logs::listen("effects", Level::WARN));
    world.record(&[made("car-1")]).await;
    let lost = Faults::once("claim quote-email", Fate::LosesAnswer);
    let leads = Hooked { inner: &world.leads, hook: &lost };
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

/// Advances the buyer while the answer to a claim takes this many seconds.
async fn advance_slowly(world: &World, seconds: i64) -> Advanced {
    let slow = After(async |call: &Call<'_>| {
        if call.operation == "claim" {
            world.clock.pass(SignedDuration::from_secs(seconds));
        }
    });
    let leads = Hooked { inner: &world.leads, hook: &slow };
    world.advance_over(&*world.streams, &leads, &world.outside).await
}

#[tokio::test]
async fn an_attempt_that_ends_together_with_its_claim_is_made() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    let advanced = advance_slowly(&world, 22).await;
    assert_eq!((advanced.behind, world.emails()), (None, vec!["quote-email".to_owned()]));
}

#[tokio::test]
async fn a_worker_that_wakes_too_late_for_its_claim_makes_no_attempt() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    let advanced = advance_slowly(&world, 23).await;
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

const KEY: &str = "quote-email";

fn throttled(reason: &str) -> Delivery {
    Delivery::NotSent { reason: reason.to_owned() }
}

/// A buyer whose invitation another worker has claimed and settled with this status.
async fn with_entry(status: Status) -> World {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    let first = Claim { head: Sequence::new(1), ..claim(KEY, "another", "10:00:00") };
    assert_eq!(world.leads.claim(&first).await.unwrap(), Claimed::Ours);
    if status != first.taking.status() {
        let verdict = verdict("another", status, "10:00:01");
        let written = world.leads.settle(&world.buyer, KEY, &verdict).await.unwrap();
        assert_eq!(written, Settled::Done);
    }
    world
}

#[tokio::test]
async fn the_cursor_passes_entries_of_every_status_and_leaves_them_unchanged() {
    for (status, outcome) in [
        (Status::Sending, "passed"),
        (Status::Retry, "passed"),
        (Status::Unknown, "passed"),
        (Status::Abandoned, "passed"),
        (Status::Sent, "sent"),
        (Status::Rejected, "rejected"),
        (Status::Suppressed, "suppressed"),
    ] {
        let world = with_entry(status).await;
        let ledger = world.tables().ledger;
        // Long after any time at which the entry was due.
        world.clock.set(at("23:00:00"));
        let performed = ["quote/car-1 sent", "opened/low/1 sent", &format!("quote-email {outcome}")];
        assert_eq!(world.advance().await, settled(1, &performed), "{status:?}");
        assert_eq!(world.tables().ledger, ledger, "{status:?}: untouched");
        assert_eq!(world.emails(), [""; 0], "{status:?}");
        let is_written = matches!(status, Status::Rejected | Status::Suppressed);
        assert_eq!(!world.settled().is_empty(), is_written, "{status:?}: {:?}", world.settled());
    }
}

#[tokio::test]
async fn the_cursor_passes_an_unreadable_entry_and_logs_what_to_do() {
    let (world, engine, logs) = (World::new(), Engine::start().await, Logs::listen("effects", Level::WARN));
    let s = |text: &str| json!({ "S": text });
    let entry = json!({ "buyer": s("buyer-7"), "kind": s("email/quote-email"), "status": s("of-tomorrow") });
    engine.put(LEADS, &entry);
    world.record(&[made("car-1")]).await;
    let leads = leads_at(&engine.url);
    for performed in [&["quote/car-1 sent", "opened/low/1 sent", "quote-email passed"][..], &[]] {
        let advanced = world.advance_over(&*world.streams, &leads, &world.outside).await;
        assert_eq!(Seen::of(&advanced), settled(1, performed));
    }
    assert_eq!(world.emails(), [""; 0]);
    assert!(engine.items().contains(&entry), "unchanged");
    let line =
        "ERROR cannot read the ledger entry, its e-mail is left alone: deploy the version that wrote it";
    assert_eq!(logs.lines(), [format!("{line} buyer=buyer-7 effect=quote-email")]);
}

#[tokio::test]
async fn a_superseded_entry_is_claimed_again() {
    let world = with_entry(Status::Superseded).await;
    let performed = ["quote/car-1 sent", "opened/low/1 sent", "quote-email sent"];
    assert_eq!(world.advance().await, settled(1, &performed));
    assert_eq!(world.emails(), [KEY]);
}

#[tokio::test]
async fn later_openings_also_pass_an_open_entry() {
    for status in [Status::Sending, Status::Retry, Status::Unknown] {
        let world = with_entry(status).await;
        world.advance().await;
        world.record(&[accepted("car-1").v(2)]).await;
        world.record(&[acceptance_withdrawn("car-1").v(3)]).await;
        let seen = world.advance().await;
        assert_eq!((seen.through, seen.behind), (3, None), "{status:?}");
        assert_eq!(seen.performed.last().unwrap(), "quote-email passed", "{status:?}");
        assert_eq!(world.emails(), [""; 0], "{status:?}");
    }
}

#[tokio::test]
async fn a_throttled_email_delays_no_message_and_its_buyer_is_not_behind() {
    for delivery in [
        throttled("TooManyRequestsException"),
        Delivery::Paused { reason: "TooManyRequestsException".to_owned() },
    ] {
        let world = World::new();
        world.record(&[made("car-1")]).await;
        world.outside.deliver_as([delivery]);
        let performed = ["quote/car-1 sent", "opened/low/1 sent", "quote-email retry"];
        assert_eq!(world.advance().await, settled(1, &performed));
        assert_eq!(world.settled(), [""; 0], "its outcome is in the ledger only");
        let entry = world.tables().ledger.into_values().next().unwrap();
        assert_eq!(
            (entry.status, entry.reason.as_deref(), entry.first_tried_at, entry.is_unsent),
            (Status::Retry, Some("TooManyRequestsException"), Some(at("10:00:00")), true)
        );
        assert_eq!(world.advance().await, settled(1, &[]), "settled");
        world.clock.set(at("11:00:00"));
        world.record(&[made("car-2")]).await;
        assert_eq!(world.advance().await, settled(2, &["quote/car-2 sent"]), "later events go on");
        assert_eq!(world.emails(), [KEY], "only the sweeper tries again");
        assert_eq!(world.sales(), ["quote/car-1", "opened/low/1", "quote/car-2"], "each once");
    }
}

#[tokio::test]
async fn retries_are_spread_over_two_to_four_minutes() {
    let world = World::given(&[made("car-1")]).await;
    let mut dues = BTreeSet::new();
    for version in 1..=40 {
        let event = if version % 2 == 1 { accepted("car-1") } else { acceptance_withdrawn("car-1") };
        world.record(&[event.v(version + 1)]).await;
        world.outside.deliver_as((version % 2 == 1).then(|| throttled("Throttling")));
        world.advance().await;
    }
    for entry in world.tables().ledger.into_values().filter(|entry| entry.status == Status::Retry) {
        dues.insert(entry.due.unwrap());
    }
    assert!(dues.iter().all(|due| (at("10:02:00")..at("10:04:00")).contains(due)), "{dues:?}");
    assert!(dues.len() >= 10, "{dues:?}");
}
