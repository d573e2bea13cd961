//! A temporary failure stops one buyer: it is marked behind, and a later advance performs the rest.

use contract::receipt::{Kind, Receipt};
use contract::trace::TraceParent;
use domain::Sequence;
use effects::outside::Delivery;
use effects::{Advance, CannotMark, KnownPauses};
use event_store::{Appending, EventStore as _, Head};
use jiff::SignedDuration;
use leads_store::{Behind, Cursor, LeadsStore, Progress, Receipts as _};
use platform::clock::{Clock as _, Deadline};
use platform::telemetry::Metrics;
use serde_json::{Value, json};
use testkit::hooks::{BeforeFirst, Fate, Faults};
use testkit::{Hooked, accepted, at, made, withdrawn};

use crate::world::{Seen, World, behind, settled};

const SALES_DOWN: &str =
    "the sales team's queue did not take buyer-7/quote/car-2: the test's queue takes nothing now";

#[tokio::test]
async fn an_unavailable_queue_leaves_the_cursor_at_the_last_settled_commit() {
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
async fn after_an_outage_messages_repeat_under_the_same_id() {
    let world = World::given(&[made("car-1")]).await;
    world.record(&[accepted("car-1").v(2)]).await;
    world.record(&[made("car-2")]).await;
    let faults = Faults::at(&[(3, Fate::Fails)]);
    let outside = Hooked { inner: &world.outside, hook: &faults };
    // The second commit's message is not sent, and the cursor cannot be moved past the first commit.
    let leads_faults = Faults::at(&[(4, Fate::Fails)]);
    let leads = Hooked { inner: &world.leads, hook: &leads_faults };
    let stopped = world.advance_over(&*world.streams, &leads, &outside).await;
    assert_eq!(leads_faults.calls()[4], "move_cursor");

    let performed = ["closed/low/1 sent", "opened/high/car-1/2 sent", "accepted-email/car-1/2 sent"];
    assert_eq!(Seen::of(&stopped).performed, performed);
    assert_eq!(
        faults.calls(),
        ["notify_sales", "notify_sales", "send accepted-email/car-1/2", "notify_sales"]
    );

    assert_eq!(
        world.advance().await,
        settled(3, &[performed[0], performed[1], performed[2], "quote/car-2 sent"])
    );
    let ids = ["closed/low/1", "opened/high/car-1/2"];
    let sales = ["quote/car-1", "opened/low/1", ids[0], ids[1], ids[0], ids[1], "quote/car-2"];
    assert_eq!(world.sales(), sales);
    assert_eq!(world.emails(), ["quote-email", "accepted-email/car-1/2"]);
}

#[tokio::test]
async fn sales_messages_of_a_commit_are_sent_before_its_emails() {
    let world = World::given(&[made("car-1")]).await;
    world.record(&[accepted("car-1").v(2), made("car-2")]).await;
    let calls = Faults::default();
    let outside = Hooked { inner: &world.outside, hook: &calls };
    let advanced = world.advance_over(&*world.streams, &world.leads, &outside).await;
    let messages = ["closed/low/1 sent", "opened/high/car-1/2 sent", "quote/car-2 sent"];
    assert_eq!(
        Seen::of(&advanced).performed,
        [messages.as_slice(), &["accepted-email/car-1/2 sent"]].concat()
    );
    assert_eq!(
        calls.calls(),
        ["notify_sales", "notify_sales", "notify_sales", "send accepted-email/car-1/2"]
    );
}

#[tokio::test]
async fn a_buyer_that_stays_behind_is_retried_at_growing_intervals() {
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
async fn nothing_is_started_that_could_outlive_the_deadline() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    let (clock, letterhead) = (&world.clock, &world.letterhead);
    let advance = Advance {
        streams: &*world.streams,
        leads: &world.leads,
        outside: &world.outside,
        clock,
        letterhead,
        pauses: &KnownPauses::default(),
    };
    let ends_at = |time| Deadline::at(at(time));
    let too_late = advance.advance(&world.buyer, ends_at("10:00:05")).await.unwrap();
    assert_eq!(
        (too_late.performed.len(), too_late.behind.as_deref()),
        (0, Some("the invocation's time is up"))
    );

    let no_mail = advance.advance(&world.buyer, ends_at("10:00:10.999")).await.unwrap();
    assert_eq!(
        (no_mail.performed.len(), no_mail.behind.as_deref()),
        (2, Some("the invocation's time is up"))
    );
    assert_eq!((world.emails(), world.ledger().len()), (vec![], 0), "not even claimed");
}

#[tokio::test]
async fn without_time_for_an_attempt_the_email_is_parked_for_the_sweeper() {
    for (ends, status) in [("10:00:11", "retry"), ("10:00:24.999", "retry"), ("10:00:25", "sent")] {
        let world = World::new();
        world.record(&[made("car-1")]).await;
        let advance = Advance {
            streams: &*world.streams,
            leads: &world.leads,
            outside: &world.outside,
            clock: &world.clock,
            letterhead: &world.letterhead,
            pauses: &KnownPauses::default(),
        };
        let advanced = advance.advance(&world.buyer, Deadline::at(at(ends))).await.unwrap();
        let performed = ["quote/car-1 sent", "opened/low/1 sent", &format!("quote-email {status}")];
        assert_eq!(Seen::of(&advanced), settled(1, &performed), "{ends}");
        let entry = world.tables().ledger.into_values().next().unwrap();
        assert_eq!(entry.status.name(), status);
        if status == "retry" {
            assert_eq!((entry.due, entry.first_tried_at), (Some(at("10:00:00")), None), "{ends}");
            assert_eq!(world.emails(), [""; 0], "{ends}");
        }
    }
}

#[tokio::test]
async fn only_a_buyer_that_cannot_be_marked_fails_the_invocation() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.refuse_sales(1);
    let faults = Faults::at(&[(3, Fate::Fails)]);
    let leads = Hooked { inner: &world.leads, hook: &faults };
    let advance = Advance {
        streams: &*world.streams,
        leads: &leads,
        outside: &world.outside,
        clock: &world.clock,
        letterhead: &world.letterhead,
        pauses: &KnownPauses::default(),
    };
    let failed = advance.advance(&world.buyer, world.deadline()).await;
    let CannotMark { buyer, reason, .. } = failed.unwrap_err();
    let down = "the sales team's queue did not take buyer-7/quote/car-1: the test's queue takes nothing now";
    assert_eq!((buyer, reason.as_str()), (world.buyer.clone(), down));
    assert_eq!(faults.calls(), ["cursor", "pauses", "move_cursor", "mark_behind"]);
}

