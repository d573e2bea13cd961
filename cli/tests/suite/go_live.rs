//! `leads go-live`: making buyers in shadow live without waiting for an event.

use cli::Exit;
use domain::Fact;
use serde_json::json;
use testkit::wire::{Answer, Reply, Wire};
use testkit::{accepted, made};

use crate::all_buyers::World;
use crate::former::{Former, known, with_lead};
use crate::world::{Ended, TestFile, interrupted};

async fn go_live(world: &World, former: &Former, words: &[&str]) -> Ended {
    let words: Vec<&str> =
        ["go-live"].iter().chain(words).copied().chain(["--legacy-url", former.url()]).collect();
    world.leads(&words).await
}

/// Four buyers: ada and bob are in shadow and were asked about, cem is in shadow and was not, dan is live.
async fn four() -> (World, Former) {
    let (world, former) = (World::start().await, Former::start().await);
    for name in ["ada", "bob"] {
        world.in_shadow(name, &[Fact::Migrated(Box::default()), made("car-1").into()]).await;
        former.knows_also(name, &[known("car-1", 1, "pending")], &json!({ "lowLeadId": "L-1" }));
    }
    world.in_shadow("cem", &[made("car-1").into()]).await;
    world.record("dan", &[made("car-1")], "10:00:00").await;
    (world, former)
}

#[tokio::test]
async fn without_yes_buyers_are_only_counted_and_none_is_handed_over() {
    let (world, former) = four().await;
    let ended = go_live(&world, &former, &["--all-asked", "--json"]).await;
    assert_eq!(ended.exit, Exit::Failed);
    let counts = json!({ "would-go-live": 2, "not-asked": 1, "already-live": 1 });
    assert_eq!(ended.json()["counts"], counts);
    assert!(
        ended.err.contains("Not done: making 2 buyers live cannot be undone. Pass --yes"),
        "{}",
        ended.err
    );
    assert_eq!(former.asked(), [""; 0]);
    assert!(!world.is_live("ada").await);
}

#[tokio::test]
async fn all_asked_buyers_go_live_with_the_former_systems_answer() {
    let (world, former) = four().await;
    let ended = go_live(&world, &former, &["--all-asked", "--yes"]).await;
    assert_eq!(
        (ended.exit, former.asked()),
        (Exit::Good, vec!["POST /buyers/ada/handover".to_owned(), "POST /buyers/bob/handover".to_owned()],),
        "{}",
        ended.out
    );
    assert!(ended.out.ends_with("4 buyers: 1 already-live, 1 not-asked, 2 went-live\n"), "{}", ended.out);
    assert_eq!(world.facts("ada").await, ["migrated", "made", "handed-over"]);
    assert!(world.is_live("ada").await && !world.is_live("cem").await);
    let lead = &world.leads(&["show", "ada", "--json"]).await.json()["openLeads"][0];
    assert_eq!((&lead["leadId"], &lead["announcedBy"]), (&json!("L-1"), &json!("former-system")));
}

#[tokio::test]
async fn a_named_buyer_goes_live_even_if_it_was_never_asked_about() {
    let (world, former) = four().await;
    let ended = go_live(&world, &former, &["cem", "--yes", "--json"]).await;
    let row = &ended.json()["buyers"][0];
    assert_eq!((ended.exit, &row["outcome"], &row["sequence"]), (Exit::Good, &json!("went-live"), &json!(2)));
    assert_eq!(former.asked(), ["POST /buyers/cem/handover"]);
}

#[tokio::test]
async fn live_buyers_are_skipped_without_asking_the_former_system() {
    let (world, former) = four().await;
    go_live(&world, &former, &["ada", "--yes"]).await;
    let again = go_live(&world, &former, &["ada", "bob", "dan", "--yes", "--json"]).await;
    let counts = json!({ "already-live": 2, "went-live": 1 });
    assert_eq!((again.exit, &again.json()["counts"]), (Exit::Good, &counts));
    assert_eq!(former.asked().len(), 2);
}

