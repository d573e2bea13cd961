//! Requests to SES and the sales team's queue on the wire: their content, their number, and the result of each answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sesv2::config::retry::RetryConfig;
use aws_sdk_sesv2::config::{BehaviorVersion, Credentials, Region};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use effects::Config;
use effects::mail::{Email, render};
use effects::outside::{AwsOutside, Delivery, Outside as _, SES_TIME_OUT, SalesMessage};
use leads_store::Status;
use platform::Settings;
use platform::https::{Https, Trust};
use serde_json::{Value, json};
use testkit::wire::{Answer, Reply, Wire, header, in_turn};
use testkit::{accepted, append, buyer, made};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::world::{World, letterhead};

/// Adapters for SES and the queue at these URLs. The SES client is built with retries, which must have no effect.
fn outside(ses: &str, sqs: &str) -> AwsOutside {
    let credentials = || Credentials::new("test", "test", None, None, "test");
    let region = || Region::from_static("us-east-1");
    let https = Https::trusting(Trust::BuiltIn).unwrap();
    let ses = aws_sdk_sesv2::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region())
        .credentials_provider(credentials())
        .retry_config(
            RetryConfig::standard().with_max_attempts(5).with_initial_backoff(Duration::from_millis(1)),
        )
        .endpoint_url(ses)
        .http_client(https.without_reuse())
        .build();
    let sqs = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region())
        .credentials_provider(credentials())
        .endpoint_url(sqs)
        .http_client(https)
        .build();
    AwsOutside::new(
        &aws_sdk_sesv2::Client::from_conf(ses),
        aws_sdk_sqs::Client::from_conf(sqs),
        format!("{NOWHERE}/000000000000/SalesTeam.fifo"),
        "offers@cars.example".to_owned(),
        "leadstream".to_owned(),
    )
}

/// A URL without a server, as its port is reserved. Source: RFC 6335, section 6.
const NOWHERE: &str = "http://127.0.0.1:1";

fn email() -> Email {
    let mut state = domain::State::default();
    let effects = append(&mut state, made("car-1"));
    let kind = &effects.last().unwrap().kind;
    let mut email = render(kind, &state, &letterhead()).unwrap().unwrap();
    email.tags =
        vec![("buyer", "buyer-7".to_owned()), ("effect", "a/b?".to_owned()), ("nonce", "n-1".to_owned())];
    email
}

fn sales_message() -> SalesMessage {
    SalesMessage {
        buyer: buyer("buyer-7"),
        effect_id: "buyer-7/quote/car-1".to_owned(),
        body: "{\"specversion\":\"1.0\"}".to_owned(),
    }
}

fn accepted_by_ses() -> Answer {
    Answer::Reply(Reply::json(200, &json!({ "MessageId": "ses-1" })))
}

fn body(status: u16, body: &str) -> Answer {
    Answer::Reply(Reply { status, headers: vec![], body: body.as_bytes().to_vec() })
}

fn unknown(reason: &str) -> Delivery {
    Delivery::Unknown { reason: reason.to_owned() }
}

fn not_sent(reason: &str) -> Delivery {
    Delivery::NotSent { reason: reason.to_owned() }
}

#[tokio::test]
async fn an_email_request_has_both_parts_our_tags_and_the_configuration_set() {
    let wire = Wire::start(in_turn([accepted_by_ses()])).await;
    let email = email();
    let delivery = outside(wire.url(), NOWHERE).send_email(&email).await;
    assert_eq!(delivery, Delivery::Accepted { message_id: "ses-1".to_owned() });
    let exchanges = wire.exchanges();
    assert_eq!(exchanges.len(), 1);
    let request = &exchanges[0].request;
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v2/email/outbound-emails"));
    let text = |text: &str| json!({ "Data": text, "Charset": "UTF-8" });
    let tag =
        |name: &str, value: &str| json!({ "Name": name, "Value": BASE64_URL_SAFE_NO_PAD.encode(value) });
    assert_eq!(
        request.json(),
        json!({
            "FromEmailAddress": "offers@cars.example",
            "Destination": { "ToAddresses": ["ada.canary@example.com"] },
            "ConfigurationSetName": "leadstream",
            "EmailTags": [tag("buyer", "buyer-7"), tag("effect", "a/b?"), tag("nonce", "n-1")],
            "Content": { "Simple": {
                "Subject": text("An insurance quote for your next car"),
                "Body": { "Text": text(&email.text), "Html": text(&email.html) },
            } },
        })
    );
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    for tag in request.json()["EmailTags"].as_array().unwrap() {
        assert!(
            tag["Value"].as_str().unwrap().bytes().all(is_safe),
            "only characters that SES accepts in a tag: {tag}"
        );
    }
}

