use cli::dead_letters::{Doing, Selection};
use tests::Person;

use crate::on_the_stack;

#[test]
fn late_redrives_are_recorded_and_unrecordable_messages_return() {
    on_the_stack(async |stack| {
        let person = Person::called("redriven").unwrap();
        let group = person.buyer.as_str();
        // Fifty events are held until the first one comes, two more exceed the limit, and one message is no event.
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
        stack.wait_settled(&person.buyer, 51).await.unwrap();

        let buyers = vec![group.to_owned()];
        let late = Selection {
            buyers: buyers.clone(),
            reasons: vec!["too-many-held".to_owned()],
            ..Selection::default()
        };
        let looked = stack.work_dead_letters(&late, Doing::Looking).await.unwrap();
        assert_eq!((looked.letters.len(), looked.others > 0), (2, true));
        let done = stack.work_dead_letters(&late, Doing::Redriving).await.unwrap();
        assert_eq!((done.letters.len(), done.failures.len()), (2, 0));
        stack.wait_settled(&person.buyer, 53).await.unwrap();
        let offer = domain::OfferId::parse("car-1").unwrap();
        let state = stack.head(&person.buyer).await.unwrap().state;
        assert_eq!(
            (state.version_of(&offer).map(domain::OfferVersion::get), state.held_count()),
            (Some(53), 0)
        );
        letters(1).await;

        let poison = Selection { buyers, ..Selection::default() };
        let done = stack.work_dead_letters(&poison, Doing::Redriving).await.unwrap();
        assert_eq!(done.letters.len(), 1);
        let again = letters(1).await;
        assert_eq!((again[0].attribute("reason").as_str(), again[0].body.as_str()), ("not-json", "not JSON"));
        let done = stack.work_dead_letters(&poison, Doing::Dropping).await.unwrap();
        assert_eq!(done.letters.len(), 1);
        letters(0).await;
    });
}
