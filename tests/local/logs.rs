use serde_json::Value;
use tests::Person;

use crate::{on_the_stack, strict};

#[test]
fn every_log_line_about_an_event_carries_its_event_id() {
    on_the_stack(async |stack| {
        let person = Person::called("searched").unwrap();
        let group = person.buyer.as_str();
        let (id, made) = person.event("offer.made.v1", "car-1", 1);
        stack.post(group, &id, &made).await.unwrap();
        stack.wait_settled(&person.buyer, 1).await.unwrap();
        assert!(stack.send_again(&made).await.failure.is_none());
        let refused = made.replace(&id, "searched-refused").replace("offer.made.v1", "offer.updated.v1");
        stack.post(group, "searched-refused", &refused).await.unwrap();
        stack.post(group, "searched-without-id", "this is not JSON").await.unwrap();

        let lines = stack
            .until("all log lines about the events", async || {
                let lines = stack.log_lines().await?;
                let lines: Vec<Value> = lines.iter().filter_map(|line| strict::read(line).ok()).collect();
                let is_logged = |id: &str, words: &str| {
                    lines.iter().any(|line| line["eventId"] == id && line["message"] == words)
                };
                let is_complete = is_logged(&id, "recorded")
                    && is_logged(&id, "effect")
                    && is_logged(&id, "duplicate")
                    && is_logged("searched-refused", "dead letter");
                Ok(is_complete.then_some(lines))
            })
            .await
            .unwrap();
        // Every line with the event's message id, or with its buyer and offer version, carries the event's id.
        for event in [id.as_str(), "searched-refused"] {
            let messages: Vec<&Value> = lines
                .iter()
                .filter(|line| line["eventId"] == event)
                .map(|line| &line["messageId"])
                .filter(|id| !id.is_null())
                .collect();
            for line in lines.iter().filter(|line| messages.contains(&&line["messageId"])) {
                assert_eq!(line["eventId"], event, "{line}");
            }
        }
        for line in lines.iter().filter(|line| line["buyer"] == group && line["version"] == 1) {
            assert_eq!(line["eventId"], id.as_str(), "{line}");
        }
    });
}
