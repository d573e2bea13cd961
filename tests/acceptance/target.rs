//! The stack under test: what CloudFormation says of it, and why it may be refused.

use std::collections::BTreeMap;

use cli::aws::{Aws, CallFailed, Service};
use serde_json::Value;
use tests::Failed;

/// A resource as CloudFormation describes it.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    /// The name or URL that AWS gave it.
    pub(crate) id: String,
    status: String,
}

/// A deployed stack.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) resources: BTreeMap<String, Resource>,
    /// The change feed, which no call of CloudFormation names.
    pub(crate) stream_arn: String,
}

/// A stack is whole in these states.
const WHOLE: [&str; 4] =
    ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"];

impl Target {
    /// Reads the description of a stack. Refuses one that does not exist, is half deployed or in shadow, or was not
    /// deployed from the template.
    pub(crate) async fn find(aws: &Aws, name: &str, expected: &[String]) -> Result<Self, Failed> {
        let region = aws.region().to_owned();
        let described = aws.query(Service::CloudFormation, "DescribeStacks", &[("StackName", name)]).await;
        let described = described.map_err(|error| no_such_stack(error, name, &region))?;
        let stack = &described["Stacks"][0];
        let status = text(&stack["StackStatus"]);
        if !WHOLE.contains(&status.as_str()) {
            return Err(format!(
                "the stack {name} is in the state {status}: finish its deployment with `make deploy STAGE=`"
            )
            .into());
        }
        let parameters = pairs(&stack["Parameters"], "ParameterKey", "ParameterValue");
        let listed =
            aws.query(Service::CloudFormation, "DescribeStackResources", &[("StackName", name)]).await?;
        let resources: BTreeMap<String, Resource> = listed["StackResources"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| {
                let resource =
                    Resource { id: text(&one["PhysicalResourceId"]), status: text(&one["ResourceStatus"]) };
                (text(&one["LogicalResourceId"]), resource)
            })
            .collect();
        if let Some(missing) = expected.iter().find(|logical| !resources.contains_key(*logical)) {
            return Err(format!(
                "the stack {name} has no resource {missing}: it is not a stack of Leadstream, or of another version; \
                 check out that version"
            )
            .into());
        }
        // The stack has left the function's earlier versions behind on purpose.
        let is_whole = |one: &Resource| one.status.ends_with("_COMPLETE") || one.status == "DELETE_SKIPPED";
        if let Some((half, resource)) = resources.iter().find(|(_, one)| !is_whole(one)) {
            return Err(format!(
                "the stack {name} is half deployed: {half} is {}; finish its deployment first",
                resource.status
            )
            .into());
        }
        if parameters.get("Effects").is_none_or(|effects| effects != "live") {
            return Err(format!(
                "the stack {name} is in shadow, so nothing it does can be seen outside: choose a stack with Effects=live"
            )
            .into());
        }
        // Its former system would be asked to hand over the run's buyers.
        if parameters.get("LegacyUrl").is_some_and(|url| !url.is_empty()) {
            return Err(format!(
                "the stack {name} runs beside a former system, which must not see this run's buyers: choose a stack \
                 without LegacyUrl"
            )
            .into());
        }
        let account = text(&stack["StackId"]).split(':').nth(4).unwrap_or_default().to_owned();
        let mut target =
            Self { name: name.to_owned(), region, account, parameters, resources, stream_arn: String::new() };
        let table = target.describe_table(aws, "StreamsTable").await?;
        target.stream_arn = text(&table["LatestStreamArn"]);
        Ok(target)
    }

    /// A stack of which nothing else is known.
    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        let (region, account) = ("us-east-1".to_owned(), "000000000000".to_owned());
        let (parameters, resources) = (BTreeMap::new(), BTreeMap::new());
        Self { name: name.to_owned(), region, account, parameters, resources, stream_arn: String::new() }
    }

    /// The physical id of a resource, or the name of the table that the stack uses instead of one of its own.
    pub(crate) fn id(&self, logical: &str) -> &str {
        match self.resources.get(logical) {
            Some(resource) => &resource.id,
            None => self.parameter(&format!("Existing{logical}")),
        }
    }

    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// The ARN of a role, which contains its path.
    pub(crate) fn role_arn(&self, logical: &str) -> String {
        let path = Some(self.parameter("RolePath")).filter(|path| !path.is_empty()).unwrap_or("/");
        format!("arn:aws:iam::{}:role{path}{}", self.account, self.id(logical))
    }

    /// The name of a queue, which is the end of its URL.
    pub(crate) fn queue_name(&self, logical: &str) -> &str {
        self.id(logical).rsplit('/').next().unwrap_or_default()
    }

    pub(crate) async fn describe_table(&self, aws: &Aws, logical: &str) -> Result<Value, CallFailed> {
        let input = serde_json::json!({ "TableName": self.id(logical) });
        let answer = aws.json(Service::DynamoDb, "DynamoDB_20120810.DescribeTable", &input).await?;
        Ok(answer["Table"].clone())
    }
}

fn no_such_stack(error: CallFailed, name: &str, region: &str) -> Failed {
    if error.code == "ValidationError" && error.message.contains("does not exist") {
        let list = format!("aws cloudformation describe-stacks --region {region}");
        return format!(
            "there is no stack {name} in {region}: see `{list}`, or set AWS_REGION or AWS_PROFILE"
        )
        .into();
    }
    error.into()
}

fn pairs(list: &Value, key: &str, value: &str) -> BTreeMap<String, String> {
    list.as_array().into_iter().flatten().map(|one| (text(&one[key]), text(&one[value]))).collect()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
