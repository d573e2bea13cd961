//! `leads export` and `leads import`: a copy in which every command finds the same, and which performs nothing.

use std::collections::BTreeMap;
use std::fs;

use cli::Exit;
use cli::takeover::replay;
use contract::receipt::Kind;
use domain::Fact;
use effects::outside::MemoryOutside;
use serde_json::{Value, json};
use testkit::{accepted, buyer, made};

use crate::all_buyers::{World, at};
use crate::cloud::Cloud;
use crate::crowd::{Crowd, advance, id};
use crate::schemas::assert_documents;
use crate::takeover::ClosedPipe;
use crate::world::{Ended, Former, TestFile, aws_at, interrupted};

/// An empty stack in shadow.
async fn target() -> Cloud {
    let cloud = Cloud::start().await;
    cloud.script().parameters.insert("Effects", "shadow");
    cloud.world.forget_sweeps();
    cloud
}

/// Exports everything to a new file.
async fn exported(world: &World) -> TestFile {
    let file = TestFile::free();
    let ended =
        world.leads(&["export", "--contact", "--to", file.name(), "--rate", "1000000", "--json"]).await;
    assert_eq!(ended.exit, Exit::Good, "{}", ended.err);
    assert_documents("export", &file.text());
    file
}

async fn import(cloud: &Cloud, file: &str, words: &[&str]) -> Ended {
    let words: Vec<&str> = ["import", file, "--rate", "1000000"].iter().chain(words).copied().collect();
    cloud.leads(&words).await
}

/// The items of the leads table but the ledger of e-mails, which an export does not contain.
fn leads_of(world: &World) -> Vec<Value> {
    let is_email = |item: &Value| item["kind"]["S"].as_str().unwrap().starts_with("email/");
    // Where nothing is held any more, only the key is left.
    let is_left = |item: &Value| item["kind"]["S"] == "held" && item["sequence"].is_null();
    let of_leads = world.items("leads").into_iter();
    let mut items: Vec<Value> = of_leads.filter(|item| !is_email(item) && !is_left(item)).collect();
    for item in &mut items {
        // When the sweeper looks next is of the stack, not of the buyer.
        if item["kind"]["S"] == "held" {
            item.as_object_mut().unwrap().remove("due");
        }
    }
    items
}

/// Compares items, and shows the first that differ.
#[track_caller]
fn assert_same(copy: &[Value], source: &[Value]) {
    let differing = copy.iter().zip(source).find(|(one, other)| one != other);
    assert_eq!(differing, None);
    assert_eq!(copy.len(), source.len());
}

#[tokio::test]
async fn a_copy_of_a_thousand_buyers_is_the_same_in_every_command_and_performs_nothing() {
    let source = Crowd::of(1000).await;
    let file = exported(&source.world).await;
    let target = target().await;
    let checked = import(&target, file.name(), &["--json"]).await;
    assert_eq!((checked.exit, target.world.items("streams").len()), (Exit::Failed, 0), "{}", checked.err);
    assert!(checked.err.contains("Not done: importing 1000 buyers cannot be undone"), "{}", checked.err);
    let ended = import(&target, file.name(), &["--yes", "--json"]).await;
    assert_eq!(ended.exit, Exit::Good, "{}", ended.err);
    let (document, commits) = (ended.json(), source.world.items("streams"));
    let numbers = ["buyers", "imported", "commits", "written", "pendingEffects"];
    let all = commits.len() as u64;
    assert_eq!(numbers.map(|name| document[name].as_u64().unwrap()), [1000, 1000, all, all, 0]);

    assert!(target.world.items("streams") == commits);
    assert_same(&leads_of(&target.world), &leads_of(&source.world));
    let former = Former::start().await;
    for words in [
        &["audit", "--json", "--rate", "1000000"][..],
        &["parity", "--all", "--json", "--rate", "1000000", "--legacy-url", former.url()],
        &["list", "--json", "--contact"],
        &["held", "--json"],
    ] {
        let (one, other) = (source.world.leads(words).await, target.world.leads(words).await);
        assert!(one.exit != Exit::Failed && one.exit == other.exit, "{words:?}: {}", other.err);
        assert!(one.json() == other.json(), "{words:?}");
    }
    assert_eq!(target.world.leads(&["audit", "--rate", "1000000"]).await.exit, Exit::Good);

    // What the doorbells of all these commits cause.
    let outside = MemoryOutside::default();
    let mut kinds = BTreeMap::<&str, u64>::new();
    for number in 0..1000 {
        let name = id(number);
        advance(&target.world, &outside, &name).await;
        let copied = event_store::history(&target.world.direct.streams, &name).await.unwrap();
        assert_eq!(replay(&copied).differing, []);
        for fact in copied.iter().flat_map(|commit| &commit.facts) {
            *kinds.entry(fact.name()).or_default() += 1;
        }
    }
    assert_eq!((outside.sales(), outside.emails()), (vec![], vec![]));
    for kind in ["migrated", "handed-over", "voided", "reset", "erased", "made", "accepted"] {
        assert!(kinds.get(kind).is_some_and(|number| *number >= 20), "{kind}: {kinds:?}");
    }
    // The doorbells changed nothing.
    assert_same(&leads_of(&target.world), &leads_of(&source.world));

    let again = import(&target, file.name(), &["--yes", "--json"]).await;
    assert_eq!((again.exit, &again.json()["written"]), (Exit::Good, &json!(0)), "{}", again.err);
}

