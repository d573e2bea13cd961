//! The decisions about one buyer, `void` and `erase`.

use std::io::{self, Write};

use cli::Exit;
use domain::{OfferChange, Sequence};
use event_store::EventStore as _;
use leads_store::LeadsStore as _;
use serde_json::{Value, json};
use testkit::wire::{Answer, Reply, Wire};
use testkit::{accepted, buyer, made};

use crate::all_buyers::World;
use crate::world::{TestFile, assert_golden, examples_folder, interrupted, offline, online};

#[tokio::test]
async fn void_and_erase_append_nothing_without_yes() {
    let world = World::start().await;
    world.in_shadow("ada", &[accepted("car-1").v(2).into()]).await;
    for words in [&["void", "ada", "car-1", "--through", "1"][..], &["erase", "ada"]] {
        let ended = world.leads(words).await;
        assert_eq!((ended.exit, ended.out.as_str()), (Exit::Failed, ""), "{words:?}");
        assert!(ended.err.contains("cannot be undone. Pass --yes to confirm."), "{}", ended.err);
    }
    assert_eq!(world.facts("ada").await, ["accepted"]);
}

#[tokio::test]
async fn void_and_erase_keep_a_buyer_live_or_in_shadow() {
    let world = World::start().await;
    world.in_shadow("ada", &[accepted("car-1").v(2).into()]).await;
    world.record("bob", &[accepted("car-1").v(2)], "10:00:00").await;
    for (name, is_live) in [("ada", false), ("bob", true)] {
        let ended = world.leads(&["void", name, "car-1", "--through", "1", "--yes"]).await;
        assert_eq!((ended.exit, world.is_live(name).await), (Exit::Good, is_live), "{}", ended.err);
        let ended = world.leads(&["erase", name, "--yes"]).await;
        assert_eq!((ended.exit, world.is_live(name).await), (Exit::Findings, is_live), "{}", ended.err);
        assert_eq!(world.facts(name).await, ["accepted", "voided", "erased"]);
    }
}

/// AWS, which says who calls, in front of the tables.
async fn with_a_caller(world: &World) -> Wire {
    let url = world.url.clone();
    Wire::start(move |request| {
        if !request.body.starts_with(b"Action=GetCallerIdentity") {
            return Answer::Forward(url.clone());
        }
        let body = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::1:assumed-role/ops/kim</Arn>\
                    </GetCallerIdentityResult></GetCallerIdentityResponse>";
        Answer::Reply(Reply { status: 200, headers: Vec::new(), body: body.into() })
    })
    .await
}

#[tokio::test]
async fn the_history_shows_who_did_something_and_why() {
    let world = World::start().await;
    let wire = with_a_caller(&world).await;
    world.in_shadow("ada", &[accepted("car-1").v(2).into()]).await;
    let words = ["void", "ada", "car-1", "--through", "1", "--yes", "--because", " never \u{1b}sent"];
    let refused = online(wire.url(), &words).await;
    assert!(refused.err.contains("a reason is one line of 1 to 300 characters"), "{}", refused.err);
    let words = ["void", "ada", "car-1", "--through", "1", "--yes", "--because", "never sent"];
    assert_eq!(online(wire.url(), &words).await.exit, Exit::Good);
    let history = world.leads(&["history", "ada"]).await;
    for words in ["by arn:aws:sts::1:assumed-role/ops/kim: never", "sent"] {
        assert!(history.out.contains(words), "{}", history.out);
    }
    let events = world.leads(&["history", "ada", "--json"]).await.json()["events"].clone();
    let act = json!({ "by": "arn:aws:sts::1:assumed-role/ops/kim", "because": "never sent" });
    assert_eq!((&events[0]["act"], &events[1]["act"]), (&json!(null), &act));

    assert_eq!(online(wire.url(), &["erase", "ada", "--yes"]).await.exit, Exit::Findings);
    let events = world.leads(&["history", "ada", "--json"]).await.json()["events"].clone();
    assert_eq!(events[1]["act"]["because"], "", "an erasure removes the reason");
}

#[tokio::test]
async fn an_act_is_not_refused_because_the_caller_stays_unknown() {
    let world = World::start().await;
    world.in_shadow("ada", &[accepted("car-1").v(2).into()]).await;
    let ended = world.leads(&["void", "ada", "car-1", "--through", "1", "--yes"]).await;
    assert_eq!(ended.exit, Exit::Good, "{}", ended.err);
    let events = world.leads(&["history", "ada", "--json"]).await.json()["events"].clone();
    assert_eq!(events[1]["act"], json!({ "by": "unknown", "because": "" }));
}

