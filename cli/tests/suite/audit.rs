//! `leads audit`, on tables of a DynamoDB engine.

use std::future::{Future, pending};

use cli::audit::{Audit, Finding, audit};
use cli::{Exit, Tables};
use domain::Sequence;
use event_store::{CommitKey, EventStore as _};
use futures::channel::oneshot;
use jiff::Timestamp;
use leads_store::{Behind, LeadsStore as _, WorkKind};
use serde_json::json;
use testkit::wire::{Answer, Reply, Wire};
use testkit::{SplitMix64, TestClock, acceptance_withdrawn, accepted, buyer, made, rejected};

use crate::all_buyers::World;
use crate::world::{assert_golden, aws_at, interrupted};

/// A clock that shows this time.
fn clock(now: &str) -> TestClock {
    TestClock::showing(now.parse().unwrap())
}

/// An audit that is not interrupted.
async fn whole(tables: &Tables, repair: bool, now: &str) -> Result<Audit, cli::Failure> {
    audit(tables, 1_000_000, repair, &clock(now), pending(), |_| {}).await
}

/// Four buyers: ada is settled, bob is short, cem is behind, and a commit of dan is missing.
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
        World::commits("dan", &[&[made("car-1")], &[accepted("car-1").v(2)], &[rejected("car-1").v(3)]]);
    story.remove(1);
    for commit in &story {
        world.tables.streams.append(commit).await.unwrap();
    }
    world.settle("dan", 3).await;
    world
}

#[tokio::test]
async fn an_audit_finds_short_buyers_buyers_behind_and_missing_commits() {
    let world = four().await;
    let ended = world.leads(&["audit"]).await;
    assert_eq!(ended.exit, Exit::Findings);
    assert!(ended.err.contains("at most 200 read units per second"), "{}", ended.err);
    assert_golden("audit.txt", &sorted(&ended.out));
    let mut json = world.leads(&["audit", "--json"]).await.json();
    json["findings"].as_array_mut().unwrap().sort_by_key(|finding| finding["buyerId"].to_string());
    assert_golden("audit.json", &format!("{json:#}\n"));
}

/// The lines of a text, sorted and without rulings, because the table has no defined order.
fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with(['─', '═'])).collect();
    lines.sort_unstable();
    lines.join("\n") + "\n"
}

#[tokio::test]
async fn a_repair_marks_short_buyers_and_performs_nothing() {
    let world = four().await;
    let found = whole(&world.tables, true, "2020-01-01T11:00:00Z").await.unwrap();
    assert_eq!(found.findings.len(), 3);
    let cursor = world.tables.leads.cursor(&buyer("bob")).await.unwrap();
    assert_eq!(cursor.through, Sequence::START);
    let behind = Behind {
        mark: "nonce-1".to_owned(),
        reason: "found short by an audit".to_owned(),
        attempts: 0,
        not_before: "2020-01-01T11:00:00Z".parse().unwrap(),
    };
    assert_eq!(cursor.behind, Some(behind));
    let work = world.tables.leads.open_work_of(&WorkKind::ALL).await.unwrap();
    assert_eq!(work.len(), 2, "bob and cem");
    let again = whole(&world.tables, true, "2020-01-01T11:00:01Z").await.unwrap();
    let names: Vec<&str> = again.findings.iter().map(|(_, finding)| finding.name()).collect();
    assert!(!names.contains(&"short"), "{names:?}");
}

#[tokio::test]
async fn a_commit_that_its_doorbell_may_still_settle_is_not_a_finding() {
    let world = World::start().await;
    world.record("ada", &[made("car-1")], "10:00:00").await;
    let early = whole(&world.tables, true, "2020-01-01T10:02:00Z").await.unwrap();
    assert_eq!((early.findings, early.streams, early.commits), (vec![], 1, 1));
    world.settle("ada", 1).await;
    let behind =
        Behind { mark: "late".to_owned(), reason: String::new(), attempts: 0, not_before: Timestamp::MIN };
    let marked = world.tables.leads.mark_short(&buyer("ada"), Sequence::START, &behind).await.unwrap();
    assert!(!marked);
    assert_eq!(world.leads(&["audit", "--json"]).await.json()["findings"], json!([]));
    assert_eq!(world.leads(&["audit"]).await.exit, Exit::Good);
}

