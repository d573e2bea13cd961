use cli::dead_letters::{Doing, Selection};
use tests::Person;

use crate::on_the_stack;

#[test]
fn dead_letters_come_late_and_out_of_order_and_what_can_never_be_recorded_comes_back() {
    on_the_stack(async |stack| {
        let person = Person::called("redriven").unwrap();
        let group = person.buyer.as_str();
        // Fifty wait for the first one; two more have no room, and one is no event at all.
        for version in 2..=53 {
            let (id, body) = person.event("offer.accepted.v1", "car-1", version);
            stack.post(group, &id, &body).await.unwrap();
        }
        stack.post(group, "poison", "not JSON").await.unwrap();
        let letters = async |count: usize| {
            stack
                .until("the dead letters", async || {
                    let letters = stack.dead_letters(group).await?;
                    Ok((letters.len() == count).then_some(letters))
                })
                .await
                .unwrap()
        };
        letters(3).await;
        let (id, made) = person.event("offer.made.v1", "car-1", 1);
        stack.post(group, &id, &made).await.unwrap();
        stack.settled(&person.buyer, 51).await.unwrap();

        let buyers = vec![group.to_owned()];
        let late = Selection {
            buyers: buyers.clone(),
            reasons: vec!["too-many-held".to_owned()],
            ..Selection::default()
        };
        let looked = stack.dead_letters_that(&late, Doing::Looking).await.unwrap();
        assert_eq!((looked.letters.len(), looked.others > 0), (2, true));
        let done = stack.dead_letters_that(&late, Doing::Redriving).await.unwrap();
        assert_eq!((done.letters.len(), done.failures.len()), (2, 0));
        stack.settled(&person.buyer, 53).await.unwrap();
        let offer = domain::OfferId::parse("car-1").unwrap();
        let state = stack.head(&person.buyer).await.unwrap().state;
        assert_eq!(
            (state.version_of(&offer).map(domain::OfferVersion::get), state.held_count()),
            (Some(53), 0)
        );
        letters(1).await;

        let poison = Selection { buyers, ..Selection::default() };
        let done = stack.dead_letters_that(&poison, Doing::Redriving).await.unwrap();
        assert_eq!(done.letters.len(), 1);
        let again = letters(1).await;
        assert_eq!((again[0].attribute("reason").as_str(), again[0].body.as_str()), ("not-json", "not JSON"));
        let done = stack.dead_letters_that(&poison, Doing::Dropping).await.unwrap();
        assert_eq!(done.letters.len(), 1);
        letters(0).await;
    });
}
