//! The secret with the Authorization header for the former system: read at the start, and again after a refusal.

use futures::future::join_all;
use jiff::SignedDuration;
use legacy::{HttpLegacy, Legacy as _, LegacyUnavailable};
use platform::https::{Https, Trust};
use platform::telemetry::chain;
use platform::{Access, Settings};
use recorder::Secret;
use serde_json::{Value, json};
use testkit::wire::{Answer, Reply, Wire, header, in_turn};
use testkit::{TestClock, buyer};

const ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:leadstream/former-AbCdEf";

/// The secret of a recorder that finds Secrets Manager at this URL.
fn secret(url: &str, arn: Option<&str>, clock: &TestClock) -> Secret<TestClock> {
    let lookup = |name: &str| match name {
        "AWS_ENDPOINT_URL_SECRETS_MANAGER" => Some(url.to_owned()),
        "AWS_REGION" => Some("us-east-1".to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test".to_owned()),
        _ => None,
    };
    let access = Access::from_settings(&Settings::from_lookup(&lookup)).unwrap();
    Secret::at(arn.map(str::to_owned), &access, clock.clone())
}

fn holding(value: &str) -> Answer {
    Answer::Reply(Reply::json(200, &json!({ "ARN": ARN, "Name": "former", "SecretString": value })))
}

/// A former system that answers these statuses in turn, and a client of it with this secret.
async fn former(statuses: &[u16], secret: Secret<TestClock>) -> (Wire, HttpLegacy<Secret<TestClock>>) {
    let answers = statuses.iter().map(|status| Answer::Reply(Reply::json(*status, &json!({}))));
    let wire = Wire::start(in_turn(answers.collect::<Vec<_>>())).await;
    let client = HttpLegacy::at(wire.url().to_owned(), secret, Https::trusting(Trust::BuiltIn).unwrap());
    (wire, client.unwrap())
}

/// The header of each request to the former system.
fn headers(former: &Wire) -> Vec<Option<String>> {
    let requests = former.exchanges().into_iter().map(|exchange| exchange.request);
    requests.map(|request| header(&request.headers, "authorization").map(str::to_owned)).collect()
}

fn text(error: &LegacyUnavailable) -> String {
    let text = chain(error);
    assert!(!text.contains("Bearer"), "{text}");
    text
}

#[tokio::test]
async fn the_header_is_the_secret_s_text_and_is_read_once_for_a_whole_batch() {
    let (manager, clock) = (Wire::start(|_| holding("Bearer one\n")).await, TestClock::default());
    let (former, client) = former(&[404], secret(manager.url(), Some(ARN), &clock)).await;
    let buyers: Vec<_> = (0..5).map(|index| buyer(&format!("buyer-{index}"))).collect();
    let answers = join_all(buyers.iter().map(|buyer| client.look_up(buyer))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(headers(&former), vec![Some("Bearer one".to_owned()); 5]);
    let asked: Vec<Value> = manager
        .exchanges()
        .iter()
        .map(|exchange| serde_json::from_slice(&exchange.request.body).unwrap())
        .collect();
    assert_eq!(asked, [json!({ "SecretId": ARN })]);
}

#[tokio::test]
async fn without_a_secret_there_is_no_header_and_no_request() {
    let (manager, clock) = (Wire::start(|_| holding("Bearer one")).await, TestClock::default());
    let (former, client) = former(&[404], secret(manager.url(), None, &clock)).await;
    client.look_up(&buyer("ada")).await.unwrap();
    assert_eq!((headers(&former), manager.exchanges().len()), (vec![None], 0));
}

#[tokio::test]
async fn a_refused_secret_is_read_again_but_at_most_once_a_minute() {
    for refusal in [401, 403] {
        let manager = Wire::start(in_turn([holding("Bearer old"), holding("Bearer new")])).await;
        let clock = TestClock::default();
        let (former, client) =
            former(&[404, refusal, refusal, 404], secret(manager.url(), Some(ARN), &clock)).await;
        let ada = buyer("ada");
        client.look_up(&ada).await.unwrap();
        clock.pass(SignedDuration::from_secs(59));
        for _ in 0..2 {
            let error = client.look_up(&ada).await.unwrap_err();
            assert!(text(&error).contains(&format!("status {refusal}")), "{}", text(&error));
        }
        assert_eq!(manager.exchanges().len(), 1, "within a minute");
        clock.pass(SignedDuration::from_secs(1));
        client.look_up(&ada).await.unwrap();
        clock.pass(SignedDuration::from_hours(24));
        client.look_up(&ada).await.unwrap();
        assert_eq!(manager.exchanges().len(), 2, "a value that is accepted is kept");
        let (old, new) = (Some("Bearer old".to_owned()), Some("Bearer new".to_owned()));
        assert_eq!(headers(&former), [old.clone(), old.clone(), old, new.clone(), new]);
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_fails_the_question_without_asking_the_former_system() {
    let denied =
        json!({ "__type": "AccessDeniedException", "Message": "no identity-based policy allows it" });
    let binary = json!({ "ARN": ARN, "SecretBinary": "AA==" });
    for (answer, reason) in [
        (Reply::json(400, &denied), "no identity-based policy allows it"),
        (Reply::json(200, &binary), "store the header's value as its SecretString"),
    ] {
        let manager = Wire::start(in_turn([Answer::Reply(answer), holding("Bearer one")])).await;
        let clock = TestClock::default();
        let (former, client) = former(&[404], secret(manager.url(), Some(ARN), &clock)).await;
        let ada = buyer("ada");
        let error = client.look_up(&ada).await.unwrap_err();
        assert!(text(&error).contains(reason), "{}", text(&error));
        let error = client.look_up(&ada).await.unwrap_err();
        assert!(text(&error).contains("within the last minute"), "{}", text(&error));
        assert_eq!((headers(&former), manager.exchanges().len()), (vec![], 1));
        clock.pass(SignedDuration::from_mins(1));
        client.look_up(&ada).await.unwrap();
    }
}