#[tokio::test]
async fn what_is_recorded_after_an_import_has_its_effects() {
    let source = World::start().await;
    source.record("ada", &[made("car-1")], "10:00:00").await;
    let file = exported(&source).await;
    let target = target().await;
    let ended = import(&target, file.name(), &["--yes"]).await;
    assert!(
        ended.out.contains("3 effects were pending at the export: the source performs them"),
        "{}",
        ended.out
    );
    target.world.record("ada", &[accepted("car-1").v(2)], "11:00:00").await;
    let outside = MemoryOutside::default();
    advance(&target.world, &outside, &buyer("ada")).await;
    let ids: Vec<String> = outside.sales().into_iter().map(|message| message.effect_id).collect();
    assert_eq!(ids, ["ada/closed/low/1", "ada/opened/high/car-1/2"]);
    assert_eq!(outside.emails().len(), 1, "the e-mail of the acceptance only");
    // The source has settled nothing, so nothing is known of its announcements but what follows from its stream.
    let refused = import(&target, file.name(), &["--yes"]).await;
    assert_eq!(refused.exit, Exit::Failed);
    assert!(refused.err.contains("not imported: ada: "), "{}", refused.err);
}

#[tokio::test]
async fn stopped_addresses_stay_stopped_in_a_copy() {
    let source = World::start().await;
    source.email("ada", "quote-email", leads_store::Status::Sent, None).await;
    source.record("ada", &[made("car-1")], "10:00:00").await;
    source.receive("ada", Kind::Complained { at: at("12:00:00") }).await;
    let stopped = |world: &World| {
        let cursor = world.items("leads").into_iter().find(|item| item["kind"]["S"] == "cursor").unwrap();
        cursor["stopped"].clone()
    };
    assert!(stopped(&source).is_object());
    let target = target().await;
    assert_eq!(import(&target, exported(&source).await.name(), &["--yes"]).await.exit, Exit::Good);
    assert_eq!(stopped(&target.world), stopped(&source));
}

#[tokio::test]
async fn without_contact_an_export_has_no_personal_data_and_cannot_be_imported() {
    let source = World::start().await;
    source.record("ada", &[made("car-1")], "10:00:00").await;
    let ended = source.leads(&["export", "ada"]).await;
    assert_eq!((ended.exit, ended.err.as_str()), (Exit::Good, "Exported 1 buyer with 1 commit.\n"));
    assert_documents("export", &ended.out);
    assert!(ended.out.contains("car-1") && !ended.out.to_lowercase().contains("canary"), "{}", ended.out);
    let whole = source.leads(&["export", "ada", "--contact"]).await.out;
    assert!(whole.contains("ada.canary@example.com"));
    let file = TestFile::of(&ended.out);
    let refused = import(&target().await, file.name(), &["--yes"]).await;
    assert!(refused.err.contains("was exported without --contact"), "{}", refused.err);
    let unknown = source.leads(&["export", "nobody"]).await;
    assert_eq!(unknown.exit, Exit::Findings);
    assert!(unknown.err.contains("nobody is unknown"), "{}", unknown.err);
}

