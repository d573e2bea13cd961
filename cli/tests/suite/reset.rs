//! `leads reset`: resetting one or many buyers in shadow.

use cli::Exit;
use domain::Fact;
use serde_json::json;
use testkit::wire::{Answer, Reply, Wire};
use testkit::{accepted, made, rejected};

use crate::all_buyers::World;
use crate::former::{Former, known};
use crate::world::{Ended, TestFile, interrupted};

async fn reset(world: &World, former: &Former, words: &[&str]) -> Ended {
    let words: Vec<&str> =
        ["reset"].iter().chain(words).copied().chain(["--legacy-url", former.url()]).collect();
    world.leads(&words).await
}

fn migrated() -> Fact {
    Fact::Migrated(Box::default())
}

/// Six buyers: ada and bob are in shadow and fully known to the former system; it lags for cem and has handed dan over;
/// eve is erased; fay is live.
async fn six() -> (World, Former) {
    let (world, former) = (World::start().await, Former::start().await);
    for name in ["ada", "bob", "cem", "dan"] {
        world.in_shadow(name, &[migrated(), made("car-1").into(), accepted("car-1").v(2).into()]).await;
        former.knows(name, &[known("car-1", 2, "accepted")]);
    }
    former.knows("cem", &[known("car-1", 1, "pending")]);
    former.knows_also("dan", &[known("car-1", 2, "accepted")], &json!({ "handedOver": true }));
    world.in_shadow("eve", &[made("car-1").into(), Fact::Erased(None)]).await;
    world.record("fay", &[made("car-1")], "10:00:00").await;
    (world, former)
}

#[tokio::test]
async fn without_yes_buyers_are_only_counted_and_none_is_reset() {
    let (world, former) = six().await;
    let ended = reset(&world, &former, &["--all", "--json"]).await;
    assert_eq!(ended.exit, Exit::Failed);
    let counts = json!({
        "would-reset": 2, "former-behind": 1, "handed-over-there": 1, "erased": 1, "live": 1,
    });
    assert_eq!((&ended.json()["counts"], &ended.json()["isComplete"]), (&counts, &json!(true)));
    assert!(
        ended.err.ends_with("error: Not done: resetting 2 buyers cannot be undone. Pass --yes to confirm.\n")
    );
    for name in ["ada", "bob", "cem", "dan"] {
        assert_eq!(world.facts(name).await, ["migrated", "made", "accepted"]);
    }
    assert!(!former.asked().contains(&"GET /buyers/fay".to_owned()), "a live buyer is not looked up");
}

#[tokio::test]
async fn with_yes_buyers_in_shadow_are_reset_and_refusals_have_reasons() {
    let (world, former) = six().await;
    let ended = reset(&world, &former, &["--all", "--yes"]).await;
    assert_eq!(ended.exit, Exit::Findings, "{}", ended.err);
    for expected in [
        "the former system knows offer car-1 up to version 1, Leadstream up to 2 including held events",
        "the former system has handed this buyer over: take it live with `leads go-live`",
        "this buyer is erased",
        "6 buyers: 1 erased, 1 former-behind, 1 handed-over-there, 1 live, 2 reset",
    ] {
        assert!(ended.out.contains(expected), "{expected}\n{}", ended.out);
    }
    assert_eq!(world.facts("ada").await, ["migrated", "made", "accepted", "reset"]);
    assert_eq!(world.facts("cem").await, ["migrated", "made", "accepted"]);
    assert_eq!(world.facts("fay").await, ["made"]);
    assert!(former.asked().iter().all(|asked| asked.starts_with("GET ")), "no buyer is handed over");
}

#[tokio::test]
async fn a_buyer_already_reset_is_skipped_without_a_request() {
    let (world, former) = six().await;
    assert_eq!(reset(&world, &former, &["ada", "--yes"]).await.exit, Exit::Good);
    let asked = former.asked().len();
    let again = reset(&world, &former, &["ada", "--yes", "--json"]).await;
    assert_eq!((again.exit, &again.json()["counts"]), (Exit::Good, &json!({ "already-reset": 1 })));
    assert_eq!(former.asked().len(), asked);
    assert_eq!(world.facts("ada").await, ["migrated", "made", "accepted", "reset"]);
}

#[tokio::test]
async fn a_held_event_unknown_to_the_former_system_prevents_a_reset() {
    let (world, former) = (World::start().await, Former::start().await);
    world.in_shadow("ada", &[migrated(), made("car-1").into(), rejected("car-1").v(3).into()]).await;
    former.knows("ada", &[known("car-1", 2, "accepted")]);
    let ended = reset(&world, &former, &["ada", "--yes"]).await;
    assert_eq!(ended.exit, Exit::Findings);
    assert!(ended.out.contains("up to version 2, Leadstream up to 3 including held events"), "{}", ended.out);
    former.knows("ada", &[known("car-1", 3, "closed")]);
    assert_eq!(reset(&world, &former, &["ada", "--yes"]).await.exit, Exit::Good);
}

