//! Buyers that a former system knows, and what people decide about them; the former system is a small server beside the
//! stack.

use std::ffi::OsString;

use serde_json::{Value, json};
use tests::{Person, Stack};

use crate::on_the_stack;

/// What the former system answers about a buyer from now on.
async fn former_answers(person: &Person, answer: &Value) {
    let url = std::env::var("LEGACY_URL").unwrap();
    let told = reqwest::Client::new().put(format!("{url}/buyers/{}", person.buyer)).json(answer).send().await;
    assert!(told.unwrap().status().is_success());
}

/// It knows these offers: version, stage.
async fn former_knows(person: &Person, offers: &[(&str, u32, &str)]) {
    let offer = |(id, version, stage): &(&str, u32, &str)| {
        json!({
            "offerId": id, "offerVersion": version, "stage": stage, "carId": id,
            "buyer": { "name": "Ada Canary", "email": person.email() },
        })
    };
    let offers: Vec<Value> = offers.iter().map(offer).collect();
    let answer = json!({ "buyerId": person.buyer.as_str(), "wasInvited": true, "offers": offers });
    former_answers(person, &answer).await;
}

async fn post(stack: &Stack, person: &Person, kind: &str, offer: &str, version: u32) {
    let (id, body) = person.event(kind, offer, version.into());
    stack.post(person.buyer.as_str(), &id, &body).await.unwrap();
}

/// The `leads` command, as people call it: its exit code and its answer.
async fn leads(words: &[&str]) -> (String, Value) {
    let words = ["leads", "--json"].iter().chain(words).map(OsString::from);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = cli::run(words, &mut out, &mut err).await;
    let answer = serde_json::from_slice(&out).unwrap_or_else(|_| json!(String::from_utf8_lossy(&err)));
    (format!("{exit:?}"), answer)
}

async fn types(stack: &Stack, person: &Person) -> Vec<String> {
    let history = stack.explained(&person.buyer).await.unwrap();
    history.lines.iter().map(|line| line.entry.name().to_owned()).collect()
}

async fn told(stack: &Stack, person: &Person) -> Vec<String> {
    let bodies = stack.sales_bodies(&person.buyer).await.unwrap();
    let own = format!("{}/", person.buyer);
    bodies.iter().map(|body| body["id"].as_str().unwrap().replace(&own, "")).collect()
}

#[test]
fn a_buyer_is_taken_over_with_what_the_former_system_has_announced_and_given_back_and_taken_over_anew() {
    on_the_stack(async |stack| {
        let person = Person::called("takenover").unwrap();
        former_knows(&person, &[("car-1", 2, "accepted")]).await;
        post(&stack, &person, "offer.acceptance-withdrawn.v1", "car-1", 3).await;
        stack.settled(&person.buyer, 2).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["migrated", "acceptance-withdrawn"]);
        assert_eq!(told(&stack, &person).await, ["closed/high/car-1/2", "opened/low/2"]);
        assert_eq!(stack.emails_to(&person.email()).await.unwrap(), [], "invited before");

        let buyer = person.buyer.as_str();
        let (exit, parity) = leads(&["parity", buyer]).await;
        assert_eq!((exit.as_str(), &parity["offers"][0]["stands"]), ("Findings", &json!("ahead")));
        let (exit, refused) = leads(&["reset", buyer, "--yes"]).await;
        assert_eq!(exit, "Findings");
        assert!(refused["refused"].as_str().unwrap().contains("knows less of offer car-1"), "{refused}");

        former_knows(&person, &[("car-1", 3, "pending"), ("car-2", 1, "pending")]).await;
        let (exit, reset) = leads(&["reset", buyer, "--yes"]).await;
        assert_eq!((exit.as_str(), &reset["sequence"]), ("Good", &json!(3)), "{reset}");
        post(&stack, &person, "offer.accepted.v1", "car-2", 2).await;
        stack.settled(&person.buyer, 5).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["emptied", "reset", "migrated", "accepted"]);
        // Nothing is announced twice, and what changed in between is announced.
        let since = ["quote/car-2", "closed/low/2", "opened/high/car-2/2"];
        assert_eq!(told(&stack, &person).await.get(2..).unwrap(), since);
        assert_eq!(stack.emails_to(&person.email()).await.unwrap().len(), 1);

        // Folding again reaches nobody.
        let before = (told(&stack, &person).await, stack.emails_to(&person.email()).await.unwrap());
        let (exit, replayed) = leads(&["replay", buyer]).await;
        assert_eq!((exit.as_str(), &replayed["differing"]), ("Good", &json!([])), "{replayed}");
        assert_eq!((told(&stack, &person).await, stack.emails_to(&person.email()).await.unwrap()), before);
    });
}

