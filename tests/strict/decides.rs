//! The program `strict-wire` decides on the requests of functions by the policies of their roles, and reports what they
//! used and what was refused.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::process::Stdio;

use aws_credential_types::Credentials;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Region};
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use platform::https::{Https, Trust};
use serde_json::{Value, json};
use testkit::strict::dummy_secret;
use testkit::wire::{Answer, Reply, Wire};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const KEY: &str = "ASIA0123456789ABCDEF";
const ALLOWED: &str = "arn:aws:sqs:us-east-1:000000000000:leadstream-SalesTeam.fifo";

/// The program in front of this URL, and its own.
async fn strict_wire(upstream: &str) -> (Child, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_strict-wire"))
        .arg(upstream)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let url = lines.next_line().await.unwrap().unwrap();
    (program, url)
}

/// Sends a message to a queue as the function with this access key. Returns the error code, if it is refused.
async fn send(url: &str, key: &str, queue: &str) -> Option<String> {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new(key, dummy_secret(key).unwrap(), None, None, "test"))
        .endpoint_url(url)
        .http_client(Https::trusting(Trust::BuiltIn).unwrap())
        .build();
    let queue = format!("{url}/000000000000/{queue}");
    let sent = Client::from_conf(config).send_message().queue_url(queue).message_body("{}").send().await;
    sent.err().map(|error| error.code().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_permission_that_a_role_lacks_is_refused_and_reported() {
    let local_aws = Wire::start(|request| {
        let body = match request.path.as_str() {
            "/_local/signers" => json!({ KEY: "RecorderRole", "ASIA00000000000OTHER": "OtherRole" }),
            _ => json!({ "MessageId": "1", "MD5OfMessageBody": "99914b932bd37a50b983c5e7c90ae93b" }),
        };
        Answer::Reply(Reply::json(200, &body))
    })
    .await;
    let (_program, url) = strict_wire(local_aws.url()).await;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": ALLOWED }],
    });
    let roles = json!({ "RecorderRole": { "function": "recorder", "policies": [policy] } });
    let http = reqwest::Client::new();
    let known = http.put(format!("{url}/_strict/roles")).body(roles.to_string()).send().await.unwrap();
    assert!(known.status().is_success());

    assert_eq!(send(&url, KEY, "leadstream-SalesTeam.fifo").await, None);
    let denied = send(&url, KEY, "leadstream-OfferEvents.fifo").await;
    assert_eq!(denied.as_deref(), Some("AccessDenied"));
    let unknown = send(&url, "ASIA00000000000OTHER", "leadstream-SalesTeam.fifo").await;
    assert_eq!(unknown.as_deref(), Some("UnrecognizedClientException"));
    // Who is no function is not asked for a role.
    assert_eq!(send(&url, "test", "leadstream-OfferEvents.fifo").await, None);

    let seen: Value = http.get(format!("{url}/_strict")).send().await.unwrap().json().await.unwrap();
    assert_eq!(seen["used"], json!([["recorder", "sqs:SendMessage", ALLOWED]]));
    let refused: Vec<&str> = seen["refused"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    for part in ["recorder", "sqs:sendmessage", "leadstream-OfferEvents.fifo"] {
        assert!(refused[0].contains(part), "{refused:?}");
    }
}
