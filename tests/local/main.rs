//! Tests of the built functions, deployed by the real template on a local AWS. `make test-local` starts and stops it.
#![expect(clippy::unwrap_used, reason = "test code")]

mod after;
mod alone;
mod effects;
mod events;
mod faults;
mod kills;
mod localstack;
mod operators;
mod strict;

use std::ffi::OsString;

use domain::{BuyerId, Sequence};
use jiff::Timestamp;
use leads_store::{AddressDigest, Claim, Taking};
use serde_json::{Value, json};
use tests::{Person, Stack};

/// Runs a test on the stack that the environment variables name.
fn on_the_stack(test: impl AsyncFnOnce(Stack)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stack = Stack::from_env().await.unwrap_or_else(|error| panic!("{error}"));
        test(stack).await;
    });
}

/// Posts an event of this buyer to the queue of offer events.
async fn post(stack: &Stack, person: &Person, kind: &str, offer: &str, version: u64) {
    let (id, body) = person.event(kind, offer, version);
    stack.post(person.buyer.as_str(), &id, &body).await.unwrap();
}

/// Runs the `leads` command with `--json`. Returns its exit code and its output, or the error text if there is no JSON.
async fn leads(words: &[&str]) -> (String, Value) {
    let words = ["leads", "--json"].iter().chain(words).map(OsString::from);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = cli::run(words, &mut out, &mut err).await;
    let answer = serde_json::from_slice(&out).unwrap_or_else(|_| json!(String::from_utf8_lossy(&err)));
    (format!("{exit:?}"), answer)
}

/// The type of every entry in a buyer's stream, in order.
async fn types(stack: &Stack, person: &Person) -> Vec<String> {
    let history = stack.history(&person.buyer).await.unwrap();
    history.lines.iter().map(|line| line.entry.name().to_owned()).collect()
}

/// The effect keys of the sales messages about a buyer, in order.
async fn sales_keys(stack: &Stack, person: &Person) -> Vec<String> {
    let bodies = stack.sales_bodies(&person.buyer).await.unwrap();
    let own = format!("{}/", person.buyer);
    bodies.iter().map(|body| body["id"].as_str().unwrap().replace(&own, "")).collect()
}

/// Makes and accepts this many offers to a new buyer, and waits until all effects are settled.
async fn accept_offers(stack: &Stack, person: &Person, count: u64) {
    for offer in 0..count {
        let car = format!("car-{offer}");
        post(stack, person, "offer.made.v1", &car, 1).await;
        post(stack, person, "offer.accepted.v1", &car, 2).await;
    }
    stack.wait_settled(&person.buyer, 2 * count).await.unwrap();
}

/// How many high leads of a buyer are announced as closed.
async fn closed_high(stack: &Stack, person: &Person) -> usize {
    sales_keys(stack, person).await.iter().filter(|key| key.starts_with("closed/high/")).count()
}

/// The claim of an e-mail about a buyer's first fact.
fn claim_of_a_crashed_worker(buyer: &BuyerId, at: Timestamp) -> Claim {
    Claim {
        buyer: buyer.clone(),
        key: "accepted-email/car-1/9".to_owned(),
        sequence: Sequence::new(1),
        nonce: "test".to_owned(),
        address: AddressDigest::of("nobody"),
        head: Sequence::new(1),
        now: at,
        taking: Taking::Attempt(at),
        found: None,
        first_tried_at: Some(at),
    }
}

/// Sends a request to the control interface beside the local stack (`infra/local/beside.py`). Returns the body of the
/// answer.
async fn control(method: reqwest::Method, path: &str, body: String) -> String {
    let url = format!("{}/control/{path}", std::env::var("LEGACY_URL").unwrap());
    let answer = reqwest::Client::new().request(method, url).body(body).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.text().await.unwrap()
}
