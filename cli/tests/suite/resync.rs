//! `leads resync`: a consumer that lost its data gets the same messages again.

use std::collections::{BTreeMap, BTreeSet};

use cli::Exit;
use domain::Fact;
use effects::outside::MemoryOutside;
use serde_json::{Value, json};
use testkit::wire::{Answer, Request, Wire};
use testkit::{accepted, buyer, made, withdrawn};

use crate::all_buyers::World;
use crate::crowd::{Crowd, advance};
use crate::send::{Posted, Queue};
use crate::world::{Ended, TestFile, interrupted, online};

/// A consumer's tables after messages, by the two rules of the contract: an id is applied once, and a closed lead never
/// reopens.
#[derive(Debug, Default, PartialEq)]
struct Desk {
    applied: BTreeSet<String>,
    leads: BTreeMap<(String, String), Option<Value>>,
    quotes: BTreeMap<(String, String), Value>,
}

impl Desk {
    fn after<'a>(bodies: impl IntoIterator<Item = &'a str>) -> Self {
        let mut desk = Self::default();
        for body in bodies {
            desk.apply(&serde_json::from_str(body).unwrap());
        }
        desk
    }

    fn apply(&mut self, message: &Value) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        if !self.applied.insert(text(&message["id"])) {
            return;
        }
        let data = &message["data"];
        let (buyer, subject) = (text(&data["buyerId"]), text(&message["subject"]));
        match message["type"].as_str().unwrap() {
            "quote.requested.v1" => drop(self.quotes.insert((buyer, subject), data.clone())),
            "lead.opened.v1" => drop(self.leads.entry((buyer, subject)).or_insert(Some(data.clone()))),
            "lead.closed.v1" => {
                self.leads.insert((buyer.clone(), subject), None);
                if data["reason"] == "erased" {
                    self.quotes.retain(|(of, _), quote| {
                        *of != buyer || quote["sequence"].as_u64() > data["sequence"].as_u64()
                    });
                }
            }
            other => panic!("{other}"),
        }
    }

    fn open(&self) -> BTreeMap<&(String, String), &Value> {
        self.leads.iter().filter_map(|(lead, open)| Some((lead, open.as_ref()?))).collect()
    }
}

async fn resync(url: &str, words: &[&str]) -> Ended {
    let places = ["--sales-team-url", "http://127.0.0.1/1/sales.fifo"];
    let words: Vec<&str> = ["resync"].iter().chain(words).copied().chain(places).collect();
    online(url, &words).await
}

/// A buyer's messages in order, by buyer.
fn by_buyer<'a>(bodies: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, Vec<&'a str>> {
    let mut of = BTreeMap::<String, Vec<&str>>::new();
    for body in bodies {
        let message: Value = serde_json::from_str(body).unwrap();
        of.entry(message["data"]["buyerId"].as_str().unwrap().to_owned()).or_default().push(body);
    }
    of
}

#[tokio::test]
async fn a_consumer_that_lost_its_data_has_the_same_open_leads_after_a_resync() {
    let crowd = Crowd::of(1000).await;
    let sent: Vec<String> = crowd.sales().into_iter().map(|message| message.body).collect();
    let before = Desk::after(sent.iter().map(String::as_str));
    assert!(before.open().len() > 400, "{}", before.open().len());

    let file = TestFile::free();
    let words = ["--to-file", file.name(), "--rate", "1000000", "--yes", "--json"];
    let ended = resync(&crowd.world.url, &words).await;
    assert_eq!(ended.exit, Exit::Good, "{}", ended.err);
    let again = file.text();
    let after = Desk::after(again.lines());
    assert!(after.open() == before.open());
    // A quote of a buyer who was erased cannot be requested again.
    let erased: BTreeSet<String> = crowd.erased().iter().map(ToString::to_string).collect();
    let kept = before.quotes.into_iter().filter(|((buyer, _), _)| !erased.contains(buyer));
    assert!(after.quotes == kept.collect::<BTreeMap<_, _>>());

    // Apart from what was erased since, the same bytes in the same order for each buyer.
    let (first, second) = (by_buyer(sent.iter().map(String::as_str)), by_buyer(again.lines()));
    for (name, bodies) in &first {
        let repeated = second.get(name).cloned().unwrap_or_default();
        if erased.contains(name) {
            let closings = bodies.iter().filter(|body| body.contains("lead.closed.v1"));
            assert_eq!(repeated, closings.copied().collect::<Vec<_>>(), "{name}");
        } else {
            assert_eq!(repeated, *bodies, "{name}");
        }
    }
    assert_eq!(second.keys().filter(|name| !first.contains_key(*name)).count(), 0);
    assert!(first.keys().any(|name| erased.contains(name)), "messages of erased buyers were sent");
}

