//! One invocation's messages, by buyer and in order. What is reported back is always the end of a group: by type it is
//! impossible to give one message of a buyer back and acknowledge a later one, or to name a message that was not there.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::EventId;
use serde_json::Value;

/// A message as it came off the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// SQS's id of it, never empty.
    pub id: String,
    /// Its body, whatever it is.
    pub body: String,
    /// What SQS knows of where it comes from.
    pub deduplication_id: Option<String>,
    /// When it was sent, in milliseconds since 1970.
    pub sent_at: Option<String>,
    /// How often it was received, this time included.
    pub receives: u32,
}

/// All messages of one message group, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The group's id: should be the buyer's.
    pub id: String,
    /// At least one.
    pub messages: Vec<Message>,
}

/// The messages of one invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FifoBatch {
    groups: Vec<Group>,
}

/// A record lacks what every FIFO queue gives it: the mapping is wrong, and the whole batch goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record has no {0}: the function must be mapped to an SQS FIFO queue")]
pub struct NotFromAFifoQueue(&'static str);

impl FifoBatch {
    /// Sorts records into groups.
    ///
    /// # Errors
    /// [`NotFromAFifoQueue`].
    pub fn of(event: SqsEvent) -> Result<Self, NotFromAFifoQueue> {
        let mut groups: Vec<Group> = Vec::new();
        for record in event.records {
            let group_id = record
                .attributes
                .get("MessageGroupId")
                .filter(|id| !id.is_empty())
                .ok_or(NotFromAFifoQueue("message group"))?
                .clone();
            let message = Message::of(record)?;
            match groups.iter_mut().find(|group| group.id == group_id) {
                Some(group) => group.messages.push(message),
                None => groups.push(Group { id: group_id, messages: vec![message] }),
            }
        }
        Ok(Self { groups })
    }

    /// The groups, in the order of their first messages.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The answer to Lambda: of each group, so many messages from its beginning are settled, and all after them come
    /// back in order.
    #[must_use]
    pub fn answer(&self, settled: &[usize]) -> SqsBatchResponse {
        let mut answer = SqsBatchResponse::default();
        for (index, group) in self.groups.iter().enumerate() {
            let settled = settled.get(index).copied().unwrap_or(0);
            for message in group.messages.iter().skip(settled) {
                answer.add_failure(message.id.as_str());
            }
        }
        answer
    }
}

impl Message {
    /// The `id` that the sender gave the event, whether or not the rest of it can be recorded; `None` if the body has none
    /// of the contract's form. Reads the body anew: for log lines about messages that were not recorded.
    #[must_use]
    pub fn event_id(&self) -> Option<String> {
        let body: Value = serde_json::from_str(&self.body).ok()?;
        EventId::parse(body.get("id")?.as_str()?).ok().map(|id| id.as_str().to_owned())
    }

    fn of(mut record: SqsMessage) -> Result<Self, NotFromAFifoQueue> {
        let id = record.message_id.filter(|id| !id.is_empty()).ok_or(NotFromAFifoQueue("message id"))?;
        Ok(Self {
            id,
            body: record.body.unwrap_or_default(),
            deduplication_id: record.attributes.remove("MessageDeduplicationId"),
            sent_at: record.attributes.remove("SentTimestamp"),
            receives: record
                .attributes
                .get("ApproximateReceiveCount")
                .and_then(|count| count.parse().ok())
                .unwrap_or(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Message;

    fn event_id(body: &str) -> Option<String> {
        let message = Message {
            id: "m".to_owned(),
            body: body.to_owned(),
            deduplication_id: None,
            sent_at: None,
            receives: 1,
        };
        message.event_id()
    }

    #[test]
    fn an_event_has_its_id_also_if_all_else_is_wrong() {
        assert_eq!(event_id(r#"{"type":7,"id":"offer-1-2"}"#).as_deref(), Some("offer-1-2"));
        let too_long = format!(r#"{{"id":"{}"}}"#, "x".repeat(129));
        for none in ["no JSON", "[1]", "{}", r#"{"id":null}"#, r#"{"id":"two words"}"#, &too_long] {
            assert_eq!(event_id(none), None, "{none}");
        }
    }
}
