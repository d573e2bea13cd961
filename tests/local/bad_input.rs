use tests::Person;

use crate::on_the_stack;

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
            let (id, event) = neighbour.event("offer.made.v1", &format!("car-{index}"), 1);
            stack.post(neighbour.buyer.as_str(), &id, &event).await.unwrap();
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
fn early_events_beyond_the_fiftieth_are_dead_lettered() {
    on_the_stack(async |stack| {
        let person = Person::called("flood").unwrap();
        let group = person.buyer.as_str();
        for version in 2..=53 {
            let (id, body) = person.event("offer.accepted.v1", "car-1", version);
            stack.post(group, &id, &body).await.unwrap();
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
        assert_eq!(stack.head(&person.buyer).await.unwrap().state.held_count(), 50);
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
