//! Offer events: good, bad, early and repeated ones, and what the log says about them.

use domain::HELD_LIMIT;
use serde_json::Value;
use tests::{Person, crowd, play, post_all, scenarios};

use crate::{on_the_stack, post, strict};

#[test]
fn every_kind_of_bad_message_is_dead_lettered_and_delays_no_other() {
    on_the_stack(async |stack| {
        let person = Person::called("bad-input").unwrap();
        let group = person.buyer.as_str();
        let (_, made) = person.event("offer.made.v1", "car-1", 1);
        let (_, accepted) = person.event("offer.accepted.v1", "car-1", 2);
        let bad = [
            ("not-json", "this is not JSON".to_owned()),
            ("not-json", "[".repeat(20_000)),
            ("too-large", format!("{{\"x\":\"{}\"}}", "x".repeat(70_000))),
            ("not-an-offer-event", made.replace("\"1.0\"", "\"0.3\"")),
            ("not-an-offer-event", made.replace("\"car-1\"", "\"car/1\"")),
            ("unknown-type", made.replace("offer.made.v1", "offer.made.v2")),
            ("unknown-type", made.replace("offer.made.v1", "offer.updated.v1")),
            ("wrong-group", made.replace("\"bad-input\"", "\"somebody-else\"")),
            ("contradiction", made.replace("Ada Canary", "Eve Canary")),
        ];
        let neighbour = Person::called("bad-input-neighbour").unwrap();
        stack.post(group, "good-1", &made).await.unwrap();
        for (index, (_, body)) in bad.iter().enumerate() {
            stack.post(group, &format!("bad-{index}"), body).await.unwrap();
            post(&stack, &neighbour, "offer.made.v1", &format!("car-{index}"), 1).await;
        }
        stack.post(group, "good-2", &accepted).await.unwrap();
        stack.wait_settled(&person.buyer, 2).await.unwrap();
        stack.wait_settled(&neighbour.buyer, bad.len() as u64).await.unwrap();
        assert_eq!(
            stack.dead_letters(neighbour.buyer.as_str()).await.unwrap(),
            [],
            "no valid message is dead-lettered"
        );

        let letters = stack
            .until("the dead letters", async || {
                let letters = stack.dead_letters(group).await?;
                Ok((letters.len() >= bad.len()).then_some(letters))
            })
            .await
            .unwrap();
        let reasons: Vec<String> = letters.iter().map(|letter| letter.attribute("reason")).collect();
        assert_eq!(reasons, bad.clone().map(|(reason, _)| reason));
        let bodies: Vec<&str> = letters.iter().map(|letter| letter.body.as_str()).collect();
        assert_eq!(bodies, bad.each_ref().map(|(_, body)| body.as_str()), "the bodies are unchanged");
        for letter in &letters {
            assert!(!letter.attribute("detail").is_empty());
            assert!(letter.attribute("source").contains("\"messageId\""));
            assert!(!letter.attribute("detail").contains("Canary"));
        }
        assert_eq!(stack.history(&person.buyer).await.unwrap().lines.len(), 2);
    });
}

#[test]
fn early_events_beyond_the_limit_are_dead_lettered() {
    on_the_stack(async |stack| {
        let person = Person::called("flood").unwrap();
        let group = person.buyer.as_str();
        for version in 2..4 + HELD_LIMIT as u64 {
            post(&stack, &person, "offer.accepted.v1", "car-1", version).await;
        }
        let letters = stack
            .until("the dead letters", async || {
                let letters = stack.dead_letters(group).await?;
                Ok((letters.len() >= 2).then_some(letters))
            })
            .await
            .unwrap();
        let reasons: Vec<String> = letters.iter().map(|letter| letter.attribute("reason")).collect();
        assert_eq!(reasons, ["too-many-held", "too-many-held"]);
        assert_eq!(stack.head(&person.buyer).await.unwrap().state.held_count(), HELD_LIMIT);
    });
}