#[tokio::test]
async fn a_named_buyer_that_is_live_or_unknown_is_a_finding() {
    let (world, former) = six().await;
    let ended = reset(&world, &former, &["fay", "nobody", "--yes"]).await;
    assert_eq!(ended.exit, Exit::Findings);
    assert!(ended.out.contains("nothing is recorded about this buyer"), "{}", ended.out);
    assert_eq!(former.asked(), [""; 0]);
}

#[tokio::test]
async fn a_file_with_a_line_that_is_not_an_id_stops_the_run_at_the_start() {
    let (world, former) = six().await;
    let file = TestFile::of("ada\n\nbo b\nada\n");
    let ended = reset(&world, &former, &["--file", file.name(), "--yes"]).await;
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Failed, ""));
    assert!(ended.err.contains("line 3: `bo b`"), "{}", ended.err);
    assert_eq!((world.facts("ada").await.len(), former.asked().len()), (3, 0));

    let empty = TestFile::of("\n \n");
    let ended = reset(&world, &former, &["--file", empty.name(), "--yes"]).await;
    assert!(ended.err.contains("the file contains no buyer's id"), "{}", ended.err);
    let ended = reset(&world, &former, &["--file", "/does/not/exist", "--yes"]).await;
    assert!(ended.err.contains("cannot read /does/not/exist"), "{}", ended.err);

    let good = TestFile::of("ada\n\nbob\nada\n");
    let ended = reset(&world, &former, &["--file", good.name(), "--yes"]).await;
    assert_eq!(ended.exit, Exit::Good);
    assert!(ended.err.contains("2 buyers; 1 blank line and 1 repeat skipped."), "{}", ended.err);
}

#[tokio::test]
async fn a_buyer_without_a_usable_answer_fails_alone() {
    let (world, former) = six().await;
    for bad in [
        Reply::json(500, &json!({})),
        Reply::json(411, &json!({})),
        Reply::json(200, &json!({ "buyerId": "bob", "wasInvited": false, "offers": [] })),
        Reply::json(200, &json!([])),
    ] {
        former.answers("ada", Answer::Reply(bad));
        let ended = reset(&world, &former, &["ada", "--yes", "--json"]).await;
        assert_eq!((ended.exit, &ended.json()["counts"]), (Exit::Failed, &json!({ "failed": 1 })));
    }
    let ended = reset(&world, &former, &["ada", "bob", "--yes", "--json"]).await;
    assert_eq!((ended.exit, &ended.json()["counts"]), (Exit::Failed, &json!({ "failed": 1, "reset": 1 })));
    assert_eq!(world.facts("ada").await.len(), 3);
}

#[tokio::test]
async fn after_many_consecutive_failures_the_rest_is_not_tried() {
    let (world, former) = (World::start().await, Former::start().await);
    let names: Vec<String> = (0..60).map(|number| format!("buyer-{number}")).collect();
    for name in &names {
        world.in_shadow(name, &[migrated(), made("car-1").into()]).await;
        former.answers(name, Answer::Reply(Reply::json(503, &json!({}))));
    }
    let ended = reset(&world, &former, &["--all", "--yes", "--json", "--at-once", "4"]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(ended.err.contains("Given up: too many buyers in a row failed"), "{}", ended.err);
    assert!(ended.json()["notTried"].as_u64().unwrap() >= 30, "{}", ended.out);
}

#[tokio::test]
async fn ctrl_c_prints_the_outcomes_and_another_run_continues() {
    let (world, former) = (World::start().await, Former::start().await);
    let names: Vec<String> = (0..40).map(|number| format!("buyer-{number}")).collect();
    for name in &names {
        world.in_shadow(name, &[migrated(), made("car-1").into()]).await;
        former.knows(name, &[known("car-1", 1, "pending")]);
    }
    let url = former.url().to_owned();
    let mut gets = 0;
    // Ten requests are answered; all later ones hang.
    let wire = Wire::start(move |_| {
        gets += 1;
        if gets > 10 { Answer::Never } else { Answer::Forward(url.clone()) }
    })
    .await;
    let words = ["reset", "--all", "--yes", "--json", "--at-once", "2"];
    let (code, out) = interrupted(&world.url, wire.url(), &words, || wire.exchanges().len() >= 12).await;
    assert_eq!(code, Some(130));
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    // The two resets in progress are awaited, so their outcomes are known.
    let counts = json!({ "failed": 2, "reset": 10 });
    assert_eq!((&json["isComplete"], &json["counts"]), (&json!(false), &counts), "{json:#}");
    assert_eq!(json["notTried"], 28);

    let again = reset(&world, &former, &["--all", "--yes", "--json"]).await;
    assert_eq!(
        (again.exit, &again.json()["counts"]),
        (Exit::Good, &json!({ "already-reset": 10, "reset": 30 }))
    );
    for name in &names {
        assert_eq!(world.facts(name).await, ["migrated", "made", "reset"], "{name}");
    }
}
