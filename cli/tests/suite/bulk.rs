//! `leads reset` and `leads go-live`: one or many buyers in shadow.

use cli::Exit;
use domain::Fact;
use serde_json::json;
use testkit::wire::{Answer, Reply, Wire};
use testkit::{accepted, made, rejected};

use crate::all_buyers::World;
use crate::world::{Ended, Former, TestFile, interrupted, known, with_lead};

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