#[tokio::test]
async fn with_json_a_decision_is_answered_with_what_was_recorded_or_why_nothing_was() {
    let world = World::start().await;
    world.in_shadow("ada", &[accepted("car-1").v(2).into()]).await;
    let void = async |offer| world.leads(&["void", "ada", offer, "--through", "1", "--yes", "--json"]).await;
    let voided = void("car-1").await.json();
    assert_eq!(voided, json!({ "buyerId": "ada", "recorded": "voided", "sequence": 2 }));
    let refused = void("car-2").await;
    assert!(refused.exit == Exit::Findings && refused.json()["refused"].is_string(), "{}", refused.out);
    let erased = world.leads(&["erase", "ada", "--yes", "--json"]).await.json();
    assert_eq!(erased, json!({ "buyerId": "ada", "recorded": "erased", "sequence": 3 }));
}

#[tokio::test]
async fn a_replay_counts_facts_and_snapshots_and_names_those_that_differ() {
    let world = long_stream().await;
    let replayed = world.leads(&["replay", "ada", "--json"]).await;
    let document = replayed.json();
    assert_eq!((&document["facts"], &document["differing"]), (&json!(450), &json!([])));
    assert!(replayed.exit == Exit::Good && document["snapshots"].as_u64() > Some(0), "{document:#}");
    assert_eq!(world.leads(&["replay", "nobody", "--json"]).await.exit, Exit::Findings);
}

#[tokio::test]
async fn an_erasure_is_due_at_the_next_sweep_and_complete_once_settled() {
    let world = World::start().await;
    world.record("ada", &[made("car-1")], "10:00:00").await;
    world.settle("ada", 1).await;
    let erase = ["erase", "ada", "--yes"];
    let ended = world.leads(&erase).await;
    assert_eq!(ended.exit, Exit::Findings, "{}", ended.err);
    assert!(
        ended.err.contains("closings of its leads are not settled yet. Run it again in a minute"),
        "{}",
        ended.err
    );
    let cursor = world.tables.leads.cursor(&buyer("ada")).await.unwrap();
    let behind = cursor.behind.unwrap();
    assert_eq!((cursor.through, behind.reason.as_str()), (Sequence::new(1), "erased by an operator"));
    assert!(behind.not_before <= jiff::Timestamp::now());

    world.settle("ada", 2).await;
    let ended = world.leads(&erase).await;
    assert_eq!(ended.exit, Exit::Good, "{}", ended.err);
}

#[tokio::test]
async fn an_erasure_lists_every_remaining_copy_with_its_maximum_age() {
    let world = World::start().await;
    world.record("ada", &[made("car-1")], "10:00:00").await;
    world.settle("ada", 2).await;
    let ended = world.leads(&["erase", "ada", "--yes"]).await;
    assert_eq!(ended.exit, Exit::Good, "{}", ended.err);
    assert_golden("erased.txt", &ended.err);
    let template = std::fs::read_to_string(examples_folder().join("../../../infra/template.yaml")).unwrap();
    let days: Vec<&str> =
        template.lines().filter_map(|line| line.trim().strip_prefix("MessageRetentionPeriod: ")).collect();
    // The list states 14 days for each queue and 35 days for the tables.
    assert!(!days.is_empty() && days.iter().all(|seconds| *seconds == "1209600"), "{days:?}");
    assert!(!template.contains("RecoveryPeriodInDays"), "the recovery period must be the default of 35 days");
}

/// 450 commits of one buyer, each with a contact.
async fn long_stream() -> World {
    let world = World::start().await;
    let events: Vec<_> = (0..450).map(|number| [made(&format!("car-{number}"))]).collect();
    let events: Vec<&[_]> = events.iter().map(<[_; 1]>::as_slice).collect();
    for commit in World::commits("ada", &events) {
        world.tables.streams.append(&commit).await.unwrap();
    }
    world.settle("ada", 451).await;
    world
}

