//! The messages of one invocation, grouped by buyer and in order. What is returned to the queue is always the end of a
//! group. The types make it impossible to return one message of a buyer and acknowledge a later one, or to return a
//! message that is not in the batch.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use contract::trace::TraceParent;
use domain::EventId;
use serde_json::Value;

/// A message from the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The SQS message id, never empty.
    pub id: String,
    /// The body, which may be any text.
    pub body: String,
    /// The deduplication id with which it was sent.
    pub deduplication_id: Option<String>,
    /// When it was sent, in milliseconds since 1970.
    pub sent_at: Option<String>,
    /// The sender's place in a trace, if AWS passed one on.
    pub trace: Option<TraceParent>,
    /// The number of times it was received, including this one.
    pub receives: u32,
}

/// The messages of one message group, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The group's id, which should be the buyer's id.
    pub id: String,
    /// The messages, at least one.
    pub messages: Vec<Message>,
}

/// The messages of one invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FifoBatch {
    groups: Vec<Group>,
}

/// A record lacks a field that records of FIFO queues always have, so the function is mapped to a wrong queue. The
/// whole batch is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record has no {0}: the function must be mapped to an SQS FIFO queue")]
pub struct NotFromAFifoQueue(&'static str);

impl FifoBatch {
    /// Groups the records of a batch by message group.
    ///
    /// # Errors
    /// [`NotFromAFifoQueue`] if a record has no message group or no message id.
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

    /// The answer to Lambda. `settled` has the number of settled messages at the beginning of each group; all messages
    /// after them are returned, in order.
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
    /// The sender's `id` of the event, even if the rest of the event is invalid; `None` if the body has no valid `id`.
    /// This parses the body again; it is meant for log lines about messages that were not recorded.
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
            // SQS sets it from a sender that X-Ray traces (X-Ray Developer Guide, "Amazon SQS and AWS X-Ray").
            trace: record.attributes.get("AWSTraceHeader").and_then(|header| TraceParent::from_aws(header)),
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
            trace: None,
            receives: 1,
        };
        message.event_id()
    }

    #[test]
    fn the_event_id_is_found_even_in_an_invalid_event() {
        assert_eq!(event_id(r#"{"type":7,"id":"offer-1-2"}"#).as_deref(), Some("offer-1-2"));
        let too_long = format!(r#"{{"id":"{}"}}"#, "x".repeat(129));
        for body in ["not JSON", "[1]", "{}", r#"{"id":null}"#, r#"{"id":"two words"}"#, &too_long] {
            assert_eq!(event_id(body), None, "{body}");
        }
    }
}