#[tokio::test]
async fn a_worker_that_stops_halfway_leaves_the_mark_it_read() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.refuse_sales(1);
    world.advance().await;
    let mark = world.tables().cursors[&world.buyer].behind.clone();
    assert!(mark.is_some());
    world.record(&[made("car-2")]).await;

    let (streams, leads, outside) =
        (Faults::default(), Faults::at(&[(5, Fate::Fails)]), Faults::at(&[(3, Fate::Fails)]));
    let advance = Advance {
        streams: &Hooked { inner: &*world.streams, hook: &streams },
        leads: &Hooked { inner: &world.leads, hook: &leads },
        outside: &Hooked { inner: &world.outside, hook: &outside },
        clock: &world.clock,
        letterhead: &world.letterhead,
        pauses: &KnownPauses::default(),
    };
    advance.advance(&world.buyer, world.deadline()).await.unwrap_err();
    let calls = ["cursor", "pauses", "claim quote-email", "settle quote-email", "move_cursor", "mark_behind"];
    assert_eq!(leads.calls(), calls);
    let cursor = Cursor { through: Sequence::new(1), behind: mark, ..Cursor::default() };
    assert_eq!(world.leads.cursor(&world.buyer).await.unwrap(), cursor);
}

#[tokio::test]
async fn a_commit_settled_halfway_is_continued_from_there() {
    let world = World::new();
    world.record(&[made("car-1"), made("car-2")]).await;
    let progress = Progress { through: Sequence::new(1), ..Progress::default() };
    world.leads.move_cursor(&world.buyer, &progress, None).await.unwrap();
    assert_eq!(world.advance().await, settled(2, &["quote/car-2 sent"]));
}

#[tokio::test]
async fn every_effect_and_every_buyer_behind_is_counted() {
    let world = World::new();
    world.record(&[made("car-1"), withdrawn("car-1").v(2)]).await;
    world.clock.pass(SignedDuration::from_millis(250));
    let settled = world.advance_over(&*world.streams, &world.leads, &world.outside).await;
    world.record(&[made("car-2")]).await;
    world.outside.refuse_sales(1);
    let behind = world.advance_over(&*world.streams, &world.leads, &world.outside).await;

    let mut metrics = Metrics::default();
    for advanced in [settled, behind] {
        advanced.report(&world.buyer, world.clock.now(), &mut metrics);
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
    let totals = counted.iter().find(|line| line.get("kind").is_none()).unwrap();
    assert_eq!((&totals["BuyersBehind"], &totals["FeedLag"]), (&json!(1), &json!(250)));
    assert_eq!(totals.get("EmailsRejected"), None);
}

fn refused() -> Delivery {
    Delivery::Refused { reason: "MessageRejected".to_owned() }
}

impl World {
    /// The number of rejected e-mails that an advance counts for the alarm.
    async fn rejected(&self, leads: &impl LeadsStore) -> u64 {
        let advanced = self.advance_over(&*self.streams, leads, &self.outside).await;
        let mut metrics = Metrics::default();
        advanced.report(&self.buyer, self.clock.now(), &mut metrics);
        let lines = metrics.lines("test", 0);
        let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter_map(|line| line.get("EmailsRejected")?.as_u64()).sum()
    }
}

#[tokio::test]
async fn a_rejected_email_is_counted_once_even_if_passed_later() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([refused()]);
    assert_eq!(world.rejected(&world.leads).await, 1);
    world.record(&[withdrawn("car-1").v(2), made("car-2")]).await;
    assert_eq!(world.rejected(&world.leads).await, 0);
    assert_eq!(world.emails(), ["quote-email"], "passed");
}

