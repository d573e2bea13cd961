use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::{Failed, Stack};

/// The inspection interface of a local AWS: lists the mails that SES took, and queued messages without receiving them.
#[derive(Debug)]
pub(crate) struct Emulator {
    endpoint: String,
    http: reqwest::Client,
}

/// An e-mail that SES took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The subject.
    pub subject: String,
    /// The plain text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// A message in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The message's body.
    pub body: String,
    /// The names and string values of its attributes.
    pub attributes: Vec<(String, String)>,
}

impl Queued {
    /// The value of an attribute; empty if the message does not have it.
    #[must_use]
    pub fn attribute(&self, name: &str) -> String {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, text)| text.clone()).unwrap_or_default()
    }
}

impl Emulator {
    pub(crate) fn at(endpoint: &str) -> Self {
        Self { endpoint: endpoint.to_owned(), http: reqwest::Client::new() }
    }

    async fn get(&self, path: &str) -> Result<Value, Failed> {
        let answer = self.http.get(format!("{}/_ministack/{path}", self.endpoint)).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    pub(crate) async fn emails_to(&self, address: &str) -> Result<Vec<Mail>, Failed> {
        let answer = self.get("ses/messages").await?;
        let accounts = answer["messages"].as_object().ok_or("the emulator's answer contains no mails")?;
        let text = |mail: &Value, name: &str| mail[name].as_str().unwrap_or_default().to_owned();
        Ok(accounts
            .values()
            .filter_map(Value::as_array)
            .flatten()
            .filter(|mail| mail["To"].as_array().is_some_and(|to| to.iter().any(|one| one == address)))
            .map(|mail| Mail {
                subject: text(mail, "Subject"),
                text: text(mail, "BodyText"),
                html: text(mail, "BodyHtml"),
            })
            .collect())
    }

    pub(crate) async fn queued(&self, queue_url: &str, group: &str) -> Result<Vec<Queued>, Failed> {
        let queue = utf8_percent_encode(queue_url, NON_ALPHANUMERIC);
        let answer = self.get(&format!("sqs/messages?QueueUrl={queue}")).await?;
        let regions = answer["messages"].as_object().into_iter().flat_map(serde_json::Map::values);
        let queues = regions.filter_map(Value::as_object).flat_map(serde_json::Map::values);
        Ok(queues
            .filter_map(Value::as_object)
            .flat_map(serde_json::Map::values)
            .filter_map(Value::as_array)
            .flatten()
            .filter(|message| message["MessageGroupId"] == group)
            .map(|message| Queued {
                body: message["Body"].as_str().unwrap_or_default().to_owned(),
                attributes: attributes(message),
            })
            .collect())
    }
}

impl Stack {
    /// The requests that the strict wire in front of the local AWS has seen so far: the number that each service took,
    /// and a description of each one refused.
    pub async fn strict_wire(&self) -> Result<(BTreeMap<String, u64>, Vec<String>), Failed> {
        let answer = self.emulator.http.get(format!("{}/_strict", self.emulator.endpoint)).send().await?;
        let seen: Value = answer.error_for_status()?.json().await?;
        let taken = seen["taken"].as_object().ok_or("no strict wire is in front of the local AWS")?;
        let taken = taken.iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap_or_default()));
        let refused = seen["refused"].as_array().into_iter().flatten();
        let refused = refused.map(|one| one.as_str().unwrap_or_default().to_owned());
        Ok((taken.collect(), refused.collect()))
    }
}

fn attributes(message: &Value) -> Vec<(String, String)> {
    let Some(attributes) = message["MessageAttributes"].as_object() else { return Vec::new() };
    let text = |value: &Value| value["StringValue"].as_str().unwrap_or_default().to_owned();
    attributes.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}
