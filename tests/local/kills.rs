//! Functions that are killed or frozen in the middle of a call. They run alone (profile
//! `local-aws-localstack`), because a signal reaches every process of a function.
//!
//! The strict wire holds the call (`tests/strict/faults.rs`), so each test knows where the function is.

use leads_store::Status;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Person, Stack};

use crate::{control, on_the_stack, post, sales_keys, types};

/// Replaces the rules of the strict wire. Calls that it holds have been answered when this returns.
async fn set_rules(rules: Value) {
    let url = format!("{}/_strict/faults", std::env::var("AWS_ENDPOINT_URL").unwrap());
    let body = json!({ "rules": rules }).to_string();
    let answer = reqwest::Client::new().put(url).body(body).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

/// Lets the next such call about a buyer meet this fate.
async fn set_rule(fate: &str, operation: &str, about: &str) {
    set_rules(json!([{ "fate": fate, "operation": operation, "about": about, "times": 1 }])).await;
}

/// Releases the held call.
async fn release() {
    set_rules(json!([])).await;
}

/// Waits until the strict wire holds a call.
async fn wait_held(stack: &Stack) {
    let url = format!("{}/_strict", std::env::var("AWS_ENDPOINT_URL").unwrap());
    stack
        .until("the function to make the call", async || {
            let answer: Value = reqwest::get(&url).await?.json().await?;
            Ok((answer["held"] == 1).then_some(()))
        })
        .await
        .unwrap();
}

/// Signals the processes of a function, of which there must be one at least.
async fn signal(function: &str, name: &str) {
    let body = json!({ "function": function, "signal": name }).to_string();
    let count = control(Method::PUT, "signal", body).await;
    assert!(count.parse::<u32>().unwrap() > 0, "{function} does not run");
}

/// Waits until the invitation to a quote has another status than these; `None` stands for no entry.
async fn invitation_after(stack: &Stack, person: &Person, before: &[Option<Status>]) -> Option<Status> {
    stack
        .until("the invitation to go on", async || {
            let ledger = stack.history(&person.buyer).await?.about.ledger;
            let status = ledger.get("quote-email").map(|entry| entry.status);
            Ok((!before.contains(&status)).then_some(status))
        })
        .await
        .unwrap()
}

/// How many of a buyer's messages the recorder has recognised as repeats.
async fn duplicates(stack: &Stack, person: &Person) -> usize {
    let lines = stack.log_lines().await.unwrap();
    let buyer = format!("\"{}\"", person.buyer);
    lines.iter().filter(|line| line.contains("\"duplicate\"") && line.contains(&buyer)).count()
}

/// An offer was made: recorded once, and announced once.
async fn assert_once(stack: &Stack, person: &Person) {
    stack.wait_settled(&person.buyer, 1).await.unwrap();
    assert_eq!(types(stack, person).await, ["made"]);
    assert_eq!(sales_keys(stack, person).await, ["quote/car-1", "opened/low/1"]);
    invitation_after(stack, person, &[None, Some(Status::Sending)]).await;
    assert_eq!(stack.emails_to(&person.email()).await.unwrap().len(), 1);
}

#[test]
fn events_of_a_recorder_killed_after_its_put_are_duplicates_next_time() {
    on_the_stack(async |stack| {
        let person = Person::called("recorder-killed").unwrap();
        set_rule("hold-answer", "PutItem", person.buyer.as_str()).await;
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        wait_held(&stack).await;
        signal("recorder", "SIGKILL").await;
        release().await;
        let is_redelivered = async || Ok((duplicates(&stack, &person).await > 0).then_some(()));
        stack.until("the redelivery", is_redelivered).await.unwrap();
        assert_once(&stack, &person).await;
    });
}

#[test]
fn a_put_that_arrives_after_its_recorder_timed_out_changes_nothing() {
    on_the_stack(async |stack| {
        let person = Person::called("recorder-frozen").unwrap();
        set_rule("hold", "PutItem", person.buyer.as_str()).await;
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        wait_held(&stack).await;
        signal("recorder", "SIGSTOP").await;
        // Lambda ends the frozen recorder at its time-out, and SQS delivers the event again.
        assert_once(&stack, &person).await;
        let before = stack.history(&person.buyer).await.unwrap();
        release().await;
        assert_eq!(stack.history(&person.buyer).await.unwrap(), before);
        assert_once(&stack, &person).await;
    });
}

#[test]
fn a_recorder_that_is_frozen_for_a_moment_goes_on() {
    on_the_stack(async |stack| {
        let person = Person::called("recorder-woken").unwrap();
        set_rule("hold-answer", "PutItem", person.buyer.as_str()).await;
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        wait_held(&stack).await;
        signal("recorder", "SIGSTOP").await;
        release().await;
        signal("recorder", "SIGCONT").await;
        assert_once(&stack, &person).await;
        let group = person.buyer.as_str();
        let is_deleted = async || Ok(stack.waiting(group).await?.is_empty().then_some(()));
        stack.until("the event to be deleted from the queue", is_deleted).await.unwrap();
        assert_eq!(duplicates(&stack, &person).await, 0, "the event was delivered again");
    });
}

#[test]
fn sales_messages_of_a_killed_reactor_are_in_the_queue_once() {
    on_the_stack(async |stack| {
        let person = Person::called("reactor-killed").unwrap();
        set_rule("hold-answer", "SendMessage", person.buyer.as_str()).await;
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        wait_held(&stack).await;
        signal("reactor", "SIGKILL").await;
        release().await;
        assert_once(&stack, &person).await;
    });
}

#[test]
fn an_email_of_a_reactor_killed_after_ses_took_it_is_not_sent_again() {
    on_the_stack(async |stack| {
        let person = Person::called("mailer-killed").unwrap();
        set_rule("hold-answer", "SendEmail", &person.email()).await;
        post(&stack, &person, "offer.made.v1", "car-1", 1).await;
        wait_held(&stack).await;
        signal("reactor", "SIGKILL").await;
        release().await;
        // Where SES publishes its events, one of them settles the e-mail. Otherwise the claim expires.
        let status = invitation_after(&stack, &person, &[None, Some(Status::Sending)]).await;
        assert!(matches!(status, Some(Status::Sent | Status::Unknown)), "{status:?}");
        assert_once(&stack, &person).await;
    });
}