#[tokio::test]
async fn an_email_rejected_by_one_look_is_not_counted_by_the_next() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.record(&[accepted("car-1").v(2)]).await;
    world.record(&[made("car-2"), withdrawn("car-1").v(3)]).await;
    world.outside.deliver_as([refused()]);
    // The cursor cannot move, so the next look comes to the same e-mail.
    let away = Faults::always("move_cursor", Fate::Fails);
    assert_eq!(world.rejected(&Hooked { inner: &world.leads, hook: &away }).await, 1);
    assert_eq!(world.rejected(&world.leads).await, 0);
}

#[tokio::test]
async fn an_email_first_rejected_by_a_receipt_is_counted_there_only() {
    let world = World::new();
    world.record(&[made("car-1")]).await;
    world.outside.deliver_as([refused()]);
    let meanwhile = BeforeFirst::new("settle quote-email", async || {
        let entry = world.tables().ledger.into_values().next().unwrap();
        let receipt = Receipt {
            buyer: world.buyer.clone(),
            effect: "quote-email".to_owned(),
            nonce: entry.nonce,
            kind: Kind::Rejected,
            message_id: "ses-1".to_owned(),
        };
        world.leads.apply_receipt(&receipt, at("09:59:59")).await.unwrap();
    });
    assert_eq!(world.rejected(&Hooked { inner: &world.leads, hook: &meanwhile }).await, 0);
    assert_eq!(world.ledger()["quote-email"], "rejected");
}

#[tokio::test]
async fn each_effect_names_the_event_that_called_for_it() {
    let world = World::given(&[made("car-1")]).await;
    world.record(&[accepted("car-1").v(2), made("car-2")]).await;
    let advanced = world.advance_over(&*world.streams, &world.leads, &world.outside).await;
    let named: Vec<(String, &str)> = advanced
        .performed
        .iter()
        .map(|performed| (performed.effect.key(), performed.event_id.as_deref().unwrap()))
        .collect();
    let (accepted, made) = (accepted("car-1").v(2).id.to_string(), made("car-2").id.to_string());
    let expected = [
        ("closed/low/1", &accepted),
        ("opened/high/car-1/2", &accepted),
        ("quote/car-2", &made),
        ("accepted-email/car-1/2", &accepted),
    ];
    assert_eq!(named, expected.map(|(key, id)| (key.to_owned(), id.as_str())));
}

/// The `traceparent` of each sales message about `buyer-7` after an event with this trace.
async fn continued(trace: Option<TraceParent>) -> Vec<Value> {
    let world = World::new();
    let mut appending = Appending::onto(Head::default()).live();
    appending.take(made("car-1").into());
    if let Some(trace) = trace {
        appending.trace(Sequence::new(1), trace);
    }
    let (commit, _) = appending.commit(&world.buyer, world.clock.now()).unwrap();
    world.streams.append(&commit).await.unwrap();
    world.advance().await;
    let bodies = world.outside.sales().into_iter().map(|message| message.body);
    bodies.map(|body| serde_json::from_str::<Value>(&body).unwrap()["traceparent"].take()).collect()
}

#[tokio::test]
async fn a_sales_message_continues_the_trace_of_its_event_and_a_repeat_is_the_same() {
    let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace = TraceParent::parse(text).unwrap();
    let messages = continued(Some(trace)).await;
    let spans: Vec<TraceParent> =
        messages.iter().map(|one| TraceParent::parse(one.as_str().unwrap()).unwrap()).collect();
    assert!(spans.iter().all(|span| span.trace_id() == trace.trace_id() && span.is_sampled()));
    assert_eq!(spans.len(), 2, "a quote request and a lead");
    assert!(spans[0] != spans[1] && !spans.contains(&trace), "each has its own span: {spans:?}");
    assert_eq!(continued(Some(trace)).await, messages);
    assert_eq!(continued(None).await, [Value::Null, Value::Null]);
}