/// Ada: an accepted offer, all sent. Bob: in shadow. Cem: recorded and not performed. Dan: withdrawn before it was
/// performed.
async fn four() -> (World, Vec<String>) {
    let (world, outside) = (World::start().await, MemoryOutside::default());
    world.record("ada", &[made("car-1")], "10:00:00").await;
    advance(&world, &outside, &buyer("ada")).await;
    world.record("ada", &[accepted("car-1").v(2)], "12:00:00").await;
    advance(&world, &outside, &buyer("ada")).await;
    world.in_shadow("bob", &[Fact::Migrated(Box::default()), made("car-1").into()]).await;
    advance(&world, &outside, &buyer("bob")).await;
    world.record("cem", &[made("car-1")], "10:00:00").await;
    world.record("dan", &[made("car-1")], "10:00:00").await;
    world.record("dan", &[withdrawn("car-1").v(2)], "10:01:00").await;
    advance(&world, &outside, &buyer("dan")).await;
    let sent = outside.sales().into_iter().map(|message| message.body).collect();
    (world, sent)
}

/// The tables of this world, and a queue of the sales team beside them.
async fn beside(
    world: &World,
    fails: impl FnMut(&Posted) -> Option<(&'static str, bool)> + Send + 'static,
) -> (Wire, Queue) {
    let (queue, tables) = (Queue::default(), world.url.clone());
    let mut answering = queue.answering(fails);
    let wire = Wire::start(move |request: &mut Request| {
        let is_sqs = request.headers.iter().any(|(_, value)| value.starts_with("AmazonSQS."));
        if is_sqs { answering(request) } else { Answer::Forward(tables.clone()) }
    })
    .await;
    (wire, queue)
}

#[tokio::test]
async fn without_yes_messages_are_only_counted() {
    let (world, _) = four().await;
    let (wire, queue) = beside(&world, |_| None).await;
    let ended = resync(wire.url(), &["--to-queue"]).await;
    assert_eq!(ended.exit, Exit::Failed, "{}", ended.err);
    assert!(
        ended.out.contains("4 buyers of 4: 5 messages (2 lead-closed, 2 lead-opened, 1 quote-request)"),
        "{}",
        ended.out
    );
    assert!(
        ended.err.contains("Not done: sending 5 messages again, --to-queue or --to-file,"),
        "{}",
        ended.err
    );
    assert_eq!(queue.posted(), []);
}

#[tokio::test]
async fn only_what_was_sent_is_sent_again_with_new_deduplication_ids() {
    let (world, sent) = four().await;
    let (wire, queue) = beside(&world, |_| None).await;
    for round in 1..=2 {
        let ended = resync(wire.url(), &["--to-queue", "--yes", "--json"]).await;
        assert_eq!(ended.exit, Exit::Good, "{}", ended.err);
        let document = ended.json();
        assert_eq!((&document["sentTo"], &document["isComplete"]), (&json!("queue"), &json!(true)));
        // SQS would have dropped a repeat with the same deduplication id within five minutes.
        assert_eq!(queue.posted().len(), round * sent.len());
    }
    let of = |name: &str| {
        let posted = queue.posted().into_iter().filter(|one| one.group == name);
        posted.map(|one| one.body).take(sent.len()).collect::<Vec<_>>()
    };
    let of_ada: Vec<String> = sent.iter().filter(|body| body.contains("\"ada/")).cloned().collect();
    assert_eq!(of("ada")[..of_ada.len()], of_ada);
    assert_eq!((of("bob").len(), of("cem").len()), (0, 0));
}

#[tokio::test]
async fn since_selects_by_the_time_of_recording() {
    let (world, sent) = four().await;
    let file = TestFile::free();
    let words = ["--since", "2020-01-01T11:00:00Z", "--to-file", file.name(), "--yes"];
    assert_eq!(resync(&world.url, &words).await.exit, Exit::Good);
    let wanted: Vec<String> =
        sent.iter().filter(|body| body.contains("2020-01-01T12:00:00Z")).cloned().collect();
    assert_eq!(file.text().lines().collect::<Vec<_>>(), wanted);
    assert_eq!(wanted.len(), 2);
}

#[tokio::test]
async fn a_refused_message_stops_the_run_and_names_itself_and_the_place_to_go_on() {
    let (world, sent) = four().await;
    let (wire, queue) = beside(&world, |message| {
        message.body.contains("\"dan/closed").then_some(("InvalidMessageContents", true))
    })
    .await;
    let ended = resync(wire.url(), &["--to-queue", "--yes", "--buyer", "dan", "--buyer", "ada"]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(
        ended.err.contains("refused the message dan/closed/low/1: InvalidMessageContents"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("Run it again to go on, with --from ada."), "{}", ended.err);
    drop((queue, sent));
}

#[tokio::test]
async fn an_interrupted_run_names_the_buyer_from_which_the_next_one_goes_on() {
    let crowd = Crowd::of(40).await;
    let sent: Vec<String> = crowd.sales().into_iter().map(|message| message.body).collect();
    let file = TestFile::free();
    let words = ["resync", "--to-file", file.name(), "--yes", "--rate", "1", "--json"];
    let has_written = || std::fs::metadata(file.name()).is_ok_and(|file| file.len() > 0);
    let (code, out) = interrupted(&crowd.world.url, "http://127.0.0.1:1", &words, has_written).await;
    assert_eq!(code, Some(130));
    let document: Value = serde_json::from_str(&out).unwrap();
    let next = document["next"].as_str().unwrap();
    let words = ["--to-file", file.name(), "--yes", "--rate", "1000000", "--from", next];
    assert_eq!(resync(&crowd.world.url, &words).await.exit, Exit::Good);
    assert_eq!(Desk::after(file.text().lines()).open(), Desk::after(sent.iter().map(String::as_str)).open());
    let ids: Vec<Value> =
        file.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone()).collect();
    let different: BTreeSet<String> = ids.iter().map(Value::to_string).collect();
    assert_eq!(ids.len(), different.len(), "nothing is repeated");
}

#[tokio::test]
async fn wrong_places_are_refused_before_anything_is_sent() {
    let (world, _) = four().await;
    for (words, expected) in [
        (&["--yes"][..], "required"),
        (&["--to-queue", "--to-file", "f", "--yes"], "cannot be used with"),
        (&["--to-file", "/no/such/folder/f", "--yes"], "cannot write /no/such/folder/f"),
        (&["--since", "yesterday"], "a time is as in 2026-11-29T06:00:00Z"),
        (
            &["--to-queue", "--sales-team-url", "http://127.0.0.1/1/events.fifo", "--yes"],
            "correct one of them",
        ),
        (&["--to-queue", "--sales-team-url", "http://127.0.0.1/1/standard", "--yes"], "SQS FIFO queue"),
    ] {
        let words: Vec<&str> = ["resync"].iter().chain(words).copied().collect();
        let ended = online(&world.url, &words).await;
        assert_eq!(ended.exit, Exit::Failed, "{words:?}");
        assert!(ended.err.contains(expected), "{words:?}: {}", ended.err);
    }
    let file = TestFile::of("something");
    let ended = resync(&world.url, &["--to-file", file.name(), "--yes"]).await;
    assert_eq!((ended.exit, file.text().as_str()), (Exit::Failed, "something"));
}
