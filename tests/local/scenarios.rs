use tests::{Person, crowd, play, scenarios};

use crate::on_the_stack;

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
        for posted in futures::future::join_all(guests.iter().map(|guest| guest.post(&stack))).await {
            posted.unwrap();
        }
        for guest in &guests {
            assert_eq!(guest.check(&stack).await.unwrap(), [""; 0]);
        }
    });
}
