//! The cursor passes ledger entries of every status without changing them.

use std::collections::BTreeSet;

use domain::Sequence;
use effects::outside::Delivery;
use leads_store::{Claim, Claimed, Ledger as _, Settled, Status};
use serde_json::json;
use testkit::{acceptance_withdrawn, accepted, made};

use crate::attempts::{claim, verdict};
use crate::dynamo::{Engine, leads_at};
use crate::logs::Logs;
use crate::world::{Seen, World, at, settled};

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
    let (world, engine, logs) = (World::new(), Engine::start().await, Logs::listen());
    let s = |text: &str| json!({ "S": text });
    let entry = json!({ "buyer": s("buyer-7"), "kind": s("email/quote-email"), "status": s("of-tomorrow") });
    engine.putting()(&entry);
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