#[tokio::test]
async fn an_inconclusive_answer_is_unknown_after_one_request() {
    let long = "x".repeat(100_000);
    for (answer, delivery) in [
        (Answer::ResetAfterReading, unknown("connection broken")),
        (body(502, "<html>bad gateway</html>"), unknown("unknown error")),
        (body(504, ""), unknown("unknown error")),
        (body(200, "this is not JSON"), unknown("unknown error")),
        (body(200, &long), unknown("unknown error")),
        (body(200, "{\"MessageId\":"), unknown("unknown error")),
        (body(200, "{}"), unknown("answer without a message id")),
    ] {
        assert_delivery(answer, delivery).await;
    }
}

/// Asserts the result of an attempt that SES answers like this, and that it was one request.
pub(crate) fn assert_delivery(answer: Answer, delivery: Delivery) -> impl Future<Output = ()> {
    let case = format!("{answer:?}").chars().take(200).collect::<String>();
    async move {
        let wire = Wire::start(in_turn([answer])).await;
        assert_eq!(outside(wire.url(), NOWHERE).send_email(&email()).await, delivery, "{case}");
        assert_eq!(wire.exchanges().len(), 1, "{case}");
    }
}

#[tokio::test]
async fn a_truncated_answer_is_unknown_after_one_request() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"MessageId\":\"a",
    ] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !is_complete(&request) && stream.read_buf(&mut request).await.unwrap() > 0 {}
                count.fetch_add(1, Ordering::SeqCst);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let delivery = outside(&url, NOWHERE).send_email(&email()).await;
        assert!(matches!(delivery, Delivery::Unknown { .. }), "{answer:?}: {delivery:?}");
        assert_eq!(requests.load(Ordering::SeqCst), 1, "{answer:?}");
        serving.abort();
    }
}

fn is_complete(request: &[u8]) -> bool {
    let text = std::str::from_utf8(request).unwrap_or_default();
    text.split_once("\r\n\r\n").is_some_and(|(_, body)| serde_json::from_str::<Value>(body).is_ok())
}

#[tokio::test]
async fn no_answer_within_the_time_limit_is_unknown_after_one_request() {
    let arrived = Arc::new(Notify::new());
    let arrival = Arc::clone(&arrived);
    let wire = Wire::start(move |_| {
        arrival.notify_one();
        Answer::Never
    })
    .await;
    let (outside, email) = (outside(wire.url(), NOWHERE), email());
    let begun = tokio::time::Instant::now();
    let stop_the_clock = async {
        arrived.notified().await;
        // From here on time passes only while all tasks wait for it.
        tokio::time::pause();
    };
    let (delivery, ()) = tokio::join!(outside.send_email(&email), stop_the_clock);
    assert_eq!(delivery, unknown("timed out"));
    let took = begun.elapsed();
    assert!((SES_TIME_OUT..SES_TIME_OUT + Duration::from_secs(1)).contains(&took), "{took:?}");
    assert_eq!(wire.exchanges().len(), 1);
}

#[tokio::test]
async fn a_refused_connection_is_not_sent() {
    assert_eq!(outside(NOWHERE, NOWHERE).send_email(&email()).await, not_sent("no connection"));
}

/// The settings of a function with these variables for its endpoints.
fn configured(endpoints: &[(&str, &str)]) -> Config {
    let lookup = |name: &str| {
        let value = match name {
            "AWS_REGION" => "us-east-1",
            "STREAMS_TABLE" | "LEADS_TABLE" => "table",
            "SALES_TEAM_QUEUE_URL" => "http://127.0.0.1:1/000000000000/SalesTeam.fifo",
            "EMAIL_SENDER" => "offers@cars.example",
            "SITE_URL" => "https://cars.example",
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "EMAIL_CONFIGURATION_SET" => "test",
            _ => endpoints.iter().find(|(variable, _)| *variable == name)?.1,
        };
        Some(value.to_owned())
    };
    Config::from_settings(&Settings::from_lookup(&lookup)).unwrap()
}

/// Engines can be mixed: see docs/localstack.md.
#[tokio::test]
async fn each_service_is_called_at_its_own_endpoint_or_else_at_the_common_one() {
    let answer = |_: &mut _| body(200, &json!({ "MessageId": "1", "Items": [] }).to_string());
    let wires = [Wire::start(answer).await, Wire::start(answer).await];
    let names = ["AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SESV2", "AWS_ENDPOINT_URL_DYNAMODB"];
    let mut called = Vec::new();
    for apart in names {
        let config = configured(&[("AWS_ENDPOINT_URL", wires[0].url()), (apart, wires[1].url())]);
        config.outside.notify_sales(&sales_message()).await.unwrap();
        config.outside.send_email(&email()).await;
        event_store::load(&config.streams, &buyer("b-1")).await.unwrap();
        called.push(wires.each_ref().map(|wire| wire.operations().len()));
    }
    assert_eq!(called, [[2, 1], [4, 2], [6, 3]]);
    let apart = wires[1].operations();
    assert_eq!(apart, ["SendMessage", "/v2/email/outbound-emails", "Query"]);
}

