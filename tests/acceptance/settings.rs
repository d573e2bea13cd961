//! Compares what AWS says of each resource with the template. Nothing is sent or changed.

use std::collections::BTreeSet;

use cli::aws::{Aws, CallFailed, Service};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use tests::Failed;

use crate::difference::{compared, difference, statements};
use crate::promise::{Check, Promise};
use crate::target::{Target, text};
use crate::template::{ALIAS, Template};

pub(crate) const DEPLOY: &str = "deploy the template again (`make deploy`), and find out who changed it";

/// Compares every resource. Fails if a call is not allowed, because then nothing can be said.
pub(crate) async fn checks(aws: &Aws, target: &Target, template: &Template) -> Result<Vec<Check>, Failed> {
    let reader = Reader { aws, target, template };
    let mut checks = Vec::new();
    for (logical, kind) in template.kinds() {
        if !target.resources.contains_key(&logical) {
            continue;
        }
        let what = format!("{logical} is as in the template");
        let promise = promise_of(&logical, &kind);
        let found = match kind.as_str() {
            "AWS::SQS::Queue" => reader.queue(&logical).await,
            "AWS::DynamoDB::Table" => reader.table(&logical).await,
            "AWS::Serverless::Function" => reader.function(&logical).await,
            "AWS::Lambda::EventSourceMapping" => reader.mapping(&logical).await,
            "AWS::Lambda::EventInvokeConfig" => reader.calls(&logical).await,
            "AWS::IAM::Role" => reader.role(&logical).await,
            "AWS::Events::Rule" => reader.rule(&logical).await,
            "AWS::SES::ConfigurationSetEventDestination" => reader.destination(&logical).await,
            "AWS::SNS::Subscription" => reader.subscription(&logical).await,
            "AWS::CloudWatch::Alarm" => reader.alarm(&logical).await,
            _ => continue,
        };
        match found {
            Ok(differences) => {
                // A wrong configuration set is a broken promise about receipts, not about settings.
                let (sets, others): (Vec<String>, Vec<String>) =
                    differences.into_iter().partition(|one| one.contains("EMAIL_CONFIGURATION_SET"));
                if !sets.is_empty() {
                    let what = format!("{logical} sends with the stack's configuration set");
                    checks.push(Check::of(Promise::Receipts, &what, "as in the template", &sets, DEPLOY));
                }
                checks.push(Check::of(promise, &what, "as in the template", &others, DEPLOY));
            }
            Err(error) => checks.push(unanswered(aws, promise, &what, error)?),
        }
    }
    Ok(checks)
}

/// On an emulator, a call that it does not have makes the check impossible. Everything else is an error.
pub(crate) fn unanswered(aws: &Aws, promise: Promise, what: &str, error: Failed) -> Result<Check, Failed> {
    match error.downcast_ref::<CallFailed>() {
        Some(failed) if aws.is_emulated() && !failed.is_denied() => {
            Ok(Check::not_possible(promise, what, format!("the emulator does not answer: {failed}")))
        }
        _ => Err(error),
    }
}

fn promise_of(logical: &str, kind: &str) -> Promise {
    match (logical, kind) {
        ("OfferEventsToRecorder", _) => Promise::Isolated,
        ("ChangeFeedToReactor" | "StreamsTable", _) => Promise::Feed,
        ("EmailReceiptsToReceipts" | "EmailEventDestination" | "EmailEventsToQueue", _) => Promise::Receipts,
        ("SweeperSchedule" | "SweeperCalls", _) => Promise::Sweeper,
        (_, "AWS::IAM::Role") => Promise::Roles,
        (_, "AWS::CloudWatch::Alarm") => Promise::Alarms,
        _ => Promise::Settings,
    }
}

struct Reader<'a> {
    aws: &'a Aws,
    target: &'a Target,
    template: &'a Template,
}

type Differences = Result<Vec<String>, Failed>;

