//! Beside the former system, which is the contract's example of one: it announces, is looked up, and hands its buyers over.
//!
//! Each test leaves the recorder as it was deployed: live, and without a former system.

use serde_json::{Value, json};
use tests::Person;

use crate::{leads, on_the_stack, post, told, types};

fn former_url() -> String {
    std::env::var("LEGACY_URL").unwrap()
}

async fn control(method: reqwest::Method, path: &str, body: String) -> String {
    let url = format!("{}/control/{path}", former_url());
    let answer = reqwest::Client::new().request(method, url).body(body).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.text().await.unwrap()
}

/// What deploying with these parameters does to the recorder.
async fn deploy(effects: &str, has_former: bool) {
    let url = if has_former { former_url() } else { String::new() };
    let variables = json!({ "EFFECTS": effects, "LEGACY_URL": url });
    control(reqwest::Method::PUT, "recorder", variables.to_string()).await;
}

async fn former_is_away(is_away: bool) {
    control(reqwest::Method::PUT, "away", is_away.to_string()).await;
}

/// The former system hears of this event, and announces what it owes.
async fn former_hears(person: &Person, kind: &str, offer: &str, version: u32) {
    let (_, body) = person.event(kind, offer, version.into());
    control(reqwest::Method::POST, "events", body).await;
}

/// What the former system has announced about a buyer, in order.
async fn announced(person: &Person) -> Vec<String> {
    let told = control(reqwest::Method::GET, &format!("announced/{}", person.buyer), String::new()).await;
    let told: Vec<Value> = serde_json::from_str(&told).unwrap();
    told.iter().map(|one| one[0].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_buyer_in_shadow_is_migrated_compared_reset_migrated_again_and_handed_over() {
    on_the_stack(async |stack| {
        let person = Person::called("beside").unwrap();
        let buyer = person.buyer.as_str();
        // Older than the queue: only the former system ever hears of it.
        former_hears(&person, "offer.made.v1", "car-1", 1).await;
        deploy("shadow", true).await;
        former_hears(&person, "offer.accepted.v1", "car-1", 2).await;
        post(&stack, &person, "offer.accepted.v1", "car-1", 2).await;
        stack.settled(&person.buyer, 1).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["migrated"], "the former system knew it already");
        assert_eq!(told(&stack, &person).await, [""; 0]);
        let by_former = ["quote", "open low", "invite", "close low", "open high", "mail"];
        assert_eq!(announced(&person).await, by_former);

        let (exit, parity) = leads(&["parity", buyer]).await;
        assert_eq!((exit.as_str(), &parity["unexplained"]), ("Good", &json!(0)), "{parity}");
        let (exit, reset) = leads(&["reset", buyer, "--yes"]).await;
        assert_eq!(exit, "Good", "{reset}");
        former_hears(&person, "offer.made.v1", "car-2", 1).await;
        post(&stack, &person, "offer.made.v1", "car-2", 1).await;
        stack.settled(&person.buyer, 3).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["migrated", "reset", "migrated"]);
        let (exit, parity) = leads(&["parity", buyer]).await;
        assert_eq!((exit.as_str(), &parity["unexplained"]), ("Good", &json!(0)), "{parity}");

        // Live: its lead is closed under its name, and nothing that it announced is announced again.
        deploy("live", true).await;
        post(&stack, &person, "offer.withdrawn.v1", "car-1", 3).await;
        stack.settled(&person.buyer, 5).await.unwrap();
        let lead = format!("closed/L-{buyer}-2");
        assert_eq!(told(&stack, &person).await, [lead.as_str(), "opened/low/5"]);
        assert_eq!(stack.emails_to(&person.email()).await.unwrap(), [], "invited before");
        former_hears(&person, "offer.withdrawn.v1", "car-1", 3).await;
        assert_eq!(announced(&person).await.len(), by_former.len() + 1, "car-2's quote, and nothing since");

        // Live for ever, whatever the setting says, and without the former system.
        deploy("shadow", false).await;
        post(&stack, &person, "offer.accepted.v1", "car-2", 2).await;
        stack.settled(&person.buyer, 6).await.unwrap();
        let since = ["closed/low/5", "opened/high/car-2/2"];
        assert_eq!(told(&stack, &person).await.get(2..).unwrap(), since);
        assert_eq!(stack.emails_to(&person.email()).await.unwrap().len(), 1);
        deploy("live", false).await;

        // Folding again reaches nobody.
        let before = (told(&stack, &person).await, stack.emails_to(&person.email()).await.unwrap());
        let (exit, replayed) = leads(&["replay", buyer]).await;
        assert_eq!((exit.as_str(), &replayed["differing"]), ("Good", &json!([])), "{replayed}");
        assert_eq!((told(&stack, &person).await, stack.emails_to(&person.email()).await.unwrap()), before);
    });
}

#[test]
fn while_the_former_system_is_away_its_buyers_wait_and_live_ones_go_on() {
    on_the_stack(async |stack| {
        let (person, other) = (Person::called("waits").unwrap(), Person::called("goeson").unwrap());
        deploy("live", true).await;
        post(&stack, &other, "offer.made.v1", "car-1", 1).await;
        stack.settled(&other.buyer, 2).await.unwrap();
        assert_eq!(types(&stack, &other).await, ["made", "handed-over"]);
        former_is_away(true).await;
        former_hears(&person, "offer.made.v1", "car-1", 1).await;
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        post(&stack, &other, "offer.accepted.v1", "car-1", 2).await;
        stack.settled(&other.buyer, 3).await.unwrap();
        assert_eq!(types(&stack, &person).await, [""; 0]);
        former_is_away(false).await;
        stack.settled(&person.buyer, 2).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["made", "handed-over"]);
        assert_eq!(told(&stack, &person).await, [""; 0], "announced there");
        deploy("live", false).await;
    });
}

#[test]
fn a_buyer_in_shadow_is_made_live_by_name_without_an_event() {
    on_the_stack(async |stack| {
        let person = Person::called("byname").unwrap();
        let buyer = person.buyer.as_str();
        deploy("shadow", true).await;
        // Recorded here, and not yet heard of there: nobody has announced it.
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        stack.settled(&person.buyer, 2).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["migrated", "made"]);
        let settled = |line: &cli::Line| {
            line.effects.iter().map(|effect| effect.settled.name().to_owned()).collect::<Vec<_>>()
        };
        let history = stack.explained(&person.buyer).await.unwrap();
        assert_eq!(history.lines.last().map(settled).unwrap(), ["suppressed"; 3]);
        let (exit, live) = leads(&["go-live", buyer, "--yes"]).await;
        assert_eq!(exit, "Good", "{live}");
        stack.settled(&person.buyer, 3).await.unwrap();
        assert_eq!(told(&stack, &person).await, ["quote/car-1", "opened/low/3"]);
        assert_eq!(stack.emails_to(&person.email()).await.unwrap().len(), 1);
        former_hears(&person, "offer.made.v1", "car-1", 1).await;
        assert_eq!(announced(&person).await, [""; 0], "a 404 binds");
        deploy("live", false).await;
    });
}
