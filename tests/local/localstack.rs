//! What only the second engine does: SES publishes events, and Lambda gives up parts of the change feed. nextest runs
//! these tests with `make test-localstack` (profile `local-aws-localstack`).

use std::collections::BTreeSet;

use aws_config::BehaviorVersion;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageTag};
use contract::receipt::tag_value;
use jiff::Timestamp;
use leads_store::{Claim, Claimed, LeadsStore as _, Status};
use serde_json::{Value, json};
use tests::Person;

use crate::{
    accept_offers, claim_of_a_crashed_worker, closed_high, control, leads, on_the_stack, post, sales_keys,
};

/// Sends the e-mail of a claim with the tags that the functions use. Returns its id at SES.
async fn send(person: &Person, claim: &Claim) -> String {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let content = |text: &str| Content::builder().data(text).build().unwrap();
    let message = Message::builder()
        .subject(content("A test"))
        .body(Body::builder().text(content("Hello")).build())
        .build();
    let mut sending = aws_sdk_sesv2::Client::new(&config)
        .send_email()
        .from_email_address("offers@example.com")
        .destination(Destination::builder().to_addresses(person.email()).build())
        .content(EmailContent::builder().simple(message).build())
        .configuration_set_name(std::env::var("EMAIL_CONFIGURATION_SET").unwrap());
    for (name, value) in [("buyer", claim.buyer.as_str()), ("effect", &claim.key), ("nonce", &claim.nonce)] {
        let tag = MessageTag::builder().name(name).value(tag_value(value)).build().unwrap();
        sending = sending.email_tags(tag);
    }
    sending.send().await.unwrap().message_id.unwrap()
}

#[test]
fn events_of_ses_settle_an_email_whose_sender_crashed() {
    on_the_stack(async |stack| {
        let person = Person::called("doubtful").unwrap();
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        stack.wait_settled(&person.buyer, 1).await.unwrap();
        let claim = claim_of_a_crashed_worker(&person.buyer, Timestamp::now());
        assert_eq!(stack.leads().claim(&claim).await.unwrap(), Claimed::Ours);
        let message_id = send(&person, &claim).await;
        let entry = stack
            .until("the receipt", async || {
                let mut ledger = stack.history(&person.buyer).await?.about.ledger;
                Ok(ledger.remove(&claim.key).filter(|entry| entry.status != Status::Sending))
            })
            .await
            .unwrap();
        assert_eq!((entry.status, entry.message_id), (Status::Sent, Some(message_id)));
    });
}

#[test]
fn ses_reports_that_it_took_and_delivered_each_email_of_the_reactor() {
    on_the_stack(async |stack| {
        let person = Person::called("reported").unwrap();
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        stack
            .until("both receipts", async || {
                let lines = stack.log_lines().await?;
                let kinds: BTreeSet<String> = lines
                    .iter()
                    .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                    .filter(|line| line["message"] == "receipt" && line["buyer"] == person.buyer.as_str())
                    .map(|line| line["kind"].as_str().unwrap_or_default().to_owned())
                    .collect();
                Ok((kinds == ["delivery", "send"].map(str::to_owned).into()).then_some(()))
            })
            .await
            .unwrap();
    });
}

#[test]
fn doorbells_that_lambda_gives_up_are_reported_and_the_sweeper_settles() {
    on_the_stack(async |stack| {
        let set_dynamodb = async |url: &str| {
            let variables = json!({ "AWS_ENDPOINT_URL_DYNAMODB": url });
            control(reqwest::Method::PUT, "reactor", variables.to_string()).await;
        };
        assert_eq!(stack.reactor_failures().await.unwrap(), Vec::<Value>::new());
        let many = Person::called("given-up-110").unwrap();
        accept_offers(&stack, &many, 110).await;
        // Without DynamoDB the reactor cannot even mark a buyer as behind, so every invocation fails.
        set_dynamodb("http://127.0.0.1:1").await;
        let person = Person::called("given-up").unwrap();
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        leads(&["erase", many.buyer.as_str(), "--yes"]).await;
        let report = stack
            .until("Lambda to give up", async || Ok(stack.reactor_failures().await?.into_iter().next()))
            .await
            .unwrap();
        assert_eq!(report["requestContext"]["condition"], "RetryAttemptsExhausted", "{report}");
        assert_eq!(report["requestContext"]["approximateInvokeCount"], 11, "{report}");
        assert!(report["DDBStreamBatchInfo"]["batchSize"].as_u64() >= Some(1), "{report}");

        stack.wait_settled(&person.buyer, 1).await.unwrap();
        assert_eq!(sales_keys(&stack, &person).await, ["quote/car-1", "opened/low/1"]);
        stack
            .until("the e-mail, for which the cursor does not wait", async || {
                Ok((stack.emails_to(&person.email()).await?.len() == 1).then_some(()))
            })
            .await
            .unwrap();
        stack.wait_settled(&many.buyer, 221).await.unwrap();
        assert_eq!(closed_high(&stack, &many).await, 110);
        set_dynamodb("").await;
    });
}
