//! What people decide about a buyer: a gap declared void, a buyer erased.

use serde_json::json;
use tests::Person;

use crate::{leads, on_the_stack, post, told, types};

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
        assert_eq!(types(&stack, &person).await, ["made", "accepted", "voided", "erased", "made"]);
        let everything = format!(
            "{:?} {:?}",
            stack.head(&person.buyer).await.unwrap(),
            leads(&["show", buyer, "--contact"]).await
        );
        assert!(!everything.contains(&person.email()), "{everything}");
    });
}