#[test]
fn while_the_former_system_is_away_its_buyers_wait_and_others_go_on() {
    on_the_stack(async |stack| {
        let (person, other) = (Person::called("waits").unwrap(), Person::called("goeson").unwrap());
        post(&stack, &other, "offer.made.v1", "car-1", 1).await;
        stack.settled(&other.buyer, 1).await.unwrap();
        former_answers(&person, &json!({ "status": 503 })).await;
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        post(&stack, &other, "offer.accepted.v1", "car-1", 2).await;
        stack.settled(&other.buyer, 2).await.unwrap();
        assert_eq!(types(&stack, &person).await, [""; 0]);
        former_knows(&person, &[("car-1", 1, "pending")]).await;
        stack.settled(&person.buyer, 1).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["migrated"], "the event was known there");
        assert_eq!(told(&stack, &person).await, [""; 0]);
    });
}

/// More leads than a transaction takes: the cursor is moved in several, each of which checks it.
#[test]
fn a_buyer_with_110_accepted_offers_is_settled_once_erased() {
    on_the_stack(async |stack| {
        let person = Person::called("manyoffers").unwrap();
        let buyer = person.buyer.as_str();
        for offer in 0..110 {
            let car = format!("car-{offer}");
            post(&stack, &person, "offer.made.v1", &car, 1).await;
            post(&stack, &person, "offer.accepted.v1", &car, 2).await;
        }
        stack.settled(&person.buyer, 220).await.unwrap();
        leads(&["erase", buyer, "--yes"]).await;
        stack.settled(&person.buyer, 221).await.unwrap();
        let (exit, erased) = leads(&["erase", buyer, "--yes"]).await;
        assert_eq!(exit.as_str(), "Good", "{erased}");
        let told = told(&stack, &person).await;
        let closed = told.iter().filter(|key| key.starts_with("closed/high/")).count();
        assert_eq!(closed, 110, "{told:?}");
    });
}

#[test]
fn a_gap_declared_void_sets_free_what_waits_and_an_erased_buyer_is_forgotten() {
    on_the_stack(async |stack| {
        let person = Person::called("voiderased").unwrap();
        let buyer = person.buyer.as_str();
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        // One after the other: two of one batch are one commit.
        stack.settled(&person.buyer, 1).await.unwrap();
        post(&stack, &person, "offer.accepted.v1", "car-1", 3).await;
        stack.settled(&person.buyer, 2).await.unwrap();
        assert_eq!(leads(&["void", buyer, "car-1", "--through", "2"]).await.0, "Failed", "not without --yes");
        let (exit, voided) = leads(&["void", buyer, "car-1", "--through", "2", "--yes"]).await;
        assert_eq!((exit.as_str(), &voided["sequence"]), ("Good", &json!(3)), "{voided}");
        stack.settled(&person.buyer, 3).await.unwrap();
        assert!(told(&stack, &person).await.contains(&"opened/high/car-1/3".to_owned()));
        post(&stack, &person, "offer.accepted.v1", "car-1", 2).await;
        let letter = stack
            .until("the void version to be set aside", async || {
                Ok(stack.dead_letters(buyer).await?.into_iter().next())
            })
            .await
            .unwrap();
        assert_eq!(letter.attribute("reason"), "voided");

        leads(&["erase", buyer, "--yes"]).await;
        stack.settled(&person.buyer, 4).await.unwrap();
        let (exit, erased) = leads(&["erase", buyer, "--yes"]).await;
        assert_eq!((exit.as_str(), &erased["sequence"]), ("Good", &json!(4)), "{erased}");
        assert!(told(&stack, &person).await.contains(&"closed/high/car-1/3".to_owned()));
        post(&stack, &person, "offer.made.v1", "car-2", 1).await;
        stack.settled(&person.buyer, 5).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["emptied", "emptied", "emptied", "erased", "made"]);
        let everything = format!(
            "{:?} {:?}",
            stack.head(&person.buyer).await.unwrap(),
            leads(&["show", buyer, "--contact"]).await
        );
        assert!(!everything.contains(&person.email()), "{everything}");
    });
}
