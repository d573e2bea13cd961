//! Deliberate faults in the deployed stack, each of which the acceptance test must name. They run after all other tests
//! (profile `local-aws-faults`), because the last one replaces the change feed and cannot be undone.

use std::env;
use std::fs;
use std::process::Command;

use aws_config::BehaviorVersion;
use cli::aws::{Aws, Service};
use platform::https::{Https, Trust};
use serde_json::{Value, json};

use crate::{control, on_the_stack};

/// The stack that `infra/local/deployment.py` deploys.
const STACK: &str = "leadstream";

/// What the acceptance test reports when it compares the stack with the template: its exit code, and its sentence and
/// description of each promise that is broken.
fn accept(words: &[&str]) -> (Option<i32>, Vec<(String, String)>, String) {
    let folder = env::temp_dir().join(format!("acceptance-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let report = folder.join("report");
    let ended = Command::new(env!("CARGO_BIN_EXE_acceptance"))
        .args(["--settings-only", "--report", report.to_str().unwrap()])
        .args(words)
        .output()
        .unwrap();
    let json = fs::read_to_string(report.with_extension("json")).unwrap_or_else(|_| "{}".to_owned());
    fs::remove_dir_all(&folder).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    let checks = json["checks"].as_array().cloned().unwrap_or_default();
    let broken = checks.iter().filter(|check| check["ended"] == "differs");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (
        ended.status.code(),
        broken.map(|check| (text(&check["promise"]), text(&check["seen"]))).collect(),
        String::from_utf8(ended.stderr).unwrap(),
    )
}

/// Checks that exactly this promise is broken, by a difference that contains `seen`.
#[track_caller]
fn assert_broken(promise: &str, seen: &str) {
    let (code, broken, errors) = accept(&["--stack", STACK]);
    assert_eq!(code, Some(1), "{broken:?} {errors}");
    assert!(broken.iter().all(|(of, _)| of == promise), "{broken:?}");
    assert!(broken.iter().any(|(_, what)| what.contains(seen)), "{broken:?}");
}

#[track_caller]
fn assert_whole() {
    let (code, broken, errors) = accept(&["--stack", STACK]);
    assert_eq!((code, broken), (Some(0), Vec::new()), "{errors}");
}

async fn connect() -> Aws {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    Aws::on(&config, Https::trusting(Trust::BuiltIn).unwrap())
}

/// The physical id of a resource.
async fn id(aws: &Aws, logical: &str) -> String {
    let wanted = [("StackName", STACK), ("LogicalResourceId", logical)];
    let found = aws.query(Service::CloudFormation, "DescribeStackResources", &wanted).await.unwrap();
    let resources = found["StackResources"].as_array().unwrap();
    let one = resources.iter().find(|one| one["LogicalResourceId"] == logical).unwrap();
    one["PhysicalResourceId"].as_str().unwrap().to_owned()
}

async fn set_partial_responses(aws: &Aws, types: &Value) {
    let path = format!("/2015-03-31/event-source-mappings/{}", id(aws, "OfferEventsToRecorder").await);
    let input = json!({ "FunctionResponseTypes": types });
    aws.rest(Service::Lambda, "UpdateEventSourceMapping", ("PUT", &path), Some(&input)).await.unwrap();
}

async fn set_policy(aws: &Aws, document: &str) {
    let role = id(aws, "SweeperRole").await;
    let put = [("RoleName", role.as_str()), ("PolicyName", "sweeper"), ("PolicyDocument", document)];
    aws.query(Service::Iam, "PutRolePolicy", &put).await.unwrap();
}

async fn policy(aws: &Aws) -> String {
    let role = id(aws, "SweeperRole").await;
    let wanted = [("RoleName", role.as_str()), ("PolicyName", "sweeper")];
    let answer = aws.query(Service::Iam, "GetRolePolicy", &wanted).await.unwrap();
    let encoded = answer["PolicyDocument"].as_str().unwrap();
    percent_encoding::percent_decode_str(encoded).decode_utf8().unwrap().into_owned()
}

/// Changes one environment variable of the reactor, in a new version that goes live. Returns its former value.
async fn set_variable(aws: &Aws, name: &str, value: &str) -> String {
    // The settings of `$LATEST`, which are those of the live version.
    let path = format!("/2015-03-31/functions/{}/configuration", id(aws, "Reactor").await);
    let seen = aws.rest(Service::Lambda, "GetFunctionConfiguration", ("GET", &path), None).await.unwrap();
    control(reqwest::Method::PUT, "reactor", json!({ name: value }).to_string()).await;
    seen["Environment"]["Variables"][name].as_str().unwrap().to_owned()
}

async fn set_rule(aws: &Aws, action: &str) {
    let input = json!({ "Name": id(aws, "SweeperSchedule").await });
    aws.json(Service::Events, &format!("AWSEvents.{action}"), &input).await.unwrap();
}

/// Replaces the change feed by one with whole items. A stream's view can only be changed so (Amazon DynamoDB API
/// Reference, `StreamSpecification`).
async fn replace_change_feed(aws: &Aws) {
    let table = id(aws, "StreamsTable").await;
    for stream in [
        json!({ "StreamEnabled": false }),
        json!({ "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" }),
    ] {
        let input = json!({ "TableName": table, "StreamSpecification": stream });
        aws.json(Service::DynamoDb, "DynamoDB_20120810.UpdateTable", &input).await.unwrap();
    }
}

#[test]
fn each_deliberate_fault_is_named_as_a_broken_promise() {
    on_the_stack(async |_| {
        let aws = connect().await;
        assert_whole();

        set_partial_responses(&aws, &json!([])).await;
        assert_broken("A message that fails holds up no other.", "FunctionResponseTypes");
        set_partial_responses(&aws, &json!(["ReportBatchItemFailures"])).await;

        let whole = policy(&aws).await;
        let mut document: Value = serde_json::from_str(&whole).unwrap();
        document["Statement"].as_array_mut().unwrap().retain(|one| one["Sid"] != "FindOpenWork");
        set_policy(&aws, &document.to_string()).await;
        assert_broken(
            "Each function may do what its work needs, and nothing else.",
            "the statement FindOpenWork is missing",
        );
        set_policy(&aws, &whole).await;

        let former = set_variable(&aws, "EMAIL_CONFIGURATION_SET", "another").await;
        assert_broken("Receipts of SES settle an e-mail.", "EMAIL_CONFIGURATION_SET");
        set_variable(&aws, "EMAIL_CONFIGURATION_SET", &former).await;

        set_rule(&aws, "DisableRule").await;
        assert_broken("The sweeper finds what a doorbell missed.", "DISABLED");
        set_rule(&aws, "EnableRule").await;
        assert_whole();

        replace_change_feed(&aws).await;
        let (code, broken, errors) = accept(&["--stack", STACK]);
        assert_eq!(code, Some(1), "{errors}");
        let feed = "The change feed rings for every commit and carries no personal data.";
        let is_named =
            |(promise, seen): &(String, String)| promise == feed && seen.contains("NEW_AND_OLD_IMAGES");
        assert!(broken.iter().any(is_named), "{broken:?}");
    });
}

#[test]
fn a_stack_that_does_not_exist_is_refused_before_anything_is_sent() {
    let (code, broken, errors) = accept(&["--stack", "no-such-stack"]);
    assert_eq!((code, broken), (Some(2), Vec::new()));
    assert_eq!(
        errors,
        "acceptance: there is no stack no-such-stack in us-east-1: see `aws cloudformation describe-stacks --region \
         us-east-1`, or set AWS_REGION or AWS_PROFILE\n"
    );
}
