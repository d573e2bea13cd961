use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// The reason why a step on the stack failed.
pub type Failed = Box<dyn Error + Send + Sync>;

/// The inspection interface of a local AWS (`infra/local/engine.py`): lists the mails that SES took, and queued messages
/// without receiving them.
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

    async fn get(&self, path: &str) -> Result<Vec<Value>, Failed> {
        let answer = self.http.get(format!("{}/_local/{path}", self.endpoint)).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    pub(crate) async fn emails_to(&self, address: &str) -> Result<Vec<Mail>, Failed> {
        let mails = self.get("mails").await?;
        Ok(mails
            .iter()
            .filter(|mail| mail["to"].as_array().is_some_and(|to| to.iter().any(|one| one == address)))
            .map(|mail| Mail {
                subject: text(&mail["subject"]),
                text: text(&mail["text"]),
                html: text(&mail["html"]),
            })
            .collect())
    }

    /// The messages of a message group; of a queue without groups, those of the group `None`.
    pub(crate) async fn queued(&self, queue_url: &str, group: Option<&str>) -> Result<Vec<Queued>, Failed> {
        let queue = utf8_percent_encode(queue_url, NON_ALPHANUMERIC);
        let messages = self.get(&format!("messages?queue={queue}")).await?;
        Ok(messages
            .iter()
            .filter(|message| message["group"].as_str() == group)
            .map(|message| Queued {
                body: text(&message["body"]),
                attributes: message["attributes"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, value)| (name.clone(), text(value)))
                    .collect(),
            })
            .collect())
    }

    /// What the strict wire in front of the local AWS has seen so far.
    pub(crate) async fn strict_wire(&self) -> Result<Seen, Failed> {
        let answer = self.http.get(format!("{}/_strict", self.endpoint)).send().await?;
        let seen: Value = answer.error_for_status()?.json().await?;
        let taken = seen["taken"].as_object().ok_or("no strict wire is in front of the local AWS")?;
        let taken = taken.iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap_or_default()));
        let refused = seen["refused"].as_array().into_iter().flatten();
        let refused = refused.map(|one| one.as_str().unwrap_or_default().to_owned());
        let used = seen["used"].as_array().into_iter().flatten().map(|permission| text(&permission[0]));
        Ok(Seen { taken: taken.collect(), refused: refused.collect(), functions: used.collect() })
    }
}

/// The requests that the strict wire has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// How many each service took.
    pub taken: BTreeMap<String, u64>,
    /// A description of each one refused.
    pub refused: Vec<String>,
    /// The functions whose permissions it decided on.
    pub functions: BTreeSet<String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
