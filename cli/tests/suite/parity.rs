//! `leads parity`: comparing buyers with the former system.

use std::collections::BTreeMap;

use cli::Exit;
use domain::Fact;
use serde_json::json;
use testkit::wire::{Answer, Reply, Wire};
use testkit::{accepted, made};

use crate::all_buyers::World;
use crate::world::{Ended, Former, TestFile, interrupted, known, online, with_lead};

async fn parity(world: &World, former: &Former, words: &[&str]) -> Ended {
    let words: Vec<&str> =
        ["parity"].iter().chain(words).copied().chain(["--legacy-url", former.url()]).collect();
    world.leads(&words).await
}

/// Four buyers: ada is the same on both sides, bob has another stage, cem lags, dan is live and the same.
async fn four() -> (World, Former) {
    let (world, former) = (World::start().await, Former::start().await);
    for name in ["ada", "bob", "cem"] {
        world
            .in_shadow(
                name,
                &[Fact::Migrated(Box::default()), made("car-1").into(), accepted("car-1").v(2).into()],
            )
            .await;
    }
    world.record("dan", &[made("car-1")], "10:00:00").await;
    former.knows("ada", &[with_lead(known("car-1", 2, "accepted"), "H-1")]);
    former.knows("bob", &[known("car-1", 2, "closed")]);
    former.knows("cem", &[known("car-1", 3, "closed")]);
    former.knows("dan", &[known("car-1", 1, "pending")]);
    (world, former)
}

#[tokio::test]
async fn each_buyer_costs_one_query_and_one_get_and_is_not_handed_over() {
    let (world, former) = four().await;
    let ended = parity(&world, &former, &["--all"]).await;
    assert_eq!(ended.exit, Exit::Findings, "{}", ended.err);
    for expected in [
        "other-stage   bob     car-1   accepted v2   closed v2",
        "lag           cem     car-1   accepted v2   closed v3",
        "4 buyers: 4 compared, 2 without a difference.",
        "1 unexplained difference, at most 0 allowed.",
    ] {
        assert!(ended.out.contains(expected), "{expected}\n{}", ended.out);
    }
    let asked = ["ada", "bob", "cem", "dan"].map(|name| format!("GET /buyers/{name}"));
    assert_eq!(former.asked(), asked);
    let url = world.url.clone();
    let wire = Wire::start(move |_| Answer::Forward(url.clone())).await;
    let words = ["parity", "ada", "bob", "cem", "dan", "--legacy-url", former.url()];
    online(wire.url(), &words).await;
    assert_eq!(wire.operations(), ["Query"; 4]);
    for name in ["ada", "bob", "cem"] {
        assert_eq!(world.facts(name).await, ["migrated", "made", "accepted"]);
    }
}

