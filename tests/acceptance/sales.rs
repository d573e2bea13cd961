//! The sales team's messages of the run's own buyers.
//!
//! A receive hides up to ten messages of a buyer, and with them the buyer, from the real consumer. Therefore the queue is
//! read only if it was empty and no consumer was active when the run began. Then every message of another buyer is
//! returned at once, which keeps its order, because SQS hands out a group's messages in order again.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, MessageSystemAttributeName};
use serde_json::Value;
use tests::Failed;

use crate::run::Run;

/// Receives without an own message after which the queue counts as read.
const EMPTY_RECEIVES: u32 = 3;

/// The pause after messages of other buyers, which are returned and can be received again at once.
const PAUSE: Duration = Duration::from_secs(1);

/// The messages so far, by buyer.
#[derive(Default)]
pub(crate) struct Sales {
    bodies: RefCell<BTreeMap<String, Vec<Value>>>,
    ids: RefCell<BTreeSet<String>>,
    is_last: Cell<bool>,
}

impl Sales {
    /// The messages about a buyer, in order.
    pub(crate) fn of(&self, buyer: &str) -> Vec<Value> {
        self.bodies.borrow().get(buyer).cloned().unwrap_or_default()
    }

    /// No more messages will be sent: [`Sales::collect`] ends once the queue is read.
    pub(crate) fn end(&self) {
        self.is_last.set(true);
    }

    /// Takes the messages of the run's own buyers until [`Sales::end`].
    pub(crate) async fn collect(&self, run: &Run<'_>) -> Result<(), Failed> {
        self.is_last.set(false);
        let url = run.target.id("SalesTeam");
        let mut empty = 0;
        while !run.has_traffic && empty < EMPTY_RECEIVES {
            let answer = run
                .sqs
                .receive_message()
                .queue_url(url)
                .max_number_of_messages(10)
                .wait_time_seconds(1)
                .visibility_timeout(30)
                .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
                .send()
                .await?;
            let messages = answer.messages.unwrap_or_default();
            let (mut foreign, mut has_own) = (Vec::new(), false);
            for message in messages {
                let attributes = message.attributes.as_ref();
                let group = attributes.and_then(|all| all.get(&MessageSystemAttributeName::MessageGroupId));
                let group = group.map(String::as_str).unwrap_or_default();
                let receipt = message.receipt_handle().unwrap_or_default();
                if !group.starts_with(&run.prefix) {
                    foreign.push(receipt.to_owned());
                    continue;
                }
                has_own = true;
                // A message that is received again, because its deletion was lost, counts once.
                if self.ids.borrow_mut().insert(message.message_id().unwrap_or_default().to_owned()) {
                    let body = serde_json::from_str(message.body().unwrap_or_default())?;
                    self.bodies.borrow_mut().entry(group.to_owned()).or_default().push(body);
                }
                run.sqs.delete_message().queue_url(url).receipt_handle(receipt).send().await?;
            }
            empty = if has_own || !self.is_last.get() { 0 } else { empty + 1 };
            if !foreign.is_empty() {
                give_back(run, url, foreign).await?;
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }
}

async fn give_back(run: &Run<'_>, url: &str, receipts: Vec<String>) -> Result<(), Failed> {
    let entry = |(number, receipt): (usize, String)| {
        ChangeMessageVisibilityBatchRequestEntry::builder()
            .id(number.to_string())
            .receipt_handle(receipt)
            .visibility_timeout(0)
            .build()
    };
    let entries: Result<Vec<_>, _> = receipts.into_iter().enumerate().map(entry).collect();
    run.sqs.change_message_visibility_batch().queue_url(url).set_entries(Some(entries?)).send().await?;
    Ok(())
}
