//! Ctrl-C between the steps of long commands: nothing is left half done, and what was done is printed.

use std::collections::BTreeSet;

use leads_store::Status;
use serde_json::Value;
use testkit::wire::{Answer, Wire};
use testkit::{body, buyer, made};

use crate::all_buyers;
use crate::letters::{World, letter};
use crate::send::Queue;
use crate::world::{TestFile, interrupted};

const LETTERS: &str = "http://127.0.0.1/1/letters.fifo";
const EVENTS_URL: &str = "http://127.0.0.1/1/events.fifo";

const EVENTS: usize = 20_000;

#[tokio::test]
async fn send_prints_what_was_posted() {
    let event = |number| body(&buyer(&format!("buyer-{number}")), &made(&format!("car-{number}")));
    let lines: Vec<String> = (0..EVENTS).map(event).collect();
    let file = TestFile::of(lines.join("\n"));
    let queue = Queue::default();
    let wire = Wire::start(queue.answering(|_| None)).await;
    let words = ["send", "--queue-url", "https://sqs/1/q.fifo", file.name(), "--json"];
    let (code, out) = interrupted(wire.url(), "", &words, || !queue.posted().is_empty()).await;
    let said: Value = serde_json::from_str(&out).unwrap();
    let posted: BTreeSet<String> = queue.posted().into_iter().map(|message| message.body).collect();
    assert_eq!((code, said["posted"].as_u64()), (Some(130), Some(posted.len() as u64)));
    assert!(posted.len() < EVENTS && said["isComplete"] == false, "{out}");
    let through = usize::try_from(said["throughLine"].as_u64().unwrap()).unwrap();
    assert!(through > 0 && lines.iter().take(through).all(|line| posted.contains(line)), "{out}");
}

#[tokio::test]
async fn emails_prints_which_are_sent_again_and_can_be_run_again() {
    let world = all_buyers::World::start().await;
    for number in 0..600 {
        let name = format!("buyer-{number}");
        world.email(&name, "quote-email", Status::Rejected, Some("BadRequest")).await;
    }
    let left = async || {
        let listed = world.leads(&["emails", "--status", "rejected", "--json"]).await.json();
        listed["count"].as_u64().unwrap()
    };
    let url = world.url.clone();
    let wire = Wire::start(move |_| Answer::Forward(url.clone())).await;
    let words = ["emails", "--resend", "--status", "rejected", "--yes", "--json"];
    let begun = || wire.operations().iter().any(|operation| operation == "UpdateItem");
    let (code, out) = interrupted(wire.url(), "", &words, begun).await;
    let said: Value = serde_json::from_str(&out).unwrap();
    let resent = said["resent"].as_u64().unwrap();
    assert_eq!((code, said["notTried"].as_u64()), (Some(130), Some(600 - resent)));
    assert!(resent < 600 && left().await == 600 - resent, "{out}");
}

#[tokio::test]
async fn dead_letters_that_were_not_redriven_are_visible_again() {
    let world = World::of((0..2000).map(|number| letter(number, "ada", "not-json")).collect()).await;
    let words = ["dead-letters", "redrive", "--all", "--yes", "--json", "--dead-letters-url", LETTERS];
    let words = [&words[..], &["--queue-url", EVENTS_URL]].concat();
    let (code, out) = interrupted(world.wire.url(), "", &words, || world.redriven("ada").len() > 20).await;
    let said: Value = serde_json::from_str(&out).unwrap();
    let redriven = world.redriven("ada");
    assert_eq!((code, said["redriven"].as_array().unwrap().len()), (Some(130), redriven.len()));
    assert_eq!((&said["isCutShort"], &said["seenAndLeft"]), (&true.into(), &0.into()), "{out}");
    assert!(redriven.len() < 2000 && redriven.iter().copied().eq(0..redriven.len()), "{redriven:?}");
    let left: Vec<String> = (redriven.len()..2000).map(|number| format!("letter-{number}")).collect();
    assert_eq!(world.left(), left);
}
