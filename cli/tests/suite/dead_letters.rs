//! `leads dead-letters`, on a simulated queue.

use std::collections::BTreeSet;

use cli::Exit;
use serde_json::json;

use crate::letters::{Letter, World, letter};
use crate::world::{assert_golden, offline};

fn three() -> Vec<Letter> {
    vec![letter(0, "ada", "contradiction"), letter(1, "bob", "not-json"), letter(2, "ada", "moved")]
}

#[tokio::test]
async fn list_shows_reasons_without_personal_data_and_removes_nothing() {
    let world = World::of(three()).await;
    let text = world.leads(&["list"]).await;
    assert_eq!((text.exit, text.err.as_str()), (Exit::Good, ""));
    assert_golden("dead-letters.txt", &text.out);
    assert_golden("dead-letters.json", &world.leads(&["list", "--json"]).await.out);
    assert!(!text.out.contains("Canary"));
    assert_eq!(world.left(), ["letter-0", "letter-1", "letter-2"]);
}

#[tokio::test]
async fn letters_are_selected_by_reason_buyer_age_and_id() {
    let world = World::of(three()).await;
    for (options, expected) in [
        (&["--reason", "too-many-receives"][..], &["letter-2"][..]),
        (&["--reason", "not-json", "--reason", "contradiction"], &["letter-0", "letter-1"]),
        (&["--buyer", "ada"], &["letter-0", "letter-2"]),
        (&["--buyer", "ada", "--reason", "not-json"], &[]),
        (&["--id", "letter-1"], &["letter-1"]),
        (&["--older-than", "2d"], &["letter-0", "letter-1", "letter-2"]),
        (&["--newer-than", "90m"], &[]),
    ] {
        let arguments: Vec<&str> = ["list", "--json"].into_iter().chain(options.iter().copied()).collect();
        let document = world.leads(&arguments).await.json();
        let letters = document["deadLetters"].as_array().unwrap();
        let ids: BTreeSet<&str> = letters.iter().map(|letter| letter["id"].as_str().unwrap()).collect();
        assert_eq!(ids, expected.iter().copied().collect(), "{options:?}");
        assert_eq!(document["seenAndLeft"], 3 - expected.len(), "{options:?}");
    }
}

#[tokio::test]
async fn list_sees_ten_letters_of_a_buyer_and_reports_possible_further_ones() {
    let mut letters: Vec<Letter> = (0..25).map(|number| letter(number, "ada", "not-json")).collect();
    letters.push(letter(25, "bob", "not-json"));
    let world = World::of(letters).await;
    let ended = world.leads(&["list"]).await;
    assert!(ended.out.contains("11 dead letters found; the queue held about 26."), "{}", ended.out);
    assert!(
        ended.out.contains("More letters may be waiting behind ten that are left of: ada."),
        "{}",
        ended.out
    );
    assert_eq!(world.left().len(), 26);
}

#[tokio::test]
async fn show_prints_the_message_only_with_body() {
    let world = World::of(three()).await;
    let ended = world.leads(&["show", "letter-0"]).await;
    assert_eq!(ended.exit, Exit::Good);
    assert!(ended.out.contains("contradiction") && !ended.out.contains("Canary"), "{}", ended.out);
    let with_body = world.leads(&["show", "letter-0", "--body"]).await;
    assert!(with_body.out.contains("Ada Canary 0"), "{}", with_body.out);
    let json = world.leads(&["show", "letter-2", "--json", "--body"]).await.json();
    assert_eq!((&json["reason"], &json["source"]), (&json!("too-many-receives"), &json!(null)));
    assert_eq!(json["body"], "{\"name\":\"Ada Canary 2\"}");
    let missing = world.leads(&["show", "letter-9"]).await;
    assert_eq!((missing.exit, missing.out.as_str()), (Exit::Findings, ""));
    assert_eq!(world.left().len(), 3);
}

