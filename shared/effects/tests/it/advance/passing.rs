//! What passes stops one buyer for a while: it is marked, and a later advance performs the rest.

use domain::Sequence;
use effects::leads::{Behind, Cursor, Cursors as _, Progress};
use effects::outside::Delivery;
use effects::{Advance, CannotMark};
use event_store::surroundings::{Deadline, Surroundings as _};
use jiff::SignedDuration;
use serde_json::{Value, json};
use telemetry::Metrics;
use testkit::{accepted, made, withdrawn};

use crate::advance::crashes::{Fault, Faults};
use crate::around::With;
use crate::world::{Seen, World, at, behind, settled};

const SALES_DOWN: &str =
    "the sales team's queue did not take buyer-7/quote/car-2: the test's queue takes nothing now";

#[tokio::test]
async fn a_queue_that_takes_nothing_leaves_the_cursor_after_the_last_settled_commit() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.advance().await;
    world.record(&[made("car-2")]).await;
    world.outside.refuse_sales(1);

    assert_eq!(world.advance().await, behind(1, SALES_DOWN, &[]));
    let mark = Behind {
        mark: "nonce-2".to_owned(),
        reason: SALES_DOWN.to_owned(),
        attempts: 1,
        not_before: at("10:01:00"),
    };
    let cursor = Cursor { through: Sequence::new(1), behind: Some(mark), ..Cursor::default() };
    assert_eq!(world.leads.cursor(&world.buyer).await.unwrap(), cursor);

    assert_eq!(world.advance().await, settled(2, &["quote/car-2 sent"]));
    let cursor = Cursor { through: Sequence::new(2), behind: None, ..Cursor::default() };
    assert_eq!(world.leads.cursor(&world.buyer).await.unwrap(), cursor);
}

#[tokio::test]
async fn what_was_told_before_the_queue_went_down_is_told_again_under_the_same_id_and_no_mail_is_sent_again()
{
    let world = World::given(&[made("car-1")]).await;
    world.record(&[accepted("car-1").v(2), made("car-2")]).await;
    let faults = Faults::new(&[(3, Fault::FailBefore)]);
    let outside = With { inner: &world.outside, around: &faults };
    let stopped = world.advance_over(&*world.streams, &world.leads, &outside).await;

    let told = ["closed/low/1 sent", "opened/high/car-1/2 sent", "accepted-email/car-1/2 sent"];
    let reason = "the sales team's queue did not take buyer-7/quote/car-2: lost";
    assert_eq!(Seen::of(&stopped), behind(1, reason, &told));
    assert_eq!(faults.calls(), ["tell_sales", "tell_sales", "send accepted-email/car-1/2", "tell_sales"]);

    assert_eq!(world.advance().await, settled(3, &[told[0], told[1], told[2], "quote/car-2 sent"]));
    let ids = ["closed/low/1", "opened/high/car-1/2"];
    let sales = ["quote/car-1", "opened/low/1", ids[0], ids[1], ids[0], ids[1], "quote/car-2"];
    assert_eq!(world.sales(), sales);
    assert_eq!(world.emails(), ["quote-email", "accepted-email/car-1/2"]);
}

#[tokio::test]
async fn a_mail_definitely_not_sent_holds_up_its_buyer_until_it_is_due() {
    let world = World::new();
    world.record(&[made("car-1"), made("car-2")]).await;
    let reason = "TooManyRequestsException".to_owned();
    world.outside.deliver_as([Delivery::NotSent { reason }]);

    let told = ["quote/car-1 sent", "opened/low/1 sent"];
    assert_eq!(world.advance().await, behind(0, "e-mail not sent: TooManyRequestsException", &told));
    let entry = world.tables().ledger.into_values().next().unwrap();
    assert_eq!(
        (entry.status.name(), entry.due, entry.reason.as_deref()),
        ("retry", Some(at("10:02:00")), Some("TooManyRequestsException"))
    );
    let mark = world.tables().cursors[&world.buyer].behind.clone().unwrap();
    assert_eq!((mark.attempts, mark.not_before), (1, at("10:02:00")));

    world.clock.pass(SignedDuration::from_secs(119));
    assert_eq!(world.advance().await, behind(0, "e-mail not sent yet", &told), "not due");
    assert_eq!(world.emails(), ["quote-email"], "no second attempt");
    let mark = world.tables().cursors[&world.buyer].behind.clone().unwrap();
    assert_eq!((mark.attempts, mark.not_before), (2, at("10:02:00")));

    world.clock.pass(SignedDuration::from_secs(1));
    let performed = ["quote/car-1 sent", "opened/low/1 sent", "quote-email sent", "quote/car-2 sent"];
    assert_eq!(world.advance().await, settled(2, &performed), "due");
    assert_eq!(world.emails(), ["quote-email", "quote-email"], "one attempt each time");
    assert_eq!(world.advance().await, settled(2, &[]));
}

#[tokio::test]
async fn a_buyer_that_stays_behind_is_tried_less_and_less_often() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.refuse_sales(7);
    let mut minutes = Vec::new();
    for _ in 0..7 {
        world.advance().await;
        let mark = world.tables().cursors[&world.buyer].behind.clone().unwrap();
        minutes.push((mark.attempts, mark.not_before.duration_since(at("10:00:00")).as_mins()));
    }
    assert_eq!(minutes, [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 16), (7, 16)]);
}

