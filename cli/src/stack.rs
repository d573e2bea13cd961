//! A deployed stack, as CloudFormation describes it: where its queues and tables are, and how it is set.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::aws::{Aws, Service};
use crate::config::Places;
use crate::profile::Profile;
use crate::{Failure, output};

/// A deployed stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stack {
    /// Its name.
    pub(crate) name: String,
    /// The account that it belongs to.
    pub(crate) account: String,
    /// Its region.
    pub(crate) region: String,
    /// Its status in CloudFormation, for example `UPDATE_COMPLETE`.
    pub(crate) status: String,
    outputs: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
}

impl Stack {
    /// Finds the stack of a profile with one `DescribeStacks`.
    ///
    /// The answer is not kept for later commands: a stack that was deleted and created again has other tables and queues,
    /// while the old tables are retained, so `leads void` would write to those.
    ///
    /// # Errors
    /// [`Failure::Call`], [`Failure::NoStack`], [`Failure::OtherAccount`], [`Failure::NotLeadstream`].
    pub(crate) async fn find(aws: &Aws, profile: &Profile) -> Result<Self, Failure> {
        let (name, region) = (profile.stack.clone(), aws.region().to_owned());
        let wanted = [("StackName", name.as_str())];
        let described = aws.query(Service::CloudFormation, "DescribeStacks", &wanted).await;
        let described = described.map_err(|error| {
            if error.message.contains("does not exist") {
                Failure::NoStack { name: name.clone(), region: region.clone() }
            } else {
                Failure::Call(error)
            }
        })?;
        let found = &described["Stacks"][0];
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        // arn:aws:cloudformation:REGION:ACCOUNT:stack/NAME/ID
        let account = text("StackId").split(':').nth(4).unwrap_or_default().to_owned();
        let stack = Self {
            name: text("StackName"),
            account,
            region,
            status: text("StackStatus"),
            outputs: pairs(&found["Outputs"], "OutputKey", "OutputValue"),
            parameters: pairs(&found["Parameters"], "ParameterKey", "ParameterValue"),
        };
        if let Some(expected) = profile.account.as_ref().filter(|expected| **expected != stack.account) {
            return Err(Failure::OtherAccount { expected: expected.clone(), found: stack.account });
        }
        if stack.output("StreamsTableName").is_none() {
            return Err(Failure::NotLeadstream { name });
        }
        Ok(stack)
    }

    /// The value of an output.
    pub(crate) fn output(&self, name: &str) -> Option<&str> {
        self.outputs.get(name).map(String::as_str)
    }

    /// The value of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The stack's places, except those that `given` names.
    pub(crate) fn places(&self, given: &Places) -> Places {
        let or = |given: &Option<String>, found: Option<&str>| given.clone().or(found.map(str::to_owned));
        Places {
            queue_url: or(&given.queue_url, self.output("OfferEventsQueueUrl")),
            dead_letters_url: or(&given.dead_letters_url, self.output("OfferEventsDeadLettersQueueUrl")),
            sales_team_url: or(&given.sales_team_url, self.output("SalesTeamQueueUrl")),
            streams_table: or(&given.streams_table, self.output("StreamsTableName")),
            leads_table: or(&given.leads_table, self.output("LeadsTableName")),
            legacy_url: or(&given.legacy_url, self.parameter("LegacyUrl")),
            ..given.clone()
        }
    }

    /// What a command that changes something prints first. `given` are the places from options.
    pub(crate) fn banner(&self, given: &Places) -> String {
        let Self { name, account, region, .. } = self;
        let options = [
            ("--queue-url", &given.queue_url),
            ("--dead-letters-url", &given.dead_letters_url),
            ("--sales-team-url", &given.sales_team_url),
            ("--streams-table", &given.streams_table),
            ("--leads-table", &given.leads_table),
            ("--legacy-url", &given.legacy_url),
        ];
        let others = options.into_iter().filter_map(|(option, value)| {
            Some(format!(", but {option} {}", output::harmless(value.as_deref()?)))
        });
        format!("Account {account}, region {region}, stack {name}{}.", others.collect::<String>())
    }
}

fn pairs(list: &Value, key: &str, value: &str) -> BTreeMap<String, String> {
    let pair = |one: &Value| Some((one[key].as_str()?.to_owned(), one[value].as_str()?.to_owned()));
    list.as_array().into_iter().flatten().filter_map(pair).collect()
}
