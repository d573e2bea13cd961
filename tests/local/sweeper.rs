use domain::Sequence;
use jiff::{SignedDuration, Timestamp};
use leads_store::{AddressDigest, Behind, Claim, Claimed, Cursors as _, Ledger as _, Status, Taking};
use tests::Person;

use crate::on_the_stack;

#[test]
fn the_scheduled_sweeper_does_the_work_that_is_due() {
    on_the_stack(async |stack| {
        let person = Person::called("swept").unwrap();
        let buyer = &person.buyer;
        let (id, made) = person.event("offer.made.v1", "car-1", 1);
        stack.post(buyer.as_str(), &id, &made).await.unwrap();
        stack.wait_settled(buyer, 1).await.unwrap();

        // Five minutes ago one worker marked the buyer as behind, and another one crashed after its claim of an e-mail.
        let past = Timestamp::now() - SignedDuration::from_mins(5);
        let behind =
            Behind { mark: "test".to_owned(), reason: "test".to_owned(), attempts: 1, not_before: past };
        stack.leads().mark_behind(buyer, &behind).await.unwrap();
        let claim = Claim {
            buyer: buyer.clone(),
            key: "accepted-email/car-1/9".to_owned(),
            sequence: Sequence::new(1),
            nonce: "test".to_owned(),
            address: AddressDigest::of("nobody"),
            head: Sequence::new(1),
            now: past,
            taking: Taking::Attempt(past),
            found: None,
            first_tried_at: Some(past),
        };
        assert_eq!(stack.leads().claim(&claim).await.unwrap(), Claimed::Ours);

        stack
            .until("the sweeper", async || {
                let history = stack.history(buyer).await?;
                let is_unknown =
                    history.about.ledger.get(&claim.key).is_some_and(|entry| entry.status == Status::Unknown);
                Ok((history.about.cursor.behind.is_none() && is_unknown).then_some(()))
            })
            .await
            .unwrap();
    });
}
