//! The queue of offer events. It is first in, first out for each buyer; messages that are not acknowledged keep their
//! place.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::history::Post;

#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// The remaining messages in order: id, message and receive count.
    waiting: Vec<(String, Post, u32)>,
}

impl Queue {
    pub(crate) fn of(posts: Vec<Post>) -> Self {
        let numbered = posts.into_iter().enumerate();
        Self { waiting: numbered.map(|(number, post)| (format!("m{number}"), post, 0)).collect() }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// At most `most` messages from the front, as Lambda's batch, and their ids.
    pub(crate) fn receive(&mut self, most: usize) -> (Value, BTreeSet<String>) {
        let mut ids = BTreeSet::new();
        let mut records = Vec::new();
        for (id, post, receives) in self.waiting.iter_mut().take(most) {
            *receives += 1;
            ids.insert(id.clone());
            records.push(json!({
                "messageId": id,
                "receiptHandle": id,
                "body": post.body,
                "attributes": {
                    "ApproximateReceiveCount": receives.to_string(),
                    "MessageGroupId": post.buyer.as_str(),
                    "MessageDeduplicationId": id,
                    "SentTimestamp": "1763978400000",
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:OfferEvents.fifo",
                "awsRegion": "us-east-1",
            }));
        }
        (json!({ "Records": records }), ids)
    }

    /// Applies the answer to a batch: the messages that it does not return are deleted.
    pub(crate) fn settle(&mut self, mut received: BTreeSet<String>, answer: &Value) {
        for failure in answer["batchItemFailures"].as_array().into_iter().flatten() {
            received.remove(failure["itemIdentifier"].as_str().unwrap_or_default());
        }
        self.waiting.retain(|(id, _, _)| !received.contains(id));
    }
}
