//! Stacks that the acceptance test refuses, each with a reason, before it sends anything. A scripted endpoint stands in
//! for CloudFormation.
#![expect(clippy::unwrap_used, reason = "test code")]

use saphyr::{LoadableYamlNode as _, Yaml};
use testkit::wire::{Answer, Reply, Wire, in_turn};
use tokio::process::Command;
use tokio::runtime::Builder;

/// The response of CloudFormation to an action.
fn response(action: &str, content: &str) -> Reply {
    let body = format!("<{action}Response><{action}Result>{content}</{action}Result></{action}Response>");
    Reply { status: 200, headers: Vec::new(), body: body.into_bytes() }
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    let body = format!(
        "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    );
    Reply { status, headers: Vec::new(), body: body.into_bytes() }
}

/// A stack in this state, with these values of `Effects` and `LegacyUrl`.
fn stack(status: &str, effects: &str, former: &str) -> Reply {
    response(
        "DescribeStacks",
        &format!(
            "<Stacks><member><StackName>leadstream</StackName><StackStatus>{status}</StackStatus>\
             <StackId>arn:aws:cloudformation:us-east-1:000000000000:stack/leadstream/1</StackId>\
             <Parameters><member><ParameterKey>Effects</ParameterKey><ParameterValue>{effects}</ParameterValue>\
             </member><member><ParameterKey>LegacyUrl</ParameterKey><ParameterValue>{former}</ParameterValue>\
             </member></Parameters></member></Stacks>"
        ),
    )
}

/// The resources of the template, except one, with one of them in this state.
fn resources(without: &str, half: &str, status: &str) -> Reply {
    let template = Yaml::load_from_str(include_str!("../../infra/template.yaml")).unwrap().remove(0);
    let members: Vec<String> = template["Resources"]
        .as_mapping()
        .unwrap()
        .keys()
        .map(|logical| logical.as_str().unwrap())
        .filter(|logical| *logical != without)
        .map(|logical| {
            let status = if logical == half { status } else { "CREATE_COMPLETE" };
            format!(
                "<member><LogicalResourceId>{logical}</LogicalResourceId><PhysicalResourceId>x</PhysicalResourceId>\
                 <ResourceStatus>{status}</ResourceStatus></member>"
            )
        })
        .collect();
    response("DescribeStackResources", &format!("<StackResources>{}</StackResources>", members.concat()))
}

/// Checks that a stack with these descriptions is refused with this sentence, after no other calls.
#[track_caller]
fn assert_refused(described: Reply, listed: Option<Reply>, sentence: &str) {
    let calls = if listed.is_some() { 2 } else { 1 };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (output, exchanges) = runtime.block_on(async {
        let mut replies = vec![described];
        replies.extend(listed);
        let wire = Wire::start(in_turn(replies.into_iter().map(Answer::Reply))).await;
        let mut command = Command::new(env!("CARGO_BIN_EXE_acceptance"));
        command.args(["--stack", "leadstream", "--yes"]).env_clear();
        for (name, value) in [
            ("AWS_ENDPOINT_URL", wire.url()),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ] {
            command.env(name, value);
        }
        (command.output().await.unwrap(), wire.exchanges().len())
    });
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("acceptance: {sentence}\n"));
    assert_eq!((output.status.code(), exchanges), (Some(2), calls));
}

#[test]
fn a_stack_of_another_region() {
    assert_refused(
        error(400, "ValidationError", "Stack with id leadstream does not exist"),
        None,
        "there is no stack leadstream in eu-west-1: see `aws cloudformation describe-stacks --region eu-west-1`, or set \
         AWS_REGION or AWS_PROFILE",
    );
}

#[test]
fn credentials_without_rights() {
    assert_refused(
        error(403, "AccessDenied", "no identity-based policy allows it"),
        None,
        "these credentials may not call cloudformation:DescribeStacks; allow it, or use others (no identity-based policy \
         allows it)",
    );
}

#[test]
fn a_stack_whose_first_deployment_failed() {
    assert_refused(
        stack("ROLLBACK_COMPLETE", "live", ""),
        None,
        "the stack leadstream is in the state ROLLBACK_COMPLETE: finish its deployment with `make deploy STAGE=`",
    );
}

#[test]
fn a_stack_that_is_being_updated() {
    assert_refused(
        stack("UPDATE_IN_PROGRESS", "live", ""),
        None,
        "the stack leadstream is in the state UPDATE_IN_PROGRESS: finish its deployment with `make deploy STAGE=`",
    );
}

#[test]
fn a_stack_with_a_failed_resource() {
    assert_refused(
        stack("UPDATE_COMPLETE", "live", ""),
        Some(resources("", "Reactor", "UPDATE_FAILED")),
        "the stack leadstream is half deployed: Reactor is UPDATE_FAILED; finish its deployment first",
    );
}

#[test]
fn a_stack_without_one_of_our_resources() {
    assert_refused(
        stack("CREATE_COMPLETE", "live", ""),
        Some(resources("Reactor", "", "")),
        "the stack leadstream has no resource Reactor: it is not a stack of Leadstream, or of another version; check out \
         that version",
    );
}

#[test]
fn a_stack_in_shadow() {
    assert_refused(
        stack("CREATE_COMPLETE", "shadow", ""),
        Some(resources("", "", "")),
        "the stack leadstream is in shadow, so nothing it does can be seen outside: choose a stack with Effects=live",
    );
}

#[test]
fn a_stack_beside_a_former_system() {
    assert_refused(
        stack("CREATE_COMPLETE", "live", "https://former.example"),
        Some(resources("", "", "")),
        "the stack leadstream runs beside a former system, which must not see this run's buyers: choose a stack without \
         LegacyUrl",
    );
}
