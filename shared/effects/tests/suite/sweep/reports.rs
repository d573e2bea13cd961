//! The report of a sweep: failures and their reasons, unreadable items, and work that is left or open.

use contract::stored::shard_of;
use domain::Sequence;
use effects::Failed;
use effects::outside::MemoryOutside;
use leads_store::{
    Behind, Claim, Claimed, LeadsStore as _, LedgerEntry, Status, Taking, WorkKind, WorkPlace,
};
use platform::clock::Clock as _;
use serde_json::json;
use testkit::hooks::{BeforeEach, Call, Fate, Faults};
use testkit::leads::{claim, record};
use testkit::wire::{Answer, Reply, Wire};
use testkit::{Hooked, accepted, at, buyer, made};

use super::{minutes, per_second, throttled};
use crate::world::World;
use testkit::engine::{Engine, LEADS, leads_at};

#[tokio::test]
async fn a_failed_email_is_reported_with_its_reason_and_stops_no_other() {
    let world = World::new();
    world.invite(["ada", "bob", "cem"].map(str::to_owned), throttled()).await;
    world.clock.pass(minutes(5));
    let faulty = Hooked {
        inner: &*world.streams,
        hook: &BeforeEach("page", async |call: &Call<'_>| {
            assert_ne!(call.buyer, "bob", "an injected fault");
        }),
    };
    let swept = world.sweep_over(&faulty, &world.leads, &world.outside).await;
    let failed = Failed { buyer: buyer("bob"), what: "quote-email".to_owned(), reason: "a panic".to_owned() };
    assert_eq!(swept.failed, [failed]);
    assert_eq!(swept.left.into_iter().collect::<Vec<_>>(), [("email", "a panic".to_owned())]);
    assert_eq!((swept.emails.len(), world.count(Status::Sent)), (2, 2));
    assert_eq!(world.sweep().await.failed, [], "it stayed due, and is now done");
    assert_eq!(world.count(Status::Sent), 3);
}

#[tokio::test]
async fn a_table_error_at_an_email_is_reported_with_its_reason() {
    let world = World::new();
    world.invite(["ada".to_owned()], throttled()).await;
    world.clock.pass(minutes(5));
    let away = Faults::always("claim quote-email", Fate::Fails);
    let leads = Hooked { inner: &world.leads, hook: &away };
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    let reason = "the leads table did not answer claim for ada: lost".to_owned();
    let failed = Failed { buyer: buyer("ada"), what: "quote-email".to_owned(), reason };
    assert_eq!(swept.failed, [failed]);
}

#[tokio::test]
async fn a_failed_look_at_a_gap_is_reported_with_its_reason() {
    let world = World::new();
    for name in ["ada", "bob"] {
        let name = buyer(name);
        record(&*world.streams, &name, &[accepted("car-1").v(2)], world.clock.now()).await;
    }
    world.clock.pass(minutes(3));
    world.sweep().await;
    world.clock.pass(minutes(60));
    let faulty = Hooked {
        inner: &*world.streams,
        hook: &BeforeEach("page", async |call: &Call<'_>| {
            assert_ne!(call.buyer, "bob", "an injected fault");
        }),
    };
    let swept = world.sweep_over(&faulty, &world.leads, &world.outside).await;
    let failed = Failed { buyer: buyer("bob"), what: "held".to_owned(), reason: "a panic".to_owned() };
    assert_eq!((swept.failed, swept.held.len()), (vec![failed], 1));
    assert_eq!(swept.left["held"], "a panic");
}

#[tokio::test]
async fn a_kind_of_work_that_cannot_be_listed_is_left_and_others_are_done() {
    for kind in WorkKind::ALL {
        let world = World::new();
        world.invite(["ada".to_owned()], throttled()).await;
        world.clock.pass(minutes(5));
        let name = format!("due {}", kind.name());
        let away = Faults::always(&name, Fate::Fails);
        let leads = Hooked { inner: &world.leads, hook: &away };
        let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
        let reason = "the leads table did not answer due for sweeper: lost".to_owned();
        assert_eq!(swept.left.into_iter().collect::<Vec<_>>(), [(kind.name(), reason)]);
        assert_eq!(world.count(Status::Sent), usize::from(kind != WorkKind::Email));
    }
}

#[tokio::test]
async fn open_work_is_counted_by_kind_whether_due_or_not() {
    let world = World::new();
    world.invite(["ada", "bob"].map(str::to_owned), throttled()).await;
    let (mark, reason) = ("mark".to_owned(), "test".to_owned());
    let behind = Behind { mark, reason, attempts: 1, not_before: world.clock.now() + minutes(90) };
    world.leads.mark_behind(&buyer("cem"), &behind).await.unwrap();
    let swept = world.sweep().await;
    let open: Vec<_> = swept.open.into_iter().collect();
    assert_eq!(open, [(WorkKind::Email, 2), (WorkKind::Behind, 1), (WorkKind::Held, 0)]);
}

