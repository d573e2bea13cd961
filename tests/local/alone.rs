//! Tests that change the deployed recorder and therefore run alone (profile `local-aws-alone`): operation beside the
//! former system, played by the example in the contract. It announces leads, answers look-ups, and hands its buyers
//! over. Each test leaves the recorder as it was deployed: live, and without a former system.

use serde_json::{Value, json};
use tests::Person;

use crate::{control, leads, on_the_stack, post, sales_keys, types};

fn former_url() -> String {
    std::env::var("LEGACY_URL").unwrap()
}

/// Sets the recorder's environment variables as a deployment with these parameters would.
async fn deploy(effects: &str, has_former: bool) {
    let url = if has_former { former_url() } else { String::new() };
    let variables = json!({ "EFFECTS": effects, "LEGACY_URL": url });
    control(reqwest::Method::PUT, "recorder", variables.to_string()).await;
}

/// Makes the former system unreachable, or reachable again.
async fn set_former_down(is_down: bool) {
    control(reqwest::Method::PUT, "away", is_down.to_string()).await;
}

/// Delivers an event to the former system, which then announces what follows from it.
async fn former_receives(person: &Person, kind: &str, offer: &str, version: u32) {
    let (_, body) = person.event(kind, offer, version.into());
    control(reqwest::Method::POST, "events", body).await;
}

/// What the former system has announced about a buyer, in order.
async fn announced(person: &Person) -> Vec<String> {
    let answer = control(reqwest::Method::GET, &format!("announced/{}", person.buyer), String::new()).await;
    let messages: Vec<Value> = serde_json::from_str(&answer).unwrap();
    messages.iter().map(|one| one[0].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_shadow_buyer_is_migrated_compared_reset_and_handed_over() {
    on_the_stack(async |stack| {
        let person = Person::called("beside").unwrap();
        let buyer = person.buyer.as_str();
        // This event is older than the queue: only the former system ever receives it.
        former_receives(&person, "offer.made.v1", "car-1", 1).await;
        deploy("shadow", true).await;
        former_receives(&person, "offer.accepted.v1", "car-1", 2).await;
        post(&stack, &person, "offer.accepted.v1", "car-1", 2).await;
        stack.wait_settled(&person.buyer, 1).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["migrated"], "the former system knew it already");
        assert_eq!(sales_keys(&stack, &person).await, [""; 0]);
        let by_former = ["quote", "open low", "invite", "close low", "open high", "mail"];
        assert_eq!(announced(&person).await, by_former);

        let (exit, parity) = leads(&["parity", buyer]).await;
        assert_eq!((exit.as_str(), &parity["unexplained"]), ("Good", &json!(0)), "{parity}");
        let (exit, reset) = leads(&["reset", buyer, "--yes"]).await;
        assert_eq!(exit, "Good", "{reset}");
        former_receives(&person, "offer.made.v1", "car-2", 1).await;
        post(&stack, &person, "offer.made.v1", "car-2", 1).await;
        stack.wait_settled(&person.buyer, 3).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["migrated", "reset", "migrated"]);
        let (exit, parity) = leads(&["parity", buyer]).await;
        assert_eq!((exit.as_str(), &parity["unexplained"]), ("Good", &json!(0)), "{parity}");

        // Live: the former system's lead is closed under its own name, and no announcement of its is repeated.
        deploy("live", true).await;
        post(&stack, &person, "offer.withdrawn.v1", "car-1", 3).await;
        stack.wait_settled(&person.buyer, 5).await.unwrap();
        let lead = format!("closed/L-{buyer}-2");
        assert_eq!(sales_keys(&stack, &person).await, [lead.as_str(), "opened/low/5"]);
        assert_eq!(
            stack.emails_to(&person.email()).await.unwrap(),
            [],
            "the former system had sent the invitation"
        );
        former_receives(&person, "offer.withdrawn.v1", "car-1", 3).await;
        assert_eq!(
            announced(&person).await.len(),
            by_former.len() + 1,
            "the quote of car-2, and nothing since the handover"
        );

        // The buyer stays live with `Effects` set to shadow, and without the former system.
        deploy("shadow", false).await;
        post(&stack, &person, "offer.accepted.v1", "car-2", 2).await;
        stack.wait_settled(&person.buyer, 6).await.unwrap();
        let since = ["closed/low/5", "opened/high/car-2/2"];
        assert_eq!(sales_keys(&stack, &person).await.get(2..).unwrap(), since);
        assert_eq!(stack.emails_to(&person.email()).await.unwrap().len(), 1);
        deploy("live", false).await;

        // A replay performs no effects.
        let before = (sales_keys(&stack, &person).await, stack.emails_to(&person.email()).await.unwrap());
        let (exit, replayed) = leads(&["replay", buyer]).await;
        assert_eq!((exit.as_str(), &replayed["differing"]), ("Good", &json!([])), "{replayed}");
        assert_eq!(
            (sales_keys(&stack, &person).await, stack.emails_to(&person.email()).await.unwrap()),
            before
        );
    });
}

#[test]
fn while_the_former_system_is_down_its_buyers_wait_and_live_ones_go_on() {
    on_the_stack(async |stack| {
        let (person, other) = (Person::called("waits").unwrap(), Person::called("goeson").unwrap());
        deploy("live", true).await;
        post(&stack, &other, "offer.made.v1", "car-1", 1).await;
        stack.wait_settled(&other.buyer, 2).await.unwrap();
        assert_eq!(types(&stack, &other).await, ["made", "handed-over"]);
        set_former_down(true).await;
        former_receives(&person, "offer.made.v1", "car-1", 1).await;
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        post(&stack, &other, "offer.accepted.v1", "car-1", 2).await;
        stack.wait_settled(&other.buyer, 3).await.unwrap();
        assert_eq!(types(&stack, &person).await, [""; 0]);
        set_former_down(false).await;
        stack.wait_settled(&person.buyer, 2).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["made", "handed-over"]);
        assert_eq!(sales_keys(&stack, &person).await, [""; 0], "the former system announced them");
        deploy("live", false).await;
    });
}

#[test]
fn a_shadow_buyer_goes_live_by_name_without_an_event() {
    on_the_stack(async |stack| {
        let person = Person::called("byname").unwrap();
        let buyer = person.buyer.as_str();
        deploy("shadow", true).await;
        // Recorded by Leadstream, but not yet received by the former system: no system has announced it.
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        stack.wait_settled(&person.buyer, 2).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["migrated", "made"]);
        let settled = |line: &cli::Line| {
            line.effects.iter().map(|effect| effect.settled.name().to_owned()).collect::<Vec<_>>()
        };
        let history = stack.history(&person.buyer).await.unwrap();
        assert_eq!(history.lines.last().map(settled).unwrap(), ["suppressed"; 3]);
        let (exit, live) = leads(&["go-live", buyer, "--yes"]).await;
        assert_eq!(exit, "Good", "{live}");
        stack.wait_settled(&person.buyer, 3).await.unwrap();
        assert_eq!(sales_keys(&stack, &person).await, ["quote/car-1", "opened/low/3"]);
        assert_eq!(stack.emails_to(&person.email()).await.unwrap().len(), 1);
        former_receives(&person, "offer.made.v1", "car-1", 1).await;
        assert_eq!(announced(&person).await, [""; 0], "its 404 is binding");
        deploy("live", false).await;
    });
}