impl Reader<'_> {
    fn expected(&self, logical: &str) -> Result<Value, Failed> {
        self.template.properties(self.target, logical)
    }

    async fn queue(&self, logical: &str) -> Differences {
        let input = json!({ "QueueUrl": self.target.id(logical), "AttributeNames": ["All"] });
        let answer = self.aws.json(Service::Sqs, "AmazonSQS.GetQueueAttributes", &input).await?;
        let seen = &answer["Attributes"];
        let name = text(&seen["QueueArn"]).rsplit(':').next().unwrap_or_default().to_owned();
        Ok(compared(&self.expected(logical)?, |property| match property {
            "QueueName" => json!(name),
            "RedrivePolicy" | "RedriveAllowPolicy" => {
                serde_json::from_str(&text(&seen[property])).unwrap_or_default()
            }
            other => seen[other].clone(),
        }))
    }

    async fn table(&self, logical: &str) -> Differences {
        let mut expected = self.expected(logical)?;
        let seen = self.target.describe_table(self.aws, logical).await?;
        // DescribeTable does not show recovery, and encryption and the billing mode under other names.
        let properties = expected.as_object_mut().ok_or("a table has no properties")?;
        for hidden in ["PointInTimeRecoverySpecification", "SSESpecification", "BillingMode"] {
            properties.remove(hidden);
        }
        let indexes = seen["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
        let indexes: Vec<Value> = indexes
            .map(|one| {
                json!({ "IndexName": one["IndexName"], "KeySchema": one["KeySchema"],
                "Projection": { "ProjectionType": one["Projection"]["ProjectionType"] } })
            })
            .collect();
        let stream = json!({ "StreamViewType": seen["StreamSpecification"]["StreamViewType"] });
        Ok(compared(&expected, |property| match property {
            "GlobalSecondaryIndexes" => json!(indexes),
            "StreamSpecification" => stream.clone(),
            // An unprotected table has no such field in some answers.
            "DeletionProtectionEnabled" => json!(seen[property].as_bool().unwrap_or(false)),
            other => seen[other].clone(),
        }))
    }

    async fn function(&self, logical: &str) -> Differences {
        let expected = self.expected(logical)?;
        let path = format!("/2015-03-31/functions/{}", self.target.id(logical));
        let alias = format!("{path}/aliases/{ALIAS}");
        let alias = self.aws.rest(Service::Lambda, "GetAlias", ("GET", &alias), None).await?;
        // By its number, because LocalStack finds no settings by an alias.
        let path = format!("{path}/configuration?Qualifier={}", text(&alias["FunctionVersion"]));
        let action = "GetFunctionConfiguration";
        let seen = self.aws.rest(Service::Lambda, action, ("GET", &path), None).await?;
        let mut differences = Vec::new();
        for property in ["FunctionName", "Timeout", "Role"] {
            differences.extend(difference(property, &expected[property], &seen[property]));
        }
        differences.extend(difference(
            "MemorySize",
            &json!(self.target.parameter("FunctionMemory")),
            &seen["MemorySize"],
        ));
        let architecture = json!([self.target.parameter("Architecture")]);
        differences.extend(difference("Architectures", &architecture, &seen["Architectures"]));
        let key = json!(self.target.parameter("KmsKeyArn"));
        differences.extend(difference("KMSKeyArn", &key, &seen["KMSKeyArn"]));
        let variables =
            |from: &Value| from["Environment"]["Variables"].as_object().cloned().unwrap_or_default();
        let (expected, seen) = (variables(&expected), variables(&seen));
        let names: BTreeSet<&String> = expected.keys().chain(seen.keys()).collect();
        for name in names {
            let value = |from: &Map<String, Value>| from.get(name).cloned().unwrap_or_default();
            let (expected, seen) = (value(&expected), value(&seen));
            // Emulators add the address under which functions reach them.
            if !(self.aws.is_emulated() && expected.is_null()) {
                differences.extend(difference(name, &expected, &seen));
            }
        }
        Ok(differences)
    }

    async fn mapping(&self, logical: &str) -> Differences {
        let path = format!("/2015-03-31/event-source-mappings/{}", self.target.id(logical));
        let seen = self.aws.rest(Service::Lambda, "GetEventSourceMapping", ("GET", &path), None).await?;
        let mut differences = compared(&self.expected(logical)?, |property| match property {
            "FunctionName" => seen["FunctionArn"].clone(),
            other => seen[other].clone(),
        });
        differences.extend(difference("State", &json!("Enabled"), &seen["State"]));
        let filters = seen["FilterCriteria"]["Filters"].as_array().map_or(0, Vec::len);
        if logical != "ChangeFeedToReactor" && filters > 0 {
            differences
                .push("FilterCriteria: expected none, because on a queue they delete messages".to_owned());
        }
        Ok(differences)
    }

    async fn calls(&self, logical: &str) -> Differences {
        let name = self.target.id("Sweeper");
        let path = format!("/2019-09-25/functions/{name}/event-invoke-config?Qualifier={ALIAS}");
        let action = "GetFunctionEventInvokeConfig";
        let seen = self.aws.rest(Service::Lambda, action, ("GET", &path), None).await?;
        let name = "MaximumRetryAttempts";
        Ok(difference(name, &self.expected(logical)?[name], &seen[name]).into_iter().collect())
    }

    async fn role(&self, logical: &str) -> Differences {
        let policies = self.template.policies(self.target, logical)?;
        let role = self.target.id(logical);
        let listed = self.aws.query(Service::Iam, "ListRolePolicies", &[("RoleName", role)]).await?;
        let attached =
            self.aws.query(Service::Iam, "ListAttachedRolePolicies", &[("RoleName", role)]).await?;
        let names: Vec<String> = listed["PolicyNames"].as_array().into_iter().flatten().map(text).collect();
        let mut differences = Vec::new();
        for policy in &policies {
            let name = text(&policy["PolicyName"]);
            if !names.contains(&name) {
                differences.push(format!("the policy {name} is missing"));
                continue;
            }
            let wanted = [("RoleName", role), ("PolicyName", name.as_str())];
            let answer = self.aws.query(Service::Iam, "GetRolePolicy", &wanted).await?;
            // The document is percent-encoded (IAM API Reference, GetRolePolicy).
            let document = text(&answer["PolicyDocument"]);
            let document: Value = serde_json::from_str(&percent_decode_str(&document).decode_utf8_lossy())?;
            differences.extend(statements(&policy["PolicyDocument"], &document));
        }
        let known = |name: &&String| policies.iter().any(|policy| policy["PolicyName"] == json!(name));
        // A local deployment adds this one where an emulator checks another resource than AWS does.
        let local = |name: &&String| self.aws.is_emulated() && name.starts_with("emulator-");
        for more in names.iter().filter(|name| !known(name) && !local(name)) {
            differences.push(format!("the policy {more} is not in the template"));
        }
        for more in attached["AttachedPolicies"].as_array().into_iter().flatten() {
            differences.push(format!("the policy {} is attached", more["PolicyName"]));
        }
        Ok(differences)
    }

    async fn rule(&self, logical: &str) -> Differences {
        let expected = self.expected(logical)?;
        let name = self.target.id(logical);
        let rule = self.aws.json(Service::Events, "AWSEvents.DescribeRule", &json!({ "Name": name })).await?;
        let targets = json!({ "Rule": name });
        let targets = self.aws.json(Service::Events, "AWSEvents.ListTargetsByRule", &targets).await?;
        let mut differences = Vec::new();
        for property in ["State", "ScheduleExpression"] {
            differences.extend(difference(property, &expected[property], &rule[property]));
        }
        let arn = |from: &Value| from["Targets"][0]["Arn"].clone();
        differences.extend(difference("Targets", &arn(&expected), &arn(&targets)));
        Ok(differences)
    }

    async fn destination(&self, logical: &str) -> Differences {
        let expected = self.expected(logical)?;
        let path = format!("/v2/email/configuration-sets/{}/event-destinations", self.target.id("Emails"));
        let action = "GetConfigurationSetEventDestinations";
        let answer = self.aws.rest(Service::Ses, action, ("GET", &path), None).await?;
        let expected = &expected["EventDestination"];
        let destinations = answer["EventDestinations"].as_array().into_iter().flatten();
        let Some(seen) = destinations.into_iter().find(|one| one["Name"] == expected["Name"]) else {
            return Ok(vec![format!("the configuration set has no event destination {}", expected["Name"])]);
        };
        let mut differences: Vec<String> =
            difference("Enabled", &expected["Enabled"], &seen["Enabled"]).into_iter().collect();
        let topic = |from: &Value, name: &str| from["SnsDestination"][name].clone();
        differences.extend(difference("topic", &topic(expected, "TopicARN"), &topic(seen, "TopicArn")));
        // CloudFormation writes renderingFailure, SES's interface RENDERING_FAILURE.
        let kinds = |from: &Value| -> Value {
            let kinds = from["MatchingEventTypes"].as_array().into_iter().flatten();
            kinds.map(|kind| text(kind).replace('_', "").to_lowercase()).collect()
        };
        differences.extend(difference("MatchingEventTypes", &kinds(expected), &kinds(seen)));
        Ok(differences)
    }

    async fn subscription(&self, logical: &str) -> Differences {
        let expected = self.expected(logical)?;
        let arn = self.target.id(logical);
        let wanted = [("TopicArn", self.target.id("EmailEvents"))];
        let listed = self.aws.query(Service::Sns, "ListSubscriptionsByTopic", &wanted).await?;
        let subscriptions = listed["Subscriptions"].as_array().into_iter().flatten();
        let Some(seen) = subscriptions.into_iter().find(|one| one["SubscriptionArn"] == arn) else {
            return Ok(vec!["the topic has no such subscription".to_owned()]);
        };
        let wanted = [("SubscriptionArn", arn)];
        let answer = self.aws.query(Service::Sns, "GetSubscriptionAttributes", &wanted).await?;
        let attributes = entries_of(&answer["Attributes"]);
        Ok(compared(&expected, |property| match property {
            "RawMessageDelivery" => attributes.get(property).cloned().unwrap_or_default(),
            "RedrivePolicy" => attributes
                .get(property)
                .and_then(|policy| serde_json::from_str(&text(policy)).ok())
                .unwrap_or_default(),
            other => seen[other].clone(),
        }))
    }

    async fn alarm(&self, logical: &str) -> Differences {
        let wanted = [("AlarmNames.member.1", self.target.id(logical))];
        let answer = self.aws.query(Service::CloudWatch, "DescribeAlarms", &wanted).await?;
        let seen = &answer["MetricAlarms"][0];
        if seen.is_null() {
            return Ok(vec!["the alarm is missing".to_owned()]);
        }
        let mut expected = self.expected(logical)?;
        expected["ActionsEnabled"] = json!(true);
        // MiniStack's answer leaves out most properties.
        let is_left_out = |property: &str| self.aws.is_emulated() && seen[property].is_null();
        Ok(compared(&expected, |property| {
            if is_left_out(property) { expected[property].clone() } else { seen[property].clone() }
        }))
    }
}

/// The attributes of an SNS answer, which is a list of entries with key and value.
fn entries_of(attributes: &Value) -> Map<String, Value> {
    let entries = attributes.as_array().cloned().unwrap_or_default();
    entries.iter().map(|one| (text(&one["key"]), one["value"].clone())).collect()
}