#[tokio::test]
async fn an_interrupted_export_goes_on_and_ends_with_every_buyer_once() {
    let crowd = Crowd::of(40).await;
    let file = TestFile::free();
    let words = ["export", "--contact", "--to", file.name(), "--rate", "20"];
    let has_buyers =
        || fs::read(file.name()).is_ok_and(|bytes| bytes.split(|byte| *byte == b'\n').count() > 4);
    let (code, _) = interrupted(&crowd.world.url, "http://127.0.0.1:1", &words, has_buyers).await;
    assert_eq!(code, Some(130));
    let part = file.text();
    let cut_off = import(&target().await, file.name(), &["--yes"]).await;
    assert!(cut_off.err.contains("the file is cut off here"), "{}", cut_off.err);
    // A kill within a line.
    fs::write(file.name(), &part[..part.len() - 7]).unwrap();
    let words = ["export", "--contact", "--to", file.name(), "--rate", "1000000"];
    assert_eq!(crowd.world.leads(&words).await.exit, Exit::Good);
    let whole = exported(&crowd.world).await.text();
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&file.text()), sorted(&whole));
    let again = crowd.world.leads(&words).await;
    assert!(again.err.contains("is a whole export: use another file"), "{}", again.err);
}

#[tokio::test]
async fn an_interrupted_import_goes_on() {
    let crowd = Crowd::of(40).await;
    let file = exported(&crowd.world).await;
    let target = target().await;
    let words =
        ["import", file.name(), "--yes", "--rate", "1", "--stack", "cars", "--profiles", "/no/profiles"];
    // The last request of a buyer's commits begins the rest after the first group.
    let is_time = || target.operations().iter().filter(|one| *one == "PutItem").count() > 5;
    let (code, out) = interrupted(target.wire.url(), "http://127.0.0.1:1", &words, is_time).await;
    assert_eq!(code, Some(130), "{out}");
    assert!(target.world.items("streams").len() < crowd.world.items("streams").len());
    assert_eq!(import(&target, file.name(), &["--yes"]).await.exit, Exit::Good);
    assert_eq!(target.world.items("streams"), crowd.world.items("streams"));
    assert_same(&leads_of(&target.world), &leads_of(&crowd.world));
}

#[tokio::test]
async fn a_stack_that_is_not_empty_or_not_in_shadow_is_refused_by_name() {
    let source = World::start().await;
    source.record("ada", &[made("car-1")], "10:00:00").await;
    let file = exported(&source).await;

    let live = Cloud::start().await;
    let refused = import(&live, file.name(), &[]).await;
    assert!(refused.err.contains("the stack cars is not in shadow"), "{}", refused.err);

    let other = target().await;
    other.world.record("bob", &[made("car-1")], "10:00:00").await;
    let refused = import(&other, file.name(), &["--yes"]).await;
    assert!(refused.err.contains("bob: the stack is not empty"), "{}", refused.err);

    let differs = target().await;
    differs.world.record("ada", &[made("car-2")], "10:00:00").await;
    let refused = import(&differs, file.name(), &["--yes"]).await;
    assert!(refused.err.contains("ada: the stack's commit 1 is not the one in the file"), "{}", refused.err);

    // The stack that was exported: its own effects must not be settled by an import.
    let itself = target().await;
    itself.world.record("ada", &[made("car-1")], "10:00:00").await;
    let refused = import(&itself, file.name(), &["--yes"]).await;
    assert!(refused.err.contains("its effects are not settled"), "{}", refused.err);

    let settled = target().await;
    settled.world.settle("ada", 5).await;
    let refused = import(&settled, file.name(), &["--yes"]).await;
    assert!(refused.err.contains("settled more of the buyer"), "{}", refused.err);

    let nowhere = source.leads(&["import", file.name()]).await;
    assert!(nowhere.err.contains("`leads import` needs a stack"), "{}", nowhere.err);
}