/// The number of events with a contact.
async fn contacts(world: &World) -> usize {
    let commits = event_store::history(&world.tables.streams, &buyer("ada")).await.unwrap();
    let has_contact = |change: &OfferChange| matches!(change, OfferChange::Made { contact: Some(_), .. });
    let events = commits.iter().flat_map(|commit| commit.facts.iter().filter_map(domain::Fact::event));
    events.filter(|event| has_contact(&event.change)).count()
}

#[tokio::test]
async fn an_erasure_clears_every_commit_of_a_long_stream() {
    let world = long_stream().await;
    assert_eq!(contacts(&world).await, 450);
    let ended = world.leads(&["erase", "ada", "--yes"]).await;
    assert_eq!((ended.exit, contacts(&world).await), (Exit::Good, 0), "{}", ended.err);
    assert!(ended.err.starts_with("450 commits cleared."), "{}", ended.err);
    let again = world.leads(&["erase", "ada", "--yes"]).await;
    assert!(again.err.starts_with("0 commits cleared."), "{}", again.err);
    assert_eq!((again.exit, again.out.as_str()), (Exit::Good, "ada: erased at sequence number 451\n"));
}

/// Erases ada, and interrupts that once 100 commits are cleared.
async fn interrupted_erasure(world: &World, options: &[&str]) -> String {
    let url = world.url.clone();
    let mut updates = 0;
    let wire = Wire::start(move |request| {
        updates += u32::from(request.operation() == "UpdateItem");
        if updates > 100 { Answer::Never } else { Answer::Forward(url.clone()) }
    })
    .await;
    let cleared = || wire.operations().iter().filter(|operation| *operation == "UpdateItem").count();
    let words = [&["erase", "ada", "--yes"], options].concat();
    let (code, out) = interrupted(wire.url(), "", &words, || cleared() >= 101).await;
    assert_eq!(code, Some(130));
    out
}

#[tokio::test]
async fn ctrl_c_prints_what_an_erasure_cleared_and_another_run_continues() {
    let world = long_stream().await;
    let out = interrupted_erasure(&world, &[]).await;
    let expected = "ada: INTERRUPTED: recorded at sequence number 451, 100 commits cleared so far. Run it again to continue.\n";
    assert_eq!((out.as_str(), contacts(&world).await), (expected, 350));
    let out: Value = serde_json::from_str(&interrupted_erasure(&world, &["--json"]).await).unwrap();
    let expected = json!({ "buyerId": "ada", "isComplete": false, "sequence": null, "clearedCommits": 100 });
    assert_eq!((out, contacts(&world).await), (expected, 250));
    let again = world.leads(&["erase", "ada", "--yes"]).await;
    assert_eq!((again.exit, contacts(&world).await), (Exit::Good, 0), "{}", again.err);
    assert!(again.err.starts_with("250 commits cleared."), "{}", again.err);
}

#[tokio::test]
async fn an_unknown_buyer_is_a_finding_for_held_and_erase() {
    let world = World::start().await;
    for words in [&["held", "--buyer", "nobody"][..], &["erase", "nobody", "--yes"]] {
        let ended = world.leads(words).await;
        assert_eq!((ended.exit, ended.out.as_str()), (Exit::Findings, ""), "{words:?}");
        assert!(ended.err.starts_with("nobody is unknown"), "{}", ended.err);
    }
    world.record("ada", &[made("car-1")], "10:00:00").await;
    let ended = world.leads(&["held", "--buyer", "ada"]).await;
    assert_eq!((ended.exit, ended.out.as_str()), (Exit::Good, "No events are held.\n"));
}

/// An output whose reader has closed the pipe.
pub(crate) struct ClosedPipe;

impl Write for ClosedPipe {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_closed_pipe_fails_only_commands_that_change_something() {
    let bad = TestFile::of("{}\n");
    let good = examples_folder().join("offers.jsonl").display().to_string();
    for (words, exit) in [
        (&["check", good.as_str()][..], Exit::Good),
        (&["check", bad.name()], Exit::Good),
        (&["send", bad.name(), "--queue-url", "https://sqs/1/q.fifo"], Exit::Failed),
    ] {
        let mut err = Vec::new();
        let arguments = std::iter::once("leads").chain(words.iter().copied()).map(std::ffi::OsString::from);
        let ended =
            cli::run_on(arguments, async |_| panic!("connected to AWS"), &mut ClosedPipe, &mut err).await;
        assert_eq!(ended, exit, "{words:?}");
    }
    assert_eq!(offline(&["check", &good]).await.exit, Exit::Good);
}