#[test]
fn a_mail_to_an_invalid_address_is_rejected_and_the_buyer_goes_on() {
    on_the_stack(async |stack| {
        let person = Person::called("unwritable").unwrap();
        let (id, made) = person.event("offer.made.v1", "car-1", 1);
        let made = made.replace("@example.com", " at example.com\\r\\nBcc: eve.canary@example.com");
        stack.post(person.buyer.as_str(), &id, &made).await.unwrap();
        stack.wait_settled(&person.buyer, 1).await.unwrap();
        let history = stack.history(&person.buyer).await.unwrap();
        let settled: Vec<(String, &str)> = history.lines[0]
            .effects
            .iter()
            .map(|explained| (explained.effect.key(), explained.settled.name()))
            .collect();
        let expected = [("quote/car-1", "sent"), ("opened/low/1", "sent"), ("quote-email", "rejected")];
        assert_eq!(settled, expected.map(|(key, settled)| (key.to_owned(), settled)));
        assert_eq!(stack.emails_to("eve.canary@example.com").await.unwrap(), []);
    });
}

#[test]
fn a_repeated_batch_is_counted_and_writes_nothing() {
    on_the_stack(async |stack| {
        let person = Person::called("twice").unwrap();
        let events = [("offer.made.v1", 1), ("offer.accepted.v1", 2), ("offer.acceptance-withdrawn.v1", 3)];
        for (kind, version) in events {
            post(&stack, &person, kind, "car-1", version).await;
        }
        stack.wait_settled(&person.buyer, 3).await.unwrap();
        let before = stack.history(&person.buyer).await.unwrap();
        let mails = stack.emails_to(&person.email()).await.unwrap();
        let sales = stack.sales_bodies(&person.buyer).await.unwrap();

        // Sent as an operator would send them: SQS drops messages with the same deduplication id within five minutes.
        let bodies = events.map(|(kind, version)| person.event(kind, "car-1", version).1);
        let posted = stack.send_again(&bodies.join("\n")).await;
        assert!(posted.failure.is_none(), "{:?}", posted.failure);
        assert_eq!(posted.posted, 3);
        let seen = stack
            .until("the recorder to log the repeats", async || {
                let lines = stack.log_lines().await?;
                let is_ours = |line: &&String| line.contains("\"duplicate\"") && line.contains("\"twice\"");
                let count = lines.iter().filter(is_ours).count();
                Ok((count >= 3).then_some((count, lines)))
            })
            .await
            .unwrap();
        assert_eq!(seen.0, 3);
        assert!(
            seen.1.iter().any(|line| line.contains("CloudWatchMetrics") && line.contains("\"Duplicates\"")),
            "the metric counts them too"
        );
        assert_eq!(
            stack.history(&person.buyer).await.unwrap(),
            before,
            "nothing is recorded or settled again"
        );
        assert_eq!(stack.emails_to(&person.email()).await.unwrap(), mails);
        assert_eq!(stack.sales_bodies(&person.buyer).await.unwrap(), sales);
    });
}

#[test]
fn every_scenario_has_its_expected_outcome_after_each_delivery() {
    on_the_stack(async |stack| {
        for (number, scenario) in scenarios().unwrap().iter().enumerate() {
            let person = Person::called(&format!("scenario-{number}")).unwrap();
            let played = play(&stack, scenario, &person).await.unwrap();
            assert_eq!(played.differences, [""; 0], "{}", scenario.name);
        }
    });
}

#[test]
fn many_buyers_with_late_repeated_and_bad_messages_keep_the_invariants() {
    on_the_stack(async |stack| {
        let guests = crowd("crowd").unwrap();
        post_all(&stack, &guests).await.unwrap();
        for guest in &guests {
            for finding in guest.findings(&guest.observe(&stack).await.unwrap()) {
                assert_eq!(finding.differences, [""; 0]);
                assert_eq!(finding.found, finding.expected, "{}: {}", guest.person.buyer, finding.invariant);
            }
        }
    });
}

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
