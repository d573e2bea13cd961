//! Asks IAM's policy simulator whether the roles may do what the template says, and nothing that they must not.

use cli::aws::{Aws, CallFailed, Service};
use serde_json::Value;
use tests::Failed;

use crate::difference::list;
use crate::promise::{Check, Promise};
use crate::settings::{DEPLOY, unanswered};
use crate::target::{Target, text};
use crate::template::Template;

/// What a role must not be able to do, by IAM's policy simulator: role, action, and the table it concerns.
const FORBIDDEN: [(&str, &str, &str); 6] = [
    ("RecorderRole", "dynamodb:DeleteItem", "StreamsTable"),
    ("RecorderRole", "dynamodb:GetItem", "LeadsTable"),
    ("ReactorRole", "dynamodb:PutItem", "StreamsTable"),
    ("SweeperRole", "dynamodb:PutItem", "StreamsTable"),
    ("ReceiptsRole", "dynamodb:Query", "StreamsTable"),
    ("ReceiptsRole", "dynamodb:DeleteItem", "LeadsTable"),
];

/// Asks IAM's policy simulator about each permission in the template, and about some that no role may have.
pub(crate) async fn check(aws: &Aws, target: &Target, template: &Template) -> Result<Check, Failed> {
    let what = "IAM's policy simulator answers as the template says";
    let mut differences = Vec::new();
    let mut asked = 0;
    for (role, kind) in template.kinds() {
        if kind != "AWS::IAM::Role" || !target.resources.contains_key(&role) {
            continue;
        }
        let arn = target.role_arn(&role);
        let policies = template.policies(target, &role)?;
        for statement in policies.iter().flat_map(|policy| list(&policy["PolicyDocument"]["Statement"])) {
            // The simulator would need the value of each condition key.
            if !statement["Condition"].is_null() {
                continue;
            }
            for (action, pattern) in pairs(&statement) {
                // LocalStack's simulator compares with the pattern as text
                // (`localstack/services/iam/resources/policy_simulator.py`); IAM needs an example of it.
                let resource = if aws.is_emulated() { pattern } else { example_of(&pattern) };
                asked += 1;
                match decision(aws, &arn, &action, &resource).await {
                    Ok(decision) if decision == "allowed" => {}
                    Ok(decision) => {
                        differences.push(format!("{role}: {action} on {resource} is {decision}"));
                    }
                    Err(error) => {
                        return unanswered(aws, Promise::Roles, what, error.into());
                    }
                }
            }
        }
        for (_, action, table) in FORBIDDEN.iter().filter(|(of, ..)| *of == role) {
            let at = format!("{}:{}", target.region, target.account);
            let resource = format!("arn:aws:dynamodb:{at}:table/{}", target.id(table));
            asked += 1;
            if decision(aws, &arn, action, &resource).await? == "allowed" {
                differences.push(format!("{role}: {action} on {table} is allowed"));
            }
        }
    }
    let expected = format!("{asked} answers as in the template");
    Ok(Check::of(Promise::Roles, what, &expected, &differences, DEPLOY))
}

async fn decision(aws: &Aws, role: &str, action: &str, resource: &str) -> Result<String, CallFailed> {
    let question =
        [("PolicySourceArn", role), ("ActionNames.member.1", action), ("ResourceArns.member.1", resource)];
    let answer = aws.query(Service::Iam, "SimulatePrincipalPolicy", &question).await?;
    Ok(text(&answer["EvaluationResults"][0]["EvalDecision"]))
}

/// Each action of a statement with each resource.
fn pairs(statement: &Value) -> Vec<(String, String)> {
    let resources: Vec<String> = list(&statement["Resource"]).iter().map(text).collect();
    let with_each = |action: &Value| {
        let action = text(action);
        resources.iter().map(move |resource| (action.clone(), resource.clone())).collect::<Vec<_>>()
    };
    list(&statement["Action"]).iter().flat_map(with_each).collect()
}

/// A resource that this pattern covers. The simulator takes an ARN, or `*` for all resources (AWS IAM API Reference,
/// `SimulatePrincipalPolicy`).
fn example_of(pattern: &str) -> String {
    if pattern == "*" { pattern.to_owned() } else { pattern.replace('*', "example") }
}

#[cfg(test)]
mod tests_of_patterns {
    use serde_json::json;

    use super::{example_of, pairs};

    #[test]
    fn every_action_of_a_statement_is_asked_about_for_every_resource() {
        let statement = json!({ "Action": "sqs:GetQueueAttributes", "Resource": ["a", "b"] });
        let action = "sqs:GetQueueAttributes".to_owned();
        assert_eq!(pairs(&statement), [(action.clone(), "a".to_owned()), (action, "b".to_owned())]);
        let statement = json!({ "Action": ["c", "d"], "Resource": "*" });
        assert_eq!(pairs(&statement).len(), 2);
    }

    #[test]
    fn the_simulator_is_asked_about_an_arn_or_all_resources() {
        assert_eq!(example_of("*"), "*");
        let logs = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/leadstream-recorder";
        assert_eq!(example_of(&format!("{logs}:*")), format!("{logs}:example"));
    }
}
