//! The dead-letter queue and its letters.

use std::collections::BTreeMap;
use std::fmt;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName,
    QueueAttributeName,
};
use contract::dead_letter::Reason;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::Failure;

/// The maximum number of messages in one response of SQS. While messages of a group are in flight, SQS hands out no
/// others of that group.
pub(super) const HANDED_OUT: usize = 10;

/// The visibility time-out in seconds: after this time the letters reappear if the command dies.
const VISIBILITY: i32 = 60;

/// The time in seconds for which a receive waits for letters. Long polling asks every server of SQS, so an empty
/// response means an empty queue.
const WAIT: i32 = 2;

/// The same for a glance, which must be quick.
const GLANCE: i32 = 1;

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
        self.receive_within(WAIT).await
    }

    /// The reasons of the first letters with their numbers, from at most `receives` receives; it stops once it has seen
    /// `waiting` letters. Also returns the number of requests. The letters are released at once.
    pub(crate) async fn glance(
        &self,
        receives: u64,
        waiting: u64,
    ) -> (Result<BTreeMap<String, u64>, Failure>, u64) {
        let (letters, requests) = self.first(receives, waiting).await;
        let reasons = letters.map(|letters| {
            let mut reasons = BTreeMap::new();
            for letter in letters {
                *reasons.entry(letter.reason).or_default() += 1;
            }
            reasons
        });
        (reasons, requests)
    }

    /// Like [`glance`](Self::glance), with the letters themselves.
    pub(crate) async fn first(&self, receives: u64, waiting: u64) -> (Result<Vec<Letter>, Failure>, u64) {
        let (mut seen, mut requests, mut failed) = (Vec::new(), 0, None);
        while requests < receives && (seen.len() as u64) < waiting {
            requests += 1;
            match self.receive_within(GLANCE).await {
                Ok(letters) if letters.is_empty() => break,
                Ok(letters) => seen.extend(letters),
                Err(failure) => {
                    failed = Some(failure);
                    break;
                }
            }
        }
        let receipts: Vec<String> = seen.iter().map(|letter| letter.receipt.clone()).collect();
        self.release(&receipts).await;
        requests += receipts.len().div_ceil(HANDED_OUT) as u64;
        (failed.map_or(Ok(seen), Err), requests)
    }

    async fn receive_within(&self, seconds: i32) -> Result<Vec<Letter>, Failure> {
        let answer = self
            .sqs
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(HANDED_OUT).unwrap_or(i32::MAX))
            .visibility_timeout(VISIBILITY)
            .wait_time_seconds(seconds)
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

/// A dead letter, as received from SQS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its SQS message id in the dead-letter queue.
    pub id: String,
    /// Its message group. This is the buyer, unless the message was set aside because of its group.
    pub buyer: String,
    /// Why it was set aside.
    pub reason: String,
    /// What is wrong and what to do, if the recorder set it aside.
    pub detail: Option<String>,
    /// The ids of the original message as a JSON object, if the recorder set it aside.
    pub source: Option<String>,
    /// When it was sent: to this queue by the recorder or, if SQS moved it, to the queue of offer events.
    pub sent_at: Option<Timestamp>,
    /// The message, unchanged. It contains personal data.
    pub body: String,
    /// The receipt handle, with which it is deleted or released. It is valid until the letter is received again.
    pub(super) receipt: String,
}

impl Letter {
    /// Converts a message. `None` if it has no id, group or receipt handle, which never happens in a FIFO queue.
    pub(super) fn of(message: Message) -> Option<Self> {
        let system =
            |name: &MessageSystemAttributeName| message.attributes().and_then(|known| known.get(name));
        let own = |name: &str| {
            let known = message.message_attributes().and_then(|known| known.get(name));
            known.and_then(MessageAttributeValue::string_value).map(str::to_owned)
        };
        let sent_at = system(&MessageSystemAttributeName::SentTimestamp);
        Some(Self {
            buyer: system(&MessageSystemAttributeName::MessageGroupId)?.clone(),
            reason: own("reason").unwrap_or_else(|| Reason::TooManyReceives.name().to_owned()),
            detail: own("detail"),
            source: own("source"),
            sent_at: sent_at.and_then(|sent| Timestamp::from_millisecond(sent.parse().ok()?).ok()),
            id: message.message_id?,
            body: message.body.unwrap_or_default(),
            receipt: message.receipt_handle?,
        })
    }

    /// The id of the original message, if the recorder set this letter aside.
    pub(super) fn source_id(&self) -> Option<String> {
        let source: Value = serde_json::from_str(self.source.as_deref()?).ok()?;
        source["messageId"].as_str().map(str::to_owned)
    }
}

/// A selection of letters. A letter is selected if it meets every condition that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Its reason is one of these; an empty list selects any reason.
    pub reasons: Vec<String>,
    /// Its buyer is one of these; an empty list selects any buyer.
    pub buyers: Vec<String>,
    /// Its id is one of these; an empty list selects any id.
    pub ids: Vec<String>,
    /// It was sent at least this long ago.
    pub older_than: Option<SignedDuration>,
    /// It was sent at most this long ago.
    pub newer_than: Option<SignedDuration>,
}

impl Selection {
    /// Whether this letter is selected. A letter without a sending time meets neither condition on age.
    #[must_use]
    pub fn takes(&self, letter: &Letter, now: Timestamp) -> bool {
        let is_among = |wanted: &[String], value: &String| wanted.is_empty() || wanted.contains(value);
        let age = letter.sent_at.map(|sent| now.duration_since(sent));
        is_among(&self.reasons, &letter.reason)
            && is_among(&self.buyers, &letter.buyer)
            && is_among(&self.ids, &letter.id)
            && self.older_than.is_none_or(|than| age.is_some_and(|age| age >= than))
            && self.newer_than.is_none_or(|than| age.is_some_and(|age| age <= than))
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        let mut any = |what: &str, wanted: &[String]| {
            if !wanted.is_empty() {
                words.push(format!("{what} {}", wanted.join(" or ")));
            }
        };
        any("with the reason", &self.reasons);
        any("of", &self.buyers);
        any("with the id", &self.ids);
        words.extend(self.older_than.map(|age| format!("older than {age:#}")));
        words.extend(self.newer_than.map(|age| format!("newer than {age:#}")));
        if words.is_empty() {
            f.write_str("all dead letters")
        } else {
            write!(f, "dead letters {}", words.join(", "))
        }
    }
}