#[tokio::test]
async fn an_unknown_buyer_is_refused_and_not_handed_over() {
    let (world, former) = four().await;
    former.knows("zoe", &[known("car-1", 1, "pending")]);
    let file = TestFile::of("zoe\nada\n");
    let ended = go_live(&world, &former, &["--file", file.name(), "--yes"]).await;
    assert_eq!(ended.exit, Exit::Findings);
    let row = ended.out.lines().find(|line| line.contains("zoe")).unwrap();
    assert!(row.contains("unknown") && row.contains("it goes live with its first event"), "{row}");
    assert_eq!(former.asked(), ["POST /buyers/ada/handover"]);
}

#[tokio::test]
async fn a_buyer_whose_handover_fails_stays_in_shadow_and_may_be_retried() {
    let (world, former) = four().await;
    former.answers("ada", Answer::Reply(Reply::json(503, &json!({}))));
    let ended = go_live(&world, &former, &["ada", "bob", "--yes", "--json"]).await;
    assert_eq!(
        (ended.exit, &ended.json()["counts"]),
        (Exit::Failed, &json!({ "failed": 1, "went-live": 1 }))
    );
    assert_eq!(world.facts("ada").await, ["migrated", "made"]);
    former.knows("ada", &[known("car-1", 1, "pending")]);
    assert_eq!(go_live(&world, &former, &["ada", "--yes"]).await.exit, Exit::Good);
    assert!(world.is_live("ada").await);
}

#[tokio::test]
async fn ctrl_c_awaits_handovers_in_progress_and_another_run_continues() {
    let (world, former) = (World::start().await, Former::start().await);
    let names: Vec<String> = (0..30).map(|number| format!("buyer-{number}")).collect();
    for name in &names {
        world.in_shadow(name, &[Fact::Migrated(Box::default()), made("car-1").into()]).await;
        former.knows(name, &[known("car-1", 1, "pending")]);
    }
    let url = former.url().to_owned();
    let mut posts = 0;
    // Eight handovers are answered, the answers of two are lost, and all later requests hang.
    let wire = Wire::start(move |_| {
        posts += 1;
        match posts {
            ..=8 => Answer::Forward(url.clone()),
            9 | 10 => Answer::ForwardThenReset(url.clone()),
            _ => Answer::Never,
        }
    })
    .await;
    let words = ["go-live", "--all-asked", "--yes", "--json", "--at-once", "2"];
    let (code, out) = interrupted(&world.url, wire.url(), &words, || wire.exchanges().len() >= 12).await;
    assert_eq!(code, Some(130));
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let counts = json!({ "failed": 4, "went-live": 8 });
    assert_eq!((&json["isComplete"], &json["counts"]), (&json!(false), &counts), "{json:#}");

    let again = go_live(&world, &former, &["--all-asked", "--yes", "--json"]).await;
    assert_eq!(
        (again.exit, &again.json()["counts"]),
        (Exit::Good, &json!({ "already-live": 8, "went-live": 22 }))
    );
    for name in &names {
        assert_eq!(world.facts(name).await, ["migrated", "made", "handed-over"], "{name}");
    }
}

#[tokio::test]
async fn going_live_resolves_a_handover_recorded_only_in_the_former_system() {
    let (world, former) = (World::start().await, Former::start().await);
    let offers = [with_lead(known("car-1", 2, "accepted"), "H-1")];
    world
        .in_shadow(
            "ada",
            &[Fact::Migrated(Box::default()), made("car-1").into(), accepted("car-1").v(2).into()],
        )
        .await;
    former.knows_also("ada", &offers, &json!({ "handedOver": true }));
    let parity = ["parity", "ada", "--json", "--legacy-url", former.url()];
    let before = world.leads(&parity).await;
    assert_eq!(
        (before.exit, &before.json()["classes"]["handed-over-there"]["buyers"]),
        (Exit::Findings, &json!(1))
    );
    assert_eq!(go_live(&world, &former, &["ada", "--yes"]).await.exit, Exit::Good);
    assert_eq!(world.leads(&parity).await.exit, Exit::Good);
}
