//! What the strict wire accepts, what it refuses, and with which response. The requests are the SDK's own, changed
//! before signing or after they were captured.
#![expect(clippy::unwrap_used, reason = "test code")]

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use aws_sdk_sesv2::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sesv2::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sesv2::operation::send_email::builders::SendEmailFluentBuilder;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use aws_smithy_types::body::SdkBody;
use platform::https::{Https, Trust};
use serde_json::{Value, json};
use testkit::strict::{Refused, Service, check, dummy_secret};
use testkit::wire::{Answer, Reply, Request, Wire, header, in_turn};

async fn wire() -> Wire {
    Wire::start(in_turn([Answer::Reply(Reply::json(200, &json!({ "MessageId": "1" })))])).await
}

fn https() -> Https {
    Https::trusting(Trust::BuiltIn).unwrap()
}

fn mail(wire: &Wire, credentials: Credentials) -> SendEmailFluentBuilder {
    let config = aws_sdk_sesv2::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(credentials)
        .endpoint_url(wire.url())
        .http_client(https())
        .build();
    let text = |data: &str| Content::builder().data(data).charset("UTF-8").build().unwrap();
    let body = Body::builder().text(text("Käfer & Co.")).build();
    let message = Message::builder().subject(text("Hello")).body(body).build();
    aws_sdk_sesv2::Client::from_conf(config)
        .send_email()
        .from_email_address("offers@example.com")
        .destination(Destination::builder().to_addresses("ada@example.com").build())
        .content(EmailContent::builder().simple(message).build())
}

fn test_credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "test")
}

/// Credentials as a function on the local AWS has them. The secret is the first 40 characters of
/// `printf ASIA0123456789ABCDEF | sha256sum`.
fn role_credentials() -> Credentials {
    Credentials::new(
        "ASIA0123456789ABCDEF",
        "995250ca1125e59a7462971887788dc4c9cba482",
        Some("a token".to_owned()),
        None,
        "test",
    )
}

/// An accepted request of the SDK that sends an e-mail.
async fn captured() -> Request {
    let wire = wire().await;
    mail(&wire, test_credentials()).send().await.unwrap();
    wire.exchanges().pop().unwrap().request
}

/// Sends an e-mail whose request body is changed before signing. Returns the wire's refusal, and the status and code
/// that the SDK read from the response.
async fn refused(change: impl Fn(&mut Value) + Send + Sync + 'static) -> (Refused, u16, String) {
    let wire = wire().await;
    let error = mail(&wire, test_credentials())
        .customize()
        .mutate_request(move |request| {
            let mut body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            change(&mut body);
            let body = body.to_string();
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = SdkBody::from(body);
        })
        .send()
        .await
        .unwrap_err();
    let code = error.code().unwrap().to_owned();
    let SdkError::ServiceError(answer) = error else { panic!("{error:?}") };
    let noted = wire.take_refused();
    assert_eq!(noted.len(), 1);
    (noted.into_iter().next().unwrap(), answer.raw().status().as_u16(), code)
}

fn refusal_of(request: &Request) -> (u16, &'static str, String) {
    let refused = check(request, dummy_secret).unwrap_err();
    (refused.status, refused.code, refused.message)
}

#[tokio::test]
async fn the_sdks_requests_to_each_service_are_accepted() {
    let wire = wire().await;
    mail(&wire, test_credentials()).send().await.unwrap();
    let dynamodb = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(role_credentials())
        .endpoint_url(wire.url())
        .http_client(https())
        .build();
    aws_sdk_dynamodb::Client::from_conf(dynamodb)
        .update_item()
        .table_name("leads")
        .key("buyer", AttributeValue::S("b/1".to_owned()))
        .update_expression("SET through = :through")
        .expression_attribute_values(":through", AttributeValue::N("2".to_owned()))
        .return_values(ReturnValue::AllOld)
        .send()
        .await
        .unwrap();
    let sqs = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(test_credentials())
        .endpoint_url(wire.url())
        .http_client(https())
        .build();
    aws_sdk_sqs::Client::from_conf(sqs)
        .receive_message()
        .queue_url("http://127.0.0.1/0/q.fifo")
        .max_number_of_messages(10)
        .send()
        .await
        .unwrap();
    let services: Vec<_> =
        wire.exchanges().iter().map(|exchange| check(&exchange.request, dummy_secret).unwrap()).collect();
    assert_eq!(services, [Some(Service::Ses), Some(Service::DynamoDb), Some(Service::Sqs)]);
    assert_eq!(wire.take_refused(), []);
}

#[tokio::test]
async fn a_hop_by_hop_header_must_not_be_signed() {
    for name in ["connection", "expect", "keep-alive", "te", "trailer", "upgrade", "proxy-authorization"] {
        let wire = wire().await;
        let error = mail(&wire, test_credentials())
            .customize()
            .mutate_request(move |request| {
                request.headers_mut().insert(name, "close");
            })
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some("IncompleteSignatureException"), "{name}");
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 403);
        let noted = wire.take_refused();
        assert!(noted[0].message.contains(&format!("'{name}' is named as a SignedHeader")), "{noted:?}");
    }
}

