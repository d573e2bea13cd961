//! Judges the roles' policies as the strict wire does.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::strict::{Need, Role};

use crate::functions::{self, resources};

/// The sender's address.
const SENDER: &str = "offers@example.com";

/// The policy of a role: its statements, with names instead of what CloudFormation inserts.
fn statements(role: &str) -> Vec<Value> {
    functions::statements(role)
        .iter()
        .map(|statement| {
            let actions = statement.at("Action").texts();
            let service = actions[0].split(':').next().unwrap();
            let named = resources(statement);
            assert_eq!(named.len(), 1, "{role} names {named:?} in one statement");
            let mut resolved = json!({
                "Effect": statement.at("Effect").text(),
                "Action": actions,
                "Resource": arn(service, &named[0]),
            });
            if let Some(condition) = statement.find("Condition") {
                assert_eq!(condition.at("StringLike").names(), ["ses:FromAddress"]);
                resolved["Condition"] = json!({ "StringLike": { "ses:FromAddress": SENDER } });
            }
            resolved
        })
        .collect()
}

fn arn(service: &str, resource: &str) -> String {
    let resource = resource
        .replace("${AWS::Partition}", "aws")
        .replace("${AWS::Region}", "us-east-1")
        .replace("${AWS::AccountId}", "000000000000")
        .replace(['$', '{', '}'], "");
    if resource == "*" || resource.starts_with("arn:") {
        resource
    } else {
        format!("arn:aws:{service}:us-east-1:000000000000:{resource}")
    }
}

fn allows(statements: &[Value], need: &Need) -> bool {
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    Role::new("role", "function", &[document]).unwrap().allows(need)
}

#[test]
fn each_permission_is_granted_once_and_refused_without_it() {
    let mut taken = 0;
    for role in ["RecorderRole", "ReactorRole", "SweeperRole", "ReceiptsRole"] {
        let all = statements(role);
        for (index, statement) in all.iter().enumerate() {
            let actions = statement["Action"].as_array().unwrap();
            for action in actions {
                let resource = match statement["Resource"].as_str().unwrap() {
                    "*" => arn("dynamodb", "any"),
                    resource => resource.replace('*', SENDER),
                };
                let need = Need {
                    action: action.as_str().unwrap().to_owned(),
                    resource,
                    context: BTreeMap::from([("ses:FromAddress", SENDER.to_owned())]),
                };
                assert!(allows(&all, &need), "{role} lacks {need}");
                let mut without = all.clone();
                let others: Vec<&Value> = actions.iter().filter(|other| *other != action).collect();
                without[index]["Action"] = json!(others);
                if others.is_empty() {
                    without.remove(index);
                }
                assert!(!allows(&without, &need), "{role} grants {need} twice");
                taken += 1;
            }
        }
    }
    assert!(taken > 30, "only {taken} permissions were found");
}