#[tokio::test]
async fn the_allowed_number_of_unexplained_differences_is_a_success() {
    let (world, former) = four().await;
    assert_eq!(parity(&world, &former, &["--all", "--allow", "1"]).await.exit, Exit::Good);
    let file =
        TestFile::of("{\"class\":\"other-stage\",\"here\":\"accepted\",\"reason\":\"they close early\"}\n\n");
    let ended = parity(&world, &former, &["--all", "--explained", file.name(), "--json"]).await;
    let json = ended.json();
    assert_eq!(
        (ended.exit, &json["unexplained"], &json["isComplete"]),
        (Exit::Good, &json!(0), &json!(true))
    );
    assert_eq!(json["reasons"], json!({ "they close early": 1 }));
    let example = &json["classes"]["explained"]["examples"][0];
    assert_eq!(
        (&example["buyerId"], &example["differences"][0]["class"]),
        (&json!("bob"), &json!("other-stage"))
    );
    let wrong = TestFile::of("\n{\"class\":\"lost\",\"reason\":\"r\"}\n");
    let ended = parity(&world, &former, &["--all", "--explained", wrong.name()]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(ended.err.contains("line 2: `class` must be one of"), "{}", ended.err);
}

#[tokio::test]
async fn a_named_buyer_unknown_to_both_systems_is_a_finding() {
    let (world, former) = four().await;
    let ended = parity(&world, &former, &["ada", "nobody"]).await;
    assert_eq!(ended.exit, Exit::Findings);
    assert!(ended.out.contains("1 buyer unknown to both sides: nobody."), "{}", ended.out);
    former.knows("zoe", &[known("car-1", 1, "pending")]);
    let json = parity(&world, &former, &["zoe", "--json"]).await.json();
    assert_eq!(json["classes"]["lag"]["buyers"], 1, "the next event looks the buyer up");
}

#[tokio::test]
async fn a_buyer_that_cannot_be_compared_fails_alone_and_is_retried() {
    let (world, former) = four().await;
    let state = TestFile::of("");
    let words = ["ada", "bob", "--state", state.name(), "--json", "--allow", "9"];
    former.answers("ada", Answer::Reply(Reply::json(500, &json!({}))));
    let ended = parity(&world, &former, &words).await;
    assert_eq!((ended.exit, &ended.json()["compared"]), (Exit::Failed, &json!(1)));
    assert!(ended.json()["failed"][0]["why"].as_str().unwrap().contains("status 500"), "{}", ended.out);
    former.knows("ada", &[with_lead(known("car-1", 2, "accepted"), "H-1")]);
    let again = parity(&world, &former, &words).await;
    let json = again.json();
    assert_eq!((again.exit, &json["compared"], &json["comparedEarlier"]), (Exit::Good, &json!(2), &json!(1)));
}

#[tokio::test]
async fn a_sample_is_the_same_every_time() {
    let (world, former) = (World::start().await, Former::start().await);
    for number in 0..20 {
        world.in_shadow(&format!("buyer-{number}"), &[made("car-1").into()]).await;
    }
    parity(&world, &former, &["--sample", "7"]).await;
    let once = former.asked();
    assert_eq!(once.len(), 7);
    parity(&world, &former, &["--sample", "7"]).await;
    let twice: Vec<String> = once.iter().flat_map(|asked| [asked.clone(), asked.clone()]).collect();
    assert_eq!(former.asked(), twice);
}

#[tokio::test]
async fn at_most_ten_buyers_of_a_class_are_shown() {
    let (world, former) = (World::start().await, Former::start().await);
    for number in 10..30 {
        let name = format!("buyer-{number}");
        world.in_shadow(&name, &[Fact::Migrated(Box::default()), made("car-1").into()]).await;
        former.knows(&name, &[known("car-1", 1, "closed")]);
    }
    let class = &parity(&world, &former, &["--all", "--json"]).await.json()["classes"]["other-stage"];
    assert_eq!((&class["buyers"], &class["differences"]), (&json!(20), &json!(20)));
    let examples = class["examples"].as_array().unwrap();
    let names: Vec<&str> = examples.iter().map(|row| row["buyerId"].as_str().unwrap()).collect();
    let expected: Vec<String> = (10..20).map(|number| format!("buyer-{number}")).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn the_report_is_self_contained_and_escapes_untrusted_text() {
    let (world, former) = four().await;
    world.in_shadow("<script>", &[Fact::Migrated(Box::default()), made("car-1").into()]).await;
    former.knows("%3Cscript%3E", &[]);
    former.answers(
        "%3Cscript%3E",
        Answer::Reply(Reply::json(
            200,
            &json!({ "buyerId": "<script>", "wasInvited": false, "offers": [known("car-1", 1, "closed")] }),
        )),
    );
    let report = TestFile::of("");
    let ended = parity(&world, &former, &["--all", "--report", report.name()]).await;
    assert_eq!(ended.exit, Exit::Findings, "{}", ended.err);
    let page = std::fs::read_to_string(report.name()).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(
        page.contains("<svg") && page.contains("&lt;script&gt;") && page.contains("The systems differ, or")
    );
    for outside in ["<script", "http", "src=", "url(", "@import", "href"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(!page.to_lowercase().contains("canary"));
    let twice = ["--all", "--report", report.name(), "--state", report.name()];
    let ended = parity(&world, &former, &twice).await;
    assert!(ended.err.contains("must be different files"), "{}", ended.err);
    let ended = parity(&world, &former, &["--all", "--report", "/does/not/exist.html"]).await;
    assert!(ended.err.contains("cannot write /does/not/exist.html"), "{}", ended.err);
}

#[tokio::test]
async fn a_foreign_state_file_is_refused_and_a_partial_line_is_redone() {
    let (world, former) = four().await;
    for (content, expected) in [
        ("ada\n", "line 1: not a line written by `leads parity`"),
        (
            "{\"buyerId\":\"ada\",\"isKnown\":true,\"fold\":1,\"differences\":[]}\n",
            "by a version with other rules",
        ),
    ] {
        let state = TestFile::of(content);
        let ended = parity(&world, &former, &["--all", "--state", state.name()]).await;
        assert_eq!((ended.exit, former.asked().len()), (Exit::Failed, 0));
        assert!(ended.err.contains(expected), "{}", ended.err);
    }
    let state = TestFile::of("");
    parity(&world, &former, &["--all", "--state", state.name()]).await;
    let whole = std::fs::read(state.name()).unwrap();
    std::fs::write(state.name(), &whole[..whole.len() - 5]).unwrap();
    let ended = parity(&world, &former, &["--all", "--state", state.name(), "--json"]).await;
    assert_eq!(ended.json()["comparedEarlier"], 3);
    let lines = std::fs::read_to_string(state.name()).unwrap();
    assert_eq!(lines.lines().count(), 4, "{lines}");
}

#[tokio::test]
async fn an_interrupted_comparison_continues_without_asking_twice() {
    let (world, former) = (World::start().await, Former::start().await);
    for number in 0..40 {
        let name = format!("buyer-{number}");
        world.in_shadow(&name, &[Fact::Migrated(Box::default()), made("car-1").into()]).await;
        former.knows_also(&name, &[known("car-1", 1, "pending")], &json!({ "lowLeadId": "L-1" }));
    }
    let url = former.url().to_owned();
    let mut gets = 0;
    // Fifteen requests are answered; all later ones hang.
    let wire = Wire::start(move |_| {
        gets += 1;
        if gets > 15 { Answer::Never } else { Answer::Forward(url.clone()) }
    })
    .await;
    let state = TestFile::of("");
    let words = ["parity", "--all", "--json", "--at-once", "3", "--state", state.name()];
    let (code, out) = interrupted(&world.url, wire.url(), &words, || wire.exchanges().len() >= 18).await;
    assert_eq!(code, Some(130));
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&json["isComplete"], &json["compared"]), (&json!(false), &json!(15)), "{json:#}");

    let again = parity(&world, &former, &["--all", "--json", "--state", state.name()]).await;
    let json = again.json();
    assert_eq!(
        (again.exit, &json["compared"], &json["comparedEarlier"]),
        (Exit::Good, &json!(40), &json!(15))
    );
    let mut answered: BTreeMap<String, u32> = BTreeMap::new();
    for asked in former.asked() {
        *answered.entry(asked).or_default() += 1;
    }
    assert_eq!(answered.len(), 40);
    assert!(answered.values().all(|times| *times == 1), "{answered:?}");
}