#[tokio::test]
#[should_panic(expected = "AWS would have refused: ses refuses /v2/email/outbound-emails with 403")]
async fn a_refused_request_fails_the_test_that_does_not_expect_it() {
    let wire = wire().await;
    let connection = |request: &mut aws_sdk_sesv2::config::http::HttpRequest| {
        request.headers_mut().insert("connection", "close");
    };
    assert!(mail(&wire, test_credentials()).customize().mutate_request(connection).send().await.is_err());
}

#[tokio::test]
async fn a_signature_covers_body_path_and_headers() {
    let original = captured().await;
    assert_eq!(check(&original, dummy_secret), Ok(Some(Service::Ses)));

    let mut body = original.clone();
    *body.body.last_mut().unwrap() = b' ';
    let mut target = original.clone();
    target.path.push_str("?a=1");
    let mut date = original.clone();
    for (name, value) in &mut date.headers {
        if name == "x-amz-date" {
            value.replace_range(13..15, "61");
        }
    }
    let mut unsigned_token = original.clone();
    unsigned_token.headers.push(("x-amz-security-token".to_owned(), "stolen".to_owned()));
    for request in [body, target, unsigned_token] {
        let (status, code, message) = refusal_of(&request);
        assert_eq!((status, code), (403, "InvalidSignatureException"), "{message}");
    }
    assert_eq!(refusal_of(&date).0, 403);
}

#[tokio::test]
async fn requests_without_a_signature_or_with_an_unknown_key_are_refused() {
    let mut request = captured().await;
    assert_eq!(check(&request, |_| None).unwrap_err().code, "UnrecognizedClientException");
    let wrong = |_: &str| Some("wrong".to_owned());
    assert_eq!(check(&request, wrong).unwrap_err().code, "InvalidSignatureException");
    request.headers.retain(|(name, _)| name != "authorization");
    assert_eq!(refusal_of(&request).1, "MissingAuthenticationTokenException");
}

#[tokio::test]
async fn signatures_with_secrets_of_1_to_40_characters_verify() {
    for length in [1, 4, 39, 40] {
        let secret = "s".repeat(length);
        let wire = wire().await;
        let _ = mail(&wire, Credentials::new("a-key", &secret, None, None, "test")).send().await;
        assert_eq!(wire.take_refused()[0].code, "UnrecognizedClientException");
        let request = &wire.exchanges()[0].request;
        assert_eq!(check(request, |_| Some(secret.clone())), Ok(Some(Service::Ses)), "{length}");
    }
}

#[tokio::test]
async fn a_request_must_state_the_length_of_its_body() {
    let mut request = captured().await;
    assert!(header(&request.headers, "content-length").is_some());
    request.headers.retain(|(name, _)| name != "content-length");
    request.headers.push(("transfer-encoding".to_owned(), "chunked".to_owned()));
    let (status, code, _) = refusal_of(&request);
    assert_eq!((status, code), (411, "MissingContentLength"));
}

/// The expected error code, the change of the request body, and a part of the expected message.
type Change = (&'static str, fn(&mut Value), &'static str);

#[tokio::test]
async fn parameters_must_be_valid_by_the_model() {
    let changes: [Change; 8] = [
        ("BadRequestException", |body| body["Priority"] = json!(1), "unknown parameter: Priority"),
        (
            "BadRequestException",
            |body| body["Content"]["Simple"]["Body"]["Txt"] = json!({}),
            "unknown parameter: Txt",
        ),
        (
            "BadRequestException",
            |body| drop(body.as_object_mut().unwrap().remove("Content")),
            "Content is missing",
        ),
        (
            "BadRequestException",
            |body| body["EmailTags"] = json!([{ "Name": "a" }]),
            "EmailTags[0].Value is missing",
        ),
        ("SerializationException", |body| body["Destination"] = json!("ada"), "must be of type structure"),
        ("SerializationException", |body| body["FromEmailAddress"] = json!(1), "must be of type string"),
        ("SerializationException", |body| body["EmailTags"] = json!({}), "must be of type list"),
        ("BadRequestException", |body| body["TenantName"] = json!(""), "length 0, where 1 to"),
    ];
    for (code, change, message) in changes {
        let (refused, status, code_read) = refused(change).await;
        assert_eq!((refused.status, refused.code), (400, code), "{refused}");
        assert_eq!((status, code_read.as_str()), (400, code), "as the SDK reads the response");
        assert!(refused.message.contains(message), "{refused}");
    }
}

/// An unsigned request of a JSON protocol.
fn unsigned(target: &str, body: &Value) -> Request {
    let headers = vec![("x-amz-target".to_owned(), target.to_owned())];
    Request { method: "POST".to_owned(), path: "/".to_owned(), headers, body: body.to_string().into_bytes() }
}

#[test]
fn requests_to_other_services_pass() {
    let other = unsigned("Logs_20140328.FilterLogEvents", &json!({}));
    assert_eq!(check(&other, dummy_secret), Ok(None));
    let streams = unsigned("DynamoDBStreams_20120810.GetRecords", &json!({}));
    assert_eq!(check(&streams, dummy_secret), Ok(None));
    for target in ["DynamoDB_20120810.PutItem", "AmazonSQS.SendMessage"] {
        assert!(check(&unsigned(target, &json!({})), dummy_secret).is_err(), "{target}");
    }
}