/// A time long after all recorded facts.
const LATER: &str = "2020-01-01T12:00:00Z";

/// Five buyers with 30 commits each. All are settled except the last ten of dan.
async fn thirty_each() -> World {
    let world = World::start().await;
    for name in ["ada", "bob", "cem", "dan", "eve"] {
        let later = (2..=30).map(|version| {
            let changed = if version % 2 == 0 { accepted("car-1") } else { acceptance_withdrawn("car-1") };
            vec![changed.v(version)]
        });
        let events: Vec<_> = std::iter::once(vec![made("car-1")]).chain(later).collect();
        let events: Vec<&[_]> = events.iter().map(Vec::as_slice).collect();
        for commit in World::commits(name, &events) {
            world.tables.streams.append(&commit).await.unwrap();
        }
        world.settle(name, if name == "dan" { 20 } else { 30 }).await;
    }
    world
}

impl World {
    /// All keys, shuffled with this seed.
    async fn shuffled(&self, seed: u64) -> Vec<CommitKey> {
        let mut keys = self.tables.streams.keys(None).await.unwrap().keys;
        let mut random = SplitMix64(seed);
        for place in (1..keys.len()).rev() {
            keys.swap(place, random.below(place + 1));
        }
        keys
    }
}

fn as_item(key: &CommitKey) -> serde_json::Value {
    let mut item = json!({
        "buyer": { "S": key.buyer.as_str() },
        "sequence": { "N": key.first.to_string() },
        "last": { "N": key.last.to_string() },
        "recordedAt": { "S": key.recorded_at.to_string() },
    });
    if key.is_in_feed {
        item["feed"] = json!({ "S": "2020-01-01T10#0" });
    }
    item
}

/// The tables of `world`, except that a scan returns these keys, seven per page.
async fn scanning(world: &World, keys: &[CommitKey]) -> (Wire, Tables) {
    let items: Vec<_> = keys.iter().map(as_item).collect();
    let url = world.url.clone();
    let wire = Wire::start(move |request| {
        if request.operation() != "Scan" {
            return Answer::Forward(url.clone());
        }
        let from = request.json()["ExclusiveStartKey"]["sequence"]["N"]
            .as_str()
            .map_or(0, |from| from.parse().unwrap());
        let to = items.len().min(from + 7);
        let mut page = json!({ "Items": items[from..to], "ConsumedCapacity": { "CapacityUnits": 1.0 } });
        if to < items.len() {
            page["LastEvaluatedKey"] =
                json!({ "buyer": { "S": "a place" }, "sequence": { "N": to.to_string() } });
        }
        Answer::Reply(Reply::json(200, &page))
    })
    .await;
    let tables = Tables::on(&aws_at(wire.url()), "streams", "leads");
    (wire, tables)
}

fn short(name: &str) -> (domain::BuyerId, Finding) {
    let (through, head) = (Sequence::new(20), Sequence::new(30));
    let since = "2020-01-01T10:00:00Z".parse().unwrap();
    (buyer(name), Finding::Short { through, head, since, is_repaired: false })
}

#[tokio::test]
async fn a_whole_stream_has_no_gap_in_any_order_of_its_keys() {
    let world = thirty_each().await;
    for seed in 0..20 {
        let (_wire, tables) = scanning(&world, &world.shuffled(seed).await).await;
        let found = whole(&tables, false, LATER).await.unwrap();
        assert_eq!(found.findings, [short("dan")], "{seed}");
        assert_eq!((found.streams, found.commits, found.is_complete), (5, 150, true), "{seed}");
    }
}

#[tokio::test]
async fn a_removed_commit_is_found_in_any_order_of_the_keys() {
    let world = thirty_each().await;
    world.remove("bob", 1);
    world.remove("bob", 17);
    world.remove("bob", 18);
    let gap = |from, to| Finding::Gap { from: Sequence::new(from), to: Sequence::new(to) };
    for seed in 0..20 {
        let (_wire, tables) = scanning(&world, &world.shuffled(seed).await).await;
        let found = whole(&tables, false, LATER).await.unwrap();
        let expected = [(buyer("bob"), gap(1, 1)), (buyer("bob"), gap(17, 18)), short("dan")];
        assert_eq!(found.findings, expected, "{seed}");
    }
}

