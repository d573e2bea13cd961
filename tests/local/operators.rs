//! Decisions of operators about a buyer: voiding a gap, erasing a buyer.

use serde_json::json;
use tests::Person;

use crate::{leads, on_the_stack, post, sales_keys, types};

/// The buyer has more leads than fit one transaction, so the cursor is moved by several, each of which checks it.
#[test]
fn an_erased_buyer_with_110_accepted_offers_is_settled() {
    on_the_stack(async |stack| {
        let person = Person::called("manyoffers").unwrap();
        let buyer = person.buyer.as_str();
        for offer in 0..110 {
            let car = format!("car-{offer}");
            post(&stack, &person, "offer.made.v1", &car, 1).await;
            post(&stack, &person, "offer.accepted.v1", &car, 2).await;
        }
        stack.wait_settled(&person.buyer, 220).await.unwrap();
        leads(&["erase", buyer, "--yes"]).await;
        stack.wait_settled(&person.buyer, 221).await.unwrap();
        let (exit, erased) = leads(&["erase", buyer, "--yes"]).await;
        assert_eq!(exit.as_str(), "Good", "{erased}");
        let keys = sales_keys(&stack, &person).await;
        let closed = keys.iter().filter(|key| key.starts_with("closed/high/")).count();
        assert_eq!(closed, 110, "{keys:?}");
    });
}

#[test]
fn voiding_a_gap_releases_held_events_and_erasing_removes_contacts() {
    on_the_stack(async |stack| {
        let person = Person::called("voiderased").unwrap();
        let buyer = person.buyer.as_str();
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        // Waiting after each event: two events of one batch would be one commit.
        stack.wait_settled(&person.buyer, 1).await.unwrap();
        post(&stack, &person, "offer.accepted.v1", "car-1", 3).await;
        stack.wait_settled(&person.buyer, 2).await.unwrap();
        assert_eq!(
            leads(&["void", buyer, "car-1", "--through", "2"]).await.0,
            "Failed",
            "`--yes` is required"
        );
        let (exit, voided) = leads(&["void", buyer, "car-1", "--through", "2", "--yes"]).await;
        assert_eq!((exit.as_str(), &voided["sequence"]), ("Good", &json!(3)), "{voided}");
        stack.wait_settled(&person.buyer, 3).await.unwrap();
        assert!(sales_keys(&stack, &person).await.contains(&"opened/high/car-1/3".to_owned()));
        post(&stack, &person, "offer.accepted.v1", "car-1", 2).await;
        let letter = stack
            .until("the dead letter of the voided version", async || {
                Ok(stack.dead_letters(buyer).await?.into_iter().next())
            })
            .await
            .unwrap();
        assert_eq!(letter.attribute("reason"), "voided");

        leads(&["erase", buyer, "--yes"]).await;
        stack.wait_settled(&person.buyer, 4).await.unwrap();
        let (exit, erased) = leads(&["erase", buyer, "--yes"]).await;
        assert_eq!((exit.as_str(), &erased["sequence"]), ("Good", &json!(4)), "{erased}");
        assert!(sales_keys(&stack, &person).await.contains(&"closed/high/car-1/3".to_owned()));
        post(&stack, &person, "offer.made.v1", "car-2", 1).await;
        stack.wait_settled(&person.buyer, 5).await.unwrap();
        assert_eq!(types(&stack, &person).await, ["made", "accepted", "voided", "erased", "made"]);
        let everything = format!(
            "{:?} {:?}",
            stack.head(&person.buyer).await.unwrap(),
            leads(&["show", buyer, "--contact"]).await
        );
        assert!(!everything.contains(&person.email()), "{everything}");
    });
}
