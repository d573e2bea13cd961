//! Effects that come later: of SES events and of the sweeper.

use domain::Sequence;
use jiff::{SignedDuration, Timestamp};
use leads_store::{Behind, Claimed, LeadsStore as _, Status};
use tests::{Person, Stack};

use crate::{claim_of_a_crashed_worker, on_the_stack, post};

/// An SES event about an attempt, including the personal data that SES puts into it.
fn ses_event(person: &Person, effect: &str, nonce: &str, kind: &str) -> String {
    let tag = contract::receipt::tag_value;
    serde_json::json!({
        "eventType": kind,
        "bounce": {
            "bounceType": "Permanent",
            "timestamp": "2026-11-23T10:00:02.669Z",
            "bouncedRecipients": [{ "emailAddress": person.email() }],
        },
        "mail": {
            "messageId": "from-ses",
            "destination": [person.email()],
            "tags": { "buyer": [tag(person.buyer.as_str())], "effect": [tag(effect)], "nonce": [tag(nonce)] },
        },
    })
    .to_string()
}

async fn post_and_settle(stack: &Stack, person: &Person, kind: &str, version: u64) {
    post(stack, person, kind, "car-1", version).await;
    stack.wait_settled(&person.buyer, version).await.unwrap();
}

#[test]
fn after_a_permanent_bounce_no_more_mail_goes_to_that_address() {
    on_the_stack(async |stack| {
        let person = Person::called("bounced").unwrap();
        let buyer = &person.buyer;
        post_and_settle(&stack, &person, "offer.made.v1", 1).await;
        let ledger = stack.history(buyer).await.unwrap().about.ledger;
        let entry = ledger["quote-email"].clone();
        assert_eq!(entry.status, Status::Sent);

        // An event with a forged nonce is ignored.
        stack.post_receipt(&ses_event(&person, "quote-email", "forged", "Reject")).await.unwrap();
        stack.post_receipt(&ses_event(&person, "quote-email", &entry.nonce, "Bounce")).await.unwrap();
        stack
            .until("the receipt", async || {
                let about = stack.history(buyer).await?.about;
                Ok((!about.cursor.stopped.is_empty()).then_some(()))
            })
            .await
            .unwrap();

        post_and_settle(&stack, &person, "offer.accepted.v1", 2).await;
        let about = stack.history(buyer).await.unwrap().about;
        assert_eq!(about.cursor.through, Sequence::new(2));
        assert_eq!(about.ledger["quote-email"].status, Status::Sent, "SES had taken this mail");
        assert!(about.ledger["quote-email"].receipts.bounced_at.is_some());
        let accepted = &about.ledger["accepted-email/car-1/2"];
        assert_eq!(
            (accepted.status, accepted.reason.as_deref()),
            (Status::Rejected, Some("address-stopped"))
        );
        assert_eq!(stack.emails_to(&person.email()).await.unwrap().len(), 1);
    });
}

#[test]
fn a_mail_that_ses_rejects_later_counts_in_the_metric_of_the_stack() {
    on_the_stack(async |stack| {
        let person = Person::called("rejected-later").unwrap();
        let buyer = &person.buyer;
        post_and_settle(&stack, &person, "offer.made.v1", 1).await;
        let nonce = stack.history(buyer).await.unwrap().about.ledger["quote-email"].nonce.clone();
        stack.post_receipt(&ses_event(&person, "quote-email", &nonce, "Reject")).await.unwrap();
        stack
            .until("the receipt in ledger and metrics", async || {
                let ledger = stack.history(buyer).await?.about.ledger;
                let is_rejected = ledger["quote-email"].status == Status::Rejected;
                let lines = stack.log_lines().await?;
                let is_counted = lines.iter().any(|line| {
                    line.contains(r#""Dimensions":[["stack"]]"#) && line.contains(r#""EmailsRejected":1"#)
                });
                Ok((is_rejected && is_counted).then_some(()))
            })
            .await
            .unwrap();
    });
}

#[test]
fn the_scheduled_sweeper_does_the_work_that_is_due() {
    on_the_stack(async |stack| {
        let person = Person::called("swept").unwrap();
        let buyer = &person.buyer;
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        stack.wait_settled(buyer, 1).await.unwrap();

        // Five minutes ago one worker marked the buyer as behind, and another one crashed after its claim of an e-mail.
        let past = Timestamp::now() - SignedDuration::from_mins(5);
        let behind =
            Behind { mark: "test".to_owned(), reason: "test".to_owned(), attempts: 1, not_before: past };
        stack.leads().mark_behind(buyer, &behind).await.unwrap();
        let claim = claim_of_a_crashed_worker(buyer, past);
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
