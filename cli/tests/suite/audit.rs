//! Every stream against its cursor, in tables that an engine of DynamoDB keeps.

use cli::Exit;
use cli::audit::audit;
use domain::Sequence;
use effects::leads::{Behind, Cursors as _};
use event_store::EventStore as _;
use event_store::surroundings::Surroundings;
use jiff::Timestamp;
use serde_json::json;
use testkit::{accepted, buyer, made, rejected};

use crate::everybody::World;
use crate::world::assert_golden;

/// A clock of the test.
struct At(&'static str);

impl Surroundings for At {
    fn now(&self) -> Timestamp {
        self.0.parse().unwrap()
    }

    fn nonce(&self) -> String {
        "audit".to_owned()
    }
}

/// Settled: ada. Short: bob, of whom nobody knows. Behind: cem. A commit is missing: dan.
async fn four() -> World {
    let world = World::start().await;
    for name in ["ada", "bob", "cem"] {
        world.record(name, &[made("car-1")], "10:00:00").await;
        world.record(name, &[accepted("car-1").v(2)], "10:00:30").await;
    }
    world.settle("ada", 2).await;
    world.settle("cem", 1).await;
    let behind = Behind {
        mark: "m".to_owned(),
        reason: "the queue is down".to_owned(),
        attempts: 3,
        not_before: "2020-01-01T10:30:00Z".parse().unwrap(),
    };
    world.tables.leads.mark_behind(&buyer("cem"), &behind).await.unwrap();
    let mut story =
        world.commits("dan", &[&[made("car-1")], &[accepted("car-1").v(2)], &[rejected("car-1").v(3)]]);
    story.remove(1);
    for commit in &story {
        world.tables.streams.append(commit).await.unwrap();
    }
    world.settle("dan", 3).await;
    world
}

#[tokio::test]
async fn an_audit_finds_who_is_short_behind_or_has_a_commit_missing() {
    let world = four().await;
    let ended = world.leads(&["audit"]).await;
    assert_eq!(ended.exit, Exit::Findings);
    assert!(ended.err.contains("at most 200 read units a second"), "{}", ended.err);
    assert_golden("audit.txt", &sorted(&ended.out));
    let mut json = world.leads(&["audit", "--json"]).await.json();
    json["findings"].as_array_mut().unwrap().sort_by_key(|finding| finding["buyerId"].to_string());
    assert_golden("audit.json", &format!("{json:#}\n"));
}

/// The order of the table is nobody's business.
fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with(['─', '═'])).collect();
    lines.sort_unstable();
    lines.join("\n") + "\n"
}

#[tokio::test]
async fn a_repair_marks_who_is_short_and_performs_nothing() {
    let world = four().await;
    let found = audit(&world.tables, 1_000, true, &At("2020-01-01T11:00:00Z")).await.unwrap();
    assert_eq!(found.findings.len(), 3);
    let cursor = world.tables.leads.cursor(&buyer("bob")).await.unwrap();
    assert_eq!(cursor.through, Sequence::START);
    let behind = Behind {
        mark: "audit".to_owned(),
        reason: "found short by an audit".to_owned(),
        attempts: 0,
        not_before: "2020-01-01T11:00:00Z".parse().unwrap(),
    };
    assert_eq!(cursor.behind, Some(behind));
    let work = world.tables.leads.all_open_work().await.unwrap();
    assert_eq!(work.len(), 2, "bob and cem");
    let again = audit(&world.tables, 1_000, true, &At("2020-01-01T11:00:01Z")).await.unwrap();
    let names: Vec<&str> = again.findings.iter().map(|(_, finding)| finding.name()).collect();
    assert!(!names.contains(&"short"), "{names:?}");
}

#[tokio::test]
async fn what_the_doorbell_may_still_settle_is_no_finding_and_a_cursor_that_moved_is_left_alone() {
    let world = World::start().await;
    world.record("ada", &[made("car-1")], "10:00:00").await;
    let early = audit(&world.tables, 1_000, true, &At("2020-01-01T10:02:00Z")).await.unwrap();
    assert_eq!((early.findings, early.streams, early.commits), (vec![], 1, 1));
    world.settle("ada", 1).await;
    let behind =
        Behind { mark: "late".to_owned(), reason: String::new(), attempts: 0, not_before: Timestamp::MIN };
    let marked = world.tables.leads.mark_short(&buyer("ada"), Sequence::START, &behind).await.unwrap();
    assert!(!marked);
    assert_eq!(world.leads(&["audit", "--json"]).await.json()["findings"], json!([]));
    assert_eq!(world.leads(&["audit"]).await.exit, Exit::Good);
}
