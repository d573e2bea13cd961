//! What no other test may be beside: the stack itself changes.

use tests::Person;

use crate::on_the_stack;

async fn set_effects(effects: &'static str) {
    let url = std::env::var("LEGACY_URL").unwrap();
    let told = reqwest::Client::new().put(format!("{url}/effects")).body(effects).send().await;
    assert!(told.unwrap().status().is_success());
}

#[test]
fn what_is_recorded_in_shadow_is_never_performed_also_not_after_going_live() {
    on_the_stack(async |stack| {
        let person = Person::called("shadowed").unwrap();
        let group = person.buyer.as_str();
        set_effects("shadow").await;
        let (id, made) = person.event("offer.made.v1", "car-1", 1);
        stack.post(group, &id, &made).await.unwrap();
        stack.settled(&person.buyer, 1).await.unwrap();
        assert_eq!(stack.sales_bodies(&person.buyer).await.unwrap().len(), 0);
        assert_eq!(stack.emails_to(&person.email()).await.unwrap(), []);
        let settled = |line: &cli::Line| {
            line.effects.iter().map(|effect| effect.settled.name().to_owned()).collect::<Vec<_>>()
        };
        let history = stack.explained(&person.buyer).await.unwrap();
        assert_eq!(history.lines.first().map(settled).unwrap(), ["suppressed"; 3]);

        set_effects("live").await;
        let (id, accepted) = person.event("offer.accepted.v1", "car-1", 2);
        stack.post(group, &id, &accepted).await.unwrap();
        let (id, taken_back) = person.event("offer.acceptance-withdrawn.v1", "car-1", 3);
        stack.settled(&person.buyer, 2).await.unwrap();
        stack.post(group, &id, &taken_back).await.unwrap();
        stack.settled(&person.buyer, 3).await.unwrap();
        let own = format!("{}/", person.buyer);
        let bodies = stack.sales_bodies(&person.buyer).await.unwrap();
        let told: Vec<String> =
            bodies.iter().map(|body| body["id"].as_str().unwrap().replace(&own, "")).collect();
        assert_eq!(told, ["closed/low/1", "opened/high/car-1/2", "closed/high/car-1/2", "opened/low/3"]);
        // The other system invited the buyer; the acceptance is ours to tell of.
        assert_eq!(stack.emails_to(&person.email()).await.unwrap().len(), 1);
        let history = stack.explained(&person.buyer).await.unwrap();
        assert_eq!(history.lines.last().map(settled).unwrap(), ["sent", "sent", "suppressed"]);
    });
}