/// An e-mail sent over a connection that died while the function was frozen would be doubtful.
#[tokio::test]
async fn connections_to_ses_are_never_reused_and_those_to_sqs_are() {
    let wire = Wire::start(|request| {
        let id = if request.path.starts_with("/v2/email") { "ses-1" } else { "sqs-1" };
        body(200, &json!({ "MessageId": id }).to_string())
    })
    .await;
    let outside = configured(&[("AWS_ENDPOINT_URL", wire.url())]).outside;
    for mails in 1..=3 {
        let delivery = outside.send_email(&email()).await;
        assert_eq!(delivery, Delivery::Accepted { message_id: "ses-1".to_owned() });
        assert_eq!(wire.connections(), mails);
    }
    for _ in 0..3 {
        outside.notify_sales(&sales_message()).await.unwrap();
        assert_eq!(wire.connections(), 4);
    }
    let exchanges = wire.exchanges();
    assert_eq!(exchanges.len(), 6);
    // AWS refuses signatures of hop-by-hop headers (aws/aws-sdk-go-v2#2593), so no request may have such a header.
    assert!(exchanges.iter().all(|exchange| header(&exchange.request.headers, "connection").is_none()));
}

#[tokio::test]
async fn a_reset_after_ses_got_the_email_is_one_request_and_an_unknown_entry() {
    let answers = Arc::new(Mutex::new(Vec::new()));
    let script = Arc::clone(&answers);
    let ses = Wire::start(move |_| script.lock().unwrap().pop().unwrap()).await;
    let sqs = Wire::start(in_turn([body(200, "{\"MessageId\":\"sqs-1\"}")])).await;
    let outside = outside(ses.url(), sqs.url());
    let mut requests = 0;
    for trial in 0..200 {
        let world = World::new();
        world.record(&[made("car-1")]).await;
        if trial % 2 == 0 {
            answers.lock().unwrap().push(Answer::ResetAfterReading);
        } else {
            answers.lock().unwrap().push(accepted_by_ses());
            world.advance_over(&*world.streams, &world.leads, &outside).await;
            world.record(&[accepted("car-1").v(2)]).await;
            answers.lock().unwrap().push(Answer::ResetAfterReading);
            requests += 1;
        }
        let advanced = world.advance_over(&*world.streams, &world.leads, &outside).await;
        requests += 1;
        assert_eq!(advanced.behind, None, "trial {trial}");
        world.advance_over(&*world.streams, &world.leads, &outside).await;
        assert_eq!(ses.exchanges().len(), requests, "trial {trial}");

        let key = if trial % 2 == 0 { "quote-email" } else { "accepted-email/car-1/2" };
        let entry = world.tables().ledger[&(world.buyer.clone(), key.to_owned())].clone();
        assert_eq!((entry.status, entry.reason.as_deref()), (Status::Unknown, Some("connection broken")));
        let tags = ses.exchanges().pop().unwrap().request.json()["EmailTags"].clone();
        assert_eq!(
            decoded(&tags),
            ["buyer buyer-7".to_owned(), format!("effect {key}"), format!("nonce {}", entry.nonce)]
        );
    }
}

fn decoded(tags: &Value) -> Vec<String> {
    let text =
        |value: &Value| String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap());
    let tags = tags.as_array().unwrap().iter();
    tags.map(|tag| format!("{} {}", tag["Name"].as_str().unwrap(), text(&tag["Value"]).unwrap())).collect()
}

#[tokio::test]
async fn a_sales_message_has_its_buyers_group_and_the_digest_of_its_id() {
    let wire = Wire::start(in_turn([body(200, "{\"MessageId\":\"sqs-1\"}")])).await;
    let message = sales_message();
    outside(NOWHERE, wire.url()).notify_sales(&message).await.unwrap();
    assert_eq!(wire.operations(), ["SendMessage"]);
    assert_eq!(
        wire.exchanges()[0].request.json(),
        json!({
            "QueueUrl": format!("{NOWHERE}/000000000000/SalesTeam.fifo"),
            "MessageGroupId": "buyer-7",
            // printf %s buyer-7/quote/car-1 | sha256sum
            "MessageDeduplicationId": "212d5ef6bbecda0a34d9d26b1fe0e85f0272ed1ba63f3044c0a4b1fa30326606",
            "MessageBody": message.body,
        })
    );
}
