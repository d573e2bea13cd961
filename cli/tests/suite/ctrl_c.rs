//! Ctrl-C between the steps of long commands: nothing is left half done, and what was done is printed.

use cli::dead_letters::{DeadLetterQueue, Doing, Selection, work};
use jiff::Timestamp;
use leads_store::Status;
use testkit::wire::Wire;
use testkit::{body, buyer, made};

use crate::all_buyers::World;
use crate::cloud::Cloud;
use crate::send::Queue;
use crate::world::{TestFile, aws_at, interrupted};

const EVENTS: usize = 20_000;

#[tokio::test]
async fn send_prints_what_was_posted_and_can_be_run_again() {
    let event = |number| body(&buyer(&format!("buyer-{number}")), &made(&format!("car-{number}")));
    let lines = (0..EVENTS).map(event);
    let file = TestFile::of(lines.collect::<Vec<_>>().join("\n"));
    let queue = Queue::default();
    let wire = Wire::start(queue.answering(|_| None)).await;
    let words = ["send", "--queue-url", "https://sqs/1/q.fifo", file.name(), "--json"];
    let (code, out) = interrupted(wire.url(), "", &words, || !queue.posted().is_empty()).await;
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    let posted = queue.posted().len();
    assert_eq!((code, said["posted"].as_u64()), (Some(130), Some(posted as u64)));
    assert!(posted < EVENTS && said["throughLine"].as_u64().unwrap() <= posted as u64, "{out}");
}

#[tokio::test]
async fn emails_prints_which_are_sent_again_and_can_be_run_again() {
    let world = World::start().await;
    for number in 0..600 {
        let name = format!("buyer-{number}");
        world.email(&name, "quote-email", Status::Rejected, Some("BadRequest")).await;
    }
    let left = async || {
        let listed = world.leads(&["emails", "--status", "rejected", "--json"]).await.json();
        listed["count"].as_u64().unwrap()
    };
    let url = world.url.clone();
    let wire = Wire::start(move |_| testkit::wire::Answer::Forward(url.clone())).await;
    let words = ["emails", "--resend", "--status", "rejected", "--yes", "--json"];
    let begun = || wire.operations().iter().any(|operation| operation == "UpdateItem");
    let (code, out) = interrupted(wire.url(), "", &words, begun).await;
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    let resent = said["resent"].as_u64().unwrap();
    assert_eq!((code, said["notTried"].as_u64()), (Some(130), Some(600 - resent)));
    // Some that were under way when it ended may have been sent again too.
    assert!(resent < 600 && left().await <= 600 - resent, "{out}");
}

#[tokio::test]
async fn dead_letters_are_given_back_to_the_queue() {
    let cloud = Cloud::start().await;
    cloud.script().letters = vec!["not-json"; 40];
    let url = |name: &str| format!("http://127.0.0.1/123456789012/cars-{name}.fifo");
    let sqs = aws_sdk_sqs::Client::new(&aws_at(cloud.wire.url()));
    let queue = DeadLetterQueue::new(sqs, url("OfferEventsDeadLetters"), Some(url("OfferEvents")));
    let all = Selection::default();
    let seen = async |most: u64| {
        let done = work(&queue, &all, Doing::Looking, Timestamp::now(), |seen| seen < most).await.unwrap();
        (done.letters.len(), done.is_interrupted, done.is_cut_short)
    };
    assert_eq!(seen(15).await, (15, true, true));
    assert_eq!(seen(100).await, (40, false, false));
}