#[tokio::test]
async fn nothing_is_imported_of_a_file_with_a_bad_line() {
    let source = World::start().await;
    source.record("ada", &[made("car-1")], "10:00:00").await;
    source.in_shadow("bob", &[Fact::Migrated(Box::default()), made("car-1").into()]).await;
    let whole = exported(&source).await.text();
    let lines: Vec<&str> = whole.lines().collect();
    assert_eq!(lines.len(), 6);
    let without = |gone: usize| {
        let kept = lines.iter().enumerate().filter(|(place, _)| *place != gone).map(|(_, line)| *line);
        kept.flat_map(|line| [line, "\n"]).collect::<String>()
    };
    for (text, expected) in [
        (String::new(), "line 1: the file is cut off here"),
        (whole[..whole.len() - 5].to_owned(), "line 6: the file is cut off here"),
        (without(5), "line 6: the file is cut off here"),
        (without(0), "line 1: the first line of an export must be its header"),
        (without(2), "line 3: another commit of the buyer must follow here"),
        (without(1), "line 2: a buyer must follow here"),
        (format!("{whole}\n"), "line 7: not a line of an export"),
        (format!("{whole}more"), "line 7: nothing may follow the end"),
        (whole.replace("\"version\":1", "\"version\":2"), "line 1: written by another version"),
        (whole.replace("\"buyers\":2", "\"buyers\":3"), "line 6: the file has other numbers"),
        (
            whole.replacen("\"kind\":\"commit\"", "\"kind\":\"commit\",\"new\":1", 1),
            "line 3: not a line of an export",
        ),
        (whole.replacen("\"format\":1", "\"format\":99", 1), "has format 99"),
        (whole.replacen("made", "mode", 1), "facts cannot be read"),
        ("{\"specversion\":\"1.0\"}\n".to_owned(), "line 1: not a line of an export"),
    ] {
        let (file, target) = (TestFile::of(text), target().await);
        let ended = import(&target, file.name(), &["--yes"]).await;
        assert_eq!(ended.exit, Exit::Failed, "{expected}");
        assert!(ended.err.contains(expected), "{expected}: {}", ended.err);
        assert_eq!(target.world.items("streams").len(), 0);
    }
    let other = TestFile::of("something else");
    let ended = source.leads(&["export", "--to", other.name()]).await;
    assert!(ended.err.contains("not an export: use another file"), "{}", ended.err);
    assert_eq!(other.text(), "something else");
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let source = World::start().await;
    source.record("ada", &[made("car-1")], "10:00:00").await;
    let file = exported(&source).await;
    let denied = async |cloud: &Cloud, action: &'static str, words: &[&str]| {
        cloud.script().denied.clear();
        cloud.script().denied.insert(action);
        let ended = cloud.leads(words).await;
        assert_eq!(ended.exit, Exit::Failed, "{words:?}: {}", ended.out);
        assert!(ended.err.contains(action), "{words:?}: {}", ended.err);
    };
    denied(&target().await, "dynamodb:PutItem", &["import", file.name(), "--yes"]).await;
    let cloud = Cloud::start().await;
    cloud.world.record("ada", &[made("car-1")], "10:00:00").await;
    advance(&cloud.world, &MemoryOutside::default(), &buyer("ada")).await;
    denied(&cloud, "dynamodb:Scan", &["export"]).await;
    denied(&cloud, "dynamodb:Query", &["export", "ada"]).await;
    denied(&cloud, "dynamodb:Query", &["tail"]).await;
    denied(&cloud, "sqs:SendMessageBatch", &["resync", "--buyer", "ada", "--to-queue", "--yes"]).await;
}

#[tokio::test]
async fn an_export_to_a_closed_pipe_ends_well() {
    let world = World::start().await;
    world.record("ada", &[made("car-1")], "10:00:00").await;
    let places = ["--streams-table", "streams", "--leads-table", "leads"];
    let words = ["leads", "export", "ada"].into_iter().chain(places).map(std::ffi::OsString::from);
    let url = world.url.clone();
    let connect = async |_| Ok(aws_at(&url));
    let exit = cli::run_on(words, connect, &mut ClosedPipe, &mut Vec::new()).await;
    assert_eq!(exit, Exit::Good);
}
