use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName,
};

use super::letter::Letter;
use crate::Failure;

/// The maximum number of messages in one response of SQS. While messages of a group are in flight, SQS hands out no
/// others of that group.
pub(super) const HANDED_OUT: usize = 10;

/// The visibility time-out in seconds: after this time the letters reappear if the command dies.
const VISIBILITY: i32 = 60;

/// The time in seconds for which a receive waits for letters. Long polling asks every server of SQS, so an empty
/// response means an empty queue.
const WAIT: i32 = 2;

/// The dead-letter queue of the offer events, and the queue that the letters came from.
#[derive(Debug, Clone)]
pub struct DeadLetterQueue {
    sqs: Client,
    url: String,
    offer_events: Option<String>,
}

impl DeadLetterQueue {
    /// The queue at `url`; letters are redriven to `offer_events`.
    #[must_use]
    pub const fn new(sqs: Client, url: String, offer_events: Option<String>) -> Self {
        Self { sqs, url, offer_events }
    }

    /// The approximate number of letters, including those in flight.
    ///
    /// # Errors
    /// [`Failure::DeadLetters`].
    pub async fn about_how_many(&self) -> Result<u64, Failure> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let answer = self
            .sqs
            .get_queue_attributes()
            .queue_url(&self.url)
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await
            .map_err(|error| Failure::DeadLetters {
                operation: "GetQueueAttributes",
                source: Box::new(error),
            })?;
        let number = |name| answer.attributes()?.get(&name)?.parse::<u64>().ok();
        Ok(names.into_iter().filter_map(number).sum())
    }

    pub(super) async fn receive(&self) -> Result<Vec<Letter>, Failure> {
        let answer = self
            .sqs
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(HANDED_OUT).unwrap_or(i32::MAX))
            .visibility_timeout(VISIBILITY)
            .wait_time_seconds(WAIT)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names("All")
            .send()
            .await
            .map_err(|error| Failure::DeadLetters { operation: "ReceiveMessage", source: Box::new(error) })?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(Letter::of).collect())
    }

    /// Makes letters visible again immediately, in their original order. Failures are ignored, because the letters
    /// reappear anyway after [`VISIBILITY`].
    pub(super) async fn release(&self, receipts: &[String]) {
        for receipts in receipts.chunks(HANDED_OUT) {
            let mut request = self.sqs.change_message_visibility_batch().queue_url(&self.url);
            for (place, receipt) in receipts.iter().enumerate() {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(place.to_string())
                    .receipt_handle(receipt)
                    .visibility_timeout(0)
                    .build();
                if let Ok(entry) = entry {
                    request = request.entries(entry);
                }
            }
            drop(request.send().await);
        }
    }

    pub(super) async fn delete(&self, letter: &Letter) -> Result<(), Failure> {
        self.sqs
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(&letter.receipt)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| Failure::NotDeleted { id: letter.id.clone(), source: Box::new(error) })
    }

    /// Sends a letter to the queue of offer events, and deletes it once that queue has it. Returns the new message id.
    ///
    /// The deduplication id is derived from the letter's id. It differs from the original one, because SQS drops
    /// deduplication ids seen within the last five minutes. It stays the same if the letter is redriven again because
    /// the command died before the deletion.
    pub(super) async fn redrive(&self, letter: &Letter) -> Result<String, Failure> {
        let not_redriven = |source| Failure::NotRedriven { id: letter.id.clone(), source };
        let answer = self
            .sqs
            .send_message()
            .set_queue_url(self.offer_events.clone())
            .message_group_id(&letter.buyer)
            .message_deduplication_id(format!("redrive-{}", letter.id))
            .message_body(&letter.body)
            .send()
            .await
            .map_err(|error| not_redriven(Box::new(error)))?;
        self.delete(letter).await?;
        Ok(answer.message_id.unwrap_or_default())
    }
}