#[tokio::test]
async fn redrive_without_yes_only_lists_and_counts_by_reason() {
    let world = World::of(three()).await;
    let ended = world.leads(&["redrive", "--all"]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(ended.err.contains("Pass --yes to confirm"), "{}", ended.err);
    let kinds = "1 contradiction, 1 not-json, 1 too-many-receives";
    assert!(ended.out.contains(&format!("3 dead letters ({kinds}) found")), "{}", ended.out);
    assert_eq!((world.left().len(), world.redriven("ada")), (3, Vec::new()));
}

#[tokio::test]
async fn a_redrive_sends_whole_groups_in_order_with_new_deduplication_ids() {
    let letters: Vec<Letter> =
        (0..60).map(|number| letter(number, ["ada", "bob"][number % 2], "unknown-type")).collect();
    let world = World::of(letters).await;
    let ended = world.leads(&["redrive", "--all", "--yes"]).await;
    assert_eq!(ended.exit, Exit::Good, "{}", ended.err);
    assert!(ended.out.contains("60 dead letters redriven; the queue held about 60."), "{}", ended.out);
    assert_eq!(world.left(), [""; 0]);
    assert_eq!(world.redriven("ada"), (0..60).step_by(2).collect::<Vec<_>>());
    assert_eq!(world.redriven("bob"), (1..60).step_by(2).collect::<Vec<_>>());
    let first = world.queues.lock().unwrap().redriven[0].1.clone();
    assert_eq!(first, "redrive-letter-0");
}

#[tokio::test]
async fn unselected_letters_stay_and_ten_of_one_buyer_hide_its_later_ones() {
    // Nine unselected letters of ada do not hide her selected ones; ten unselected letters of bob hide his.
    let mut letters: Vec<Letter> = (0..9).map(|number| letter(number, "ada", "not-json")).collect();
    letters.extend((9..40).map(|number| letter(number, "ada", "unknown-type")));
    letters.extend((40..50).map(|number| letter(number, "bob", "not-json")));
    letters.push(letter(50, "bob", "unknown-type"));
    let world = World::of(letters).await;
    let ended = world.leads(&["redrive", "--reason", "unknown-type", "--yes", "--json"]).await;
    assert_eq!(ended.exit, Exit::Good, "{}", ended.err);
    assert_eq!(world.redriven("ada"), (9..40).collect::<Vec<_>>());
    assert_eq!(world.redriven("bob"), [0; 0]);
    assert_eq!(world.left().len(), 9 + 11);
    assert_eq!(ended.json()["mayHideMore"], json!(["bob"]));
}

#[tokio::test]
async fn a_buyer_cut_off_by_the_end_of_a_batch_is_received_again() {
    // The first batch has nine letters of ada and the first one of bob, whose second one is selected.
    let mut letters: Vec<Letter> = (0..10).map(|number| letter(number, "ada", "not-json")).collect();
    letters[9].group = "bob".to_owned();
    letters.push(letter(10, "bob", "unknown-type"));
    let world = World::of(letters).await;
    assert_eq!(world.leads(&["list", "--json"]).await.json()["deadLetters"].as_array().unwrap().len(), 11);
    assert_eq!(world.leads(&["show", "letter-10"]).await.exit, Exit::Good);
    assert_eq!(world.leads(&["redrive", "--reason", "unknown-type", "--yes"]).await.exit, Exit::Good);
    assert_eq!((world.redriven("bob"), world.left().len()), (vec![10], 10));
}

#[tokio::test]
async fn a_letter_that_cannot_be_sent_stops_only_later_ones_of_its_buyer() {
    let letters: Vec<Letter> =
        (0..8).map(|number| letter(number, ["ada", "bob"][number % 2], "unknown-type")).collect();
    let refused = letters[2].body.clone();
    let world = World::of(letters).await;
    world.queues.lock().unwrap().refused.insert(refused);
    let ended = world.leads(&["redrive", "--all", "--yes"]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(ended.err.contains("error: dead letter letter-2 could not be redriven"), "{}", ended.err);
    assert!(
        ended.out.contains("Stopped at letter-2 of ada; the later letters of this buyer stay in the queue"),
        "{}",
        ended.out
    );
    assert_eq!((world.redriven("ada"), world.redriven("bob")), (vec![0], vec![1, 3, 5, 7]));
    assert_eq!(world.left(), ["letter-2", "letter-4", "letter-6"]);
}

#[tokio::test]
async fn redriving_a_sent_but_undeleted_letter_again_sends_no_repeat() {
    let world = World::of(three()).await;
    world.queues.lock().unwrap().lost_deletions = 1;
    let ended = world.leads(&["redrive", "--all", "--yes", "--json"]).await;
    assert_eq!((ended.exit, &ended.json()["failures"][0]["id"]), (Exit::Failed, &json!("letter-0")));
    assert!(ended.err.contains("error: dead letter letter-0 could not be deleted"), "{}", ended.err);
    assert_eq!(world.left(), ["letter-0", "letter-2"]);
    assert_eq!(world.leads(&["redrive", "--all", "--yes"]).await.exit, Exit::Good);
    assert_eq!((world.redriven("ada"), world.left().len()), (vec![0, 2], 0));
}

#[tokio::test]
async fn a_letter_set_aside_again_is_not_redriven_in_the_same_run() {
    let letters = three();
    let poison: BTreeSet<String> = letters.iter().map(|letter| letter.body.clone()).collect();
    let world = World::of(letters).await;
    world.queues.lock().unwrap().poison = poison;
    assert_eq!(world.leads(&["redrive", "--all", "--yes"]).await.exit, Exit::Good);
    assert_eq!((world.redriven("ada"), world.redriven("bob")), (vec![0, 2], vec![1]));
    assert_eq!(world.left().len(), 3);
}

#[tokio::test]
async fn drop_without_yes_only_lists_the_selected_letters() {
    let world = World::of(three()).await;
    let ended = world.leads(&["drop", "--buyer", "ada"]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(
        ended.out.contains(
            "2 dead letters (1 contradiction, 1 too-many-receives) found, 1 other seen and left alone"
        ),
        "{}",
        ended.out
    );
    assert!(
        ended.err.contains("Not done: dropping dead letters of ada cannot be undone. Pass --yes"),
        "{}",
        ended.err
    );
    assert_eq!(world.left().len(), 3);
    let ended = world.leads(&["drop", "--buyer", "ada", "--yes", "--json"]).await;
    assert_eq!((ended.exit, &ended.json()["dropped"][1]["id"]), (Exit::Good, &json!("letter-2")));
    assert_eq!((world.left(), world.redriven("ada")), (vec!["letter-1".to_owned()], vec![]));
}

#[tokio::test]
async fn ids_that_are_not_found_are_reported() {
    let world = World::of(three()).await;
    let ended = world.leads(&["redrive", "--id", "letter-1", "--id", "letter-9", "--yes"]).await;
    assert_eq!(ended.exit, Exit::Findings);
    assert!(ended.err.contains("not found, or excluded by the other options: letter-9"), "{}", ended.err);
    assert_eq!(world.redriven("bob"), [1]);
}

#[tokio::test]
async fn redrive_and_drop_need_a_selection_and_redrive_two_queues() {
    let world = World::of(three()).await;
    for command in ["redrive", "drop"] {
        let ended = world.leads(&[command]).await;
        assert_eq!((ended.exit, ended.out.as_str()), (Exit::Failed, ""));
        assert!(ended.err.contains("--all"), "{}", ended.err);
        let both = world.leads(&[command, "--all", "--reason", "x"]).await;
        assert_eq!(both.exit, Exit::Failed);
    }
    assert_eq!(world.wire.exchanges().len(), 0);
    let url = "http://127.0.0.1/1/letters.fifo";
    let same =
        offline(&["dead-letters", "redrive", "--all", "--queue-url", url, "--dead-letters-url", url]).await;
    assert_eq!(same.exit, Exit::Failed);
    assert!(same.err.contains("have the same URL"), "{}", same.err);
}