#[tokio::test]
async fn all_pages_of_a_shard_are_counted() {
    let (world, engine) = (World::new(), Engine::start().await);
    let url = engine.url.clone();
    let wire = Wire::start(move |request| {
        let query = request.json();
        if query["Select"] != "COUNT" {
            return Answer::Forward(url.clone());
        }
        let place = json!({
            "buyer": { "S": "ada" }, "kind": { "S": "cursor" }, "due": { "S": "2026-11-23T10:00:00.000Z" },
            "openWork": query["ExpressionAttributeValues"][":work"],
        });
        let is_second = query["ExclusiveStartKey"] == place;
        let page =
            if is_second { json!({ "Count": 1 }) } else { json!({ "Count": 2, "LastEvaluatedKey": place }) };
        Answer::Reply(Reply::json(200, &page))
    })
    .await;
    let leads = leads_at(wire.url());
    let swept = world.sweep_over(&*world.streams, &leads, &world.outside).await;
    assert_eq!(swept.open.into_iter().collect::<Vec<_>>(), WorkKind::ALL.map(|kind| (kind, 4 * 3)));
}

/// Sweeps with the leads table in a DynamoDB engine, at the world's time.
async fn sweep_over(world: &World, engine: &Engine, outside: &MemoryOutside) -> effects::Swept {
    let leads = leads_at(&engine.url);
    let (swept, ended) = world.sweep_as(per_second(1000), &*world.streams, &leads, outside).await;
    ended.unwrap();
    swept
}

#[tokio::test]
async fn unreadable_items_are_reported_and_due_again_in_an_hour() {
    let (world, engine) = (World::new(), Engine::start().await);
    let s = |text: &str| json!({ "S": text });
    for number in 0..150 {
        let name = format!("unreadable-{number}");
        let shard = format!("email#{}", shard_of(&buyer(&name), 4));
        engine.put(
            LEADS,
            &json!({
                "buyer": s(&name), "kind": s("email/quote-email"), "openWork": s(&shard),
                "due": s("2026-11-23T09:00:00.000Z"), "status": s("?"),
            }),
        );
    }
    let swept = sweep_over(&world, &engine, &world.outside).await;
    assert_eq!(swept.unreadable.len(), 150);
    let place = WorkPlace {
        due: "2026-11-23T09:00:00.000Z".to_owned(),
        buyer: "unreadable-7".to_owned(),
        kind: "email/quote-email".to_owned(),
    };
    assert!(swept.unreadable.contains(&place));
    assert_eq!((swept.left.len(), swept.open[&WorkKind::Email]), (0, 150), "they stay and are counted");

    world.clock.pass(minutes(59));
    assert_eq!(sweep_over(&world, &engine, &world.outside).await.unreadable.len(), 0, "not due yet");
    world.clock.pass(minutes(1));
    assert_eq!(sweep_over(&world, &engine, &world.outside).await.unreadable.len(), 150, "reported again");
}

#[tokio::test]
async fn an_email_with_an_unreadable_key_is_reported_and_postponed() {
    let world = World::new();
    for (key, taking) in [
        ("reminder-email/car-1", Taking::Park(world.clock.now())),
        ("accepted-email/car-1/0", Taking::Attempt(world.clock.now())),
    ] {
        let first = Claim { taking, ..claim(key, "first", "10:00:00") };
        assert_eq!(world.leads.claim(&first).await.unwrap(), Claimed::Ours);
    }
    let found: Vec<LedgerEntry> = world.tables().ledger.into_values().collect();
    let swept = world.sweep().await;
    let keys: Vec<&str> = swept.unreadable.iter().map(|place| place.kind.as_str()).collect();
    assert_eq!(keys, ["email/accepted-email/car-1/0", "email/reminder-email/car-1"]);
    assert_eq!((swept.emails.len(), swept.open[&WorkKind::Email]), (0, 2));
    let due = Some(at("11:00:00"));
    let left = found.into_iter().map(|entry| LedgerEntry { due, ..entry });
    assert!(world.tables().ledger.into_values().eq(left), "due later, otherwise unchanged");
    world.clock.pass(minutes(59));
    assert_eq!(world.sweep().await.unreadable.len(), 0, "not due yet");
}

#[tokio::test]
async fn a_sweep_over_dynamodb_sends_and_closes_due_emails() {
    let (world, engine) = (World::new(), Engine::start().await);
    let streams = testkit::engine::streams_at(&engine.url);
    let leads = leads_at(&engine.url);
    record(&streams, &world.buyer, &[made("car-1")], world.clock.now()).await;
    world.outside.deliver_as([throttled()]);
    let advanced = world.advance_over(&streams, &leads, &world.outside).await;
    assert_eq!((advanced.through, advanced.behind), (Sequence::new(1), None));
    // The sweeper reads the stream in memory and its fence checks the table in DynamoDB, so both have the same commit.
    world.record(&[made("car-1")]).await;
    world.clock.pass(minutes(5));
    let swept = sweep_over(&world, &engine, &world.outside).await;
    assert_eq!(super::changed_emails(&swept), ["quote-email sent"]);
    let about = leads.about(&world.buyer).await.unwrap();
    assert_eq!(about.ledger["quote-email"].status, Status::Sent);
    assert_eq!((swept.open[&WorkKind::Email], world.emails().len()), (0, 2));
}