#[tokio::test]
async fn nothing_is_begun_that_cannot_end_before_the_deadline() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    let (surroundings, letterhead) = (&world.clock, &world.letterhead);
    let advance = Advance {
        streams: &*world.streams,
        leads: &world.leads,
        outside: &world.outside,
        surroundings,
        letterhead,
    };
    let ends_at = |time| Deadline::at(at(time));
    let too_late = advance.advance(&world.buyer, ends_at("10:00:05")).await.unwrap();
    assert_eq!(
        (too_late.performed.len(), too_late.behind.as_deref()),
        (0, Some("the invocation's time is up"))
    );

    let no_mail = advance.advance(&world.buyer, ends_at("10:00:24")).await.unwrap();
    assert_eq!(
        (no_mail.performed.len(), no_mail.behind.as_deref()),
        (2, Some("the invocation's time is up"))
    );
    assert_eq!((world.emails(), world.ledger().len()), (vec![], 0), "not even claimed");

    let in_time = advance.advance(&world.buyer, ends_at("10:00:25")).await.unwrap();
    assert_eq!((in_time.performed.len(), in_time.behind), (3, None));
}

#[tokio::test]
async fn only_a_buyer_that_cannot_even_be_marked_fails_the_invocation() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.refuse_sales(1);
    let faults = Faults::new(&[(2, Fault::FailBefore)]);
    let leads = With { inner: &world.leads, around: &faults };
    let advance = Advance {
        streams: &*world.streams,
        leads: &leads,
        outside: &world.outside,
        surroundings: &world.clock,
        letterhead: &world.letterhead,
    };
    let failed = advance.advance(&world.buyer, world.clock.deadline()).await;
    let CannotMark { buyer, reason, .. } = failed.unwrap_err();
    let down = "the sales team's queue did not take buyer-7/quote/car-1: the test's queue takes nothing now";
    assert_eq!((buyer, reason.as_str()), (world.buyer.clone(), down));
    assert_eq!(faults.calls(), ["cursor", "move_cursor", "mark_behind"]);
}

#[tokio::test]
async fn a_worker_that_stops_half_way_leaves_the_mark_it_read_until_its_own_is_written() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.refuse_sales(1);
    world.advance().await;
    let mark = world.tables().cursors[&world.buyer].behind.clone();
    assert!(mark.is_some());
    world.record(&[made("car-2")]).await;

    let (streams, leads, outside) =
        (Faults::new(&[]), Faults::new(&[(4, Fault::FailBefore)]), Faults::new(&[(3, Fault::FailBefore)]));
    let advance = Advance {
        streams: &With { inner: &*world.streams, around: &streams },
        leads: &With { inner: &world.leads, around: &leads },
        outside: &With { inner: &world.outside, around: &outside },
        surroundings: &world.clock,
        letterhead: &world.letterhead,
    };
    advance.advance(&world.buyer, world.clock.deadline()).await.unwrap_err();
    let calls = ["cursor", "claim quote-email", "settle quote-email", "move_cursor", "mark_behind"];
    assert_eq!(leads.calls(), calls);
    let cursor = Cursor { through: Sequence::new(1), behind: mark, ..Cursor::default() };
    assert_eq!(world.leads.cursor(&world.buyer).await.unwrap(), cursor);
}

#[tokio::test]
async fn what_is_settled_in_the_middle_of_a_commit_is_not_performed_again() {
    let world = World::new();
    world.record(&[made("car-1"), made("car-2")]).await;
    let progress = Progress { through: Sequence::new(1), ..Progress::default() };
    world.leads.move_cursor(&world.buyer, &progress, None).await.unwrap();
    assert_eq!(world.advance().await, settled(2, &["quote/car-2 sent"]));
}

#[tokio::test]
async fn every_effect_and_every_buyer_left_behind_is_counted() {
    let world = World::new();
    world.record(&[made("car-1"), withdrawn("car-1").v(2)]).await;
    world.clock.pass(SignedDuration::from_millis(250));
    let settled = world.advance_over(&*world.streams, &world.leads, &world.outside).await;
    world.record(&[made("car-2")]).await;
    world.outside.refuse_sales(1);
    let behind = world.advance_over(&*world.streams, &world.leads, &world.outside).await;

    let mut metrics = Metrics::default();
    for advanced in [settled, behind] {
        advanced.tell(&world.buyer, world.clock.now(), &mut metrics);
    }
    let counted: Vec<Value> =
        metrics.lines("test", 0).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found = |kind: &str, outcome: &str| {
        counted
            .iter()
            .find(|line| line["kind"] == kind && line["outcome"] == outcome)
            .map(|line| &line["Effects"])
    };
    assert_eq!(found("lead-closed", "sent"), Some(&json!(1)));
    assert_eq!(found("quote-request", "superseded"), Some(&json!(1)));
    let whole = counted.iter().find(|line| line.get("kind").is_none()).unwrap();
    assert_eq!((&whole["BuyersBehind"], &whole["FeedLag"]), (&json!(1), &json!(250)));
}