#[tokio::test]
async fn a_commit_missed_by_the_scan_is_read_again_before_it_is_a_gap() {
    let world = thirty_each().await;
    let mut keys = world.shuffled(1).await;
    keys.retain(|key| key.buyer != buyer("ada") || ![5, 6, 12].contains(&key.first.get()));
    let (wire, tables) = scanning(&world, &keys).await;
    let found = whole(&tables, false, LATER).await.unwrap();
    assert_eq!(found.findings, [short("dan")]);
    assert_eq!(found.commits, 150);
    let asked = wire.operations().iter().filter(|operation| *operation == "Query").count();
    assert_eq!(asked, 2, "one query for each hole");
}

/// An interrupt after this many pages, and the progress callback that counts them.
fn after_pages(pages: usize) -> (impl Future<Output = ()>, impl FnMut(&Audit)) {
    let (sender, receiver) = oneshot::channel();
    let (mut sender, mut left) = (Some(sender), pages);
    let count = move |_: &Audit| {
        left -= 1;
        if left == 0 {
            sender.take().unwrap().send(()).unwrap();
        }
    };
    (async { receiver.await.unwrap() }, count)
}

#[tokio::test]
async fn an_interrupted_audit_returns_certain_findings_and_no_gap() {
    let world = thirty_each().await;
    world.remove("bob", 17);
    let mut found_short = 0;
    for pages in 1..=21 {
        let (_wire, tables) = scanning(&world, &world.shuffled(7).await).await;
        let (interrupted, count) = after_pages(pages);
        // The low rate makes the audit wait between pages.
        let found = audit(&tables, 1_000, false, &clock(LATER), interrupted, count).await.unwrap();
        assert_eq!((found.is_complete, found.commits), (false, 7 * pages as u64), "{pages}");
        assert!(found.text().contains("INCOMPLETE: interrupted"), "{}", found.text());
        assert_eq!(found.json()["isComplete"], false);
        assert!(found.findings.len() <= 1, "{:?}", found.findings);
        for (name, finding) in found.findings {
            assert_eq!((name, finding.name()), (buyer("dan"), "short"));
            found_short += 1;
        }
    }
    assert!(found_short > 15, "{found_short}: dan is short as soon as one of its unsettled commits is read");
}

#[tokio::test]
async fn an_interrupted_repair_reports_exactly_the_marks_it_wrote() {
    let world = thirty_each().await;
    let (_wire, tables) = scanning(&world, &world.shuffled(7).await).await;
    let (interrupted, count) = after_pages(12);
    let found = audit(&tables, 1_000, true, &clock(LATER), interrupted, count).await.unwrap();
    assert!(!found.is_complete);
    assert!(matches!(found.findings[..], [(_, Finding::Short { is_repaired: true, .. })]), "{found:?}");
    assert!(world.tables.leads.cursor(&buyer("dan")).await.unwrap().behind.is_some());
}

#[tokio::test]
async fn ctrl_c_ends_an_audit_with_its_findings_and_exit_code_130() {
    let world = thirty_each().await;
    let url = world.url.clone();
    let mut scans = 0;
    let wire = Wire::start(move |request| {
        if request.operation() == "Scan" {
            scans += 1;
            // One page is answered, the next one never.
            if scans > 1 {
                return Answer::Never;
            }
            let mut body = request.json();
            body["Limit"] = json!(149);
            request.body = body.to_string().into_bytes();
        }
        Answer::Forward(url.clone())
    })
    .await;
    let scans = || wire.operations().iter().filter(|operation| *operation == "Scan").count();
    let (code, out) = interrupted(wire.url(), "", &["audit", "--json"], || scans() >= 2).await;
    assert_eq!(code, Some(130));
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&json["isComplete"], &json["commits"]), (&json!(false), &json!(149)));
    assert_eq!(json["findings"][0]["buyerId"], "dan", "{json:#}");
}
