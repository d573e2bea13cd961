//! Messages set aside with their reason. We send them ourselves and acknowledge: reporting them as failures would count
//! receives of their neighbours too.

use std::cell::{LazyCell, RefCell};
use std::error::Error;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use contract::incoming::Refusal;
use serde_json::json;

use crate::batch::{Group, Message};

/// The largest message that SQS takes, in bytes: the body, and name, type and value of each attribute.
///
/// Source: Amazon SQS Developer Guide, "Message quotas" and "Amazon SQS message metadata".
const LARGEST_MESSAGE: usize = 1024 * 1024;

/// The longest `detail`, in bytes.
const LONGEST_DETAIL: usize = 2048;

/// Why a message can never be recorded. The same message is always refused for the same reason, by the same version of the
/// recorder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It is no event of the contract.
    Refused(Refusal),
    /// Its message group is not its buyer: its order is not known.
    WrongGroup,
    /// Its offer version is recorded with other content.
    Contradiction,
    /// Its offer version was declared void.
    Voided,
    /// Too many early events of this buyer wait already.
    TooManyHeld,
    /// The recorder panics over it, again and again.
    BreaksTheRecorder,
}

impl Reason {
    /// The word for it: an attribute of the dead letter, a dimension of the metric.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.reason(),
            Self::WrongGroup => "wrong-group",
            Self::Contradiction => "contradiction",
            Self::Voided => "voided",
            Self::TooManyHeld => "too-many-held",
            Self::BreaksTheRecorder => "breaks-the-recorder",
        }
    }

    /// What is wrong and what to do. Names places and ids, nothing personal.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.to_string(),
            Self::WrongGroup => "MessageGroupId must be data.buyerId".to_owned(),
            Self::Contradiction => {
                "this version of the offer is recorded with another type or other data: send the change as the next version"
                    .to_owned()
            }
            Self::Voided => {
                "this version of the offer was declared void after it had not come: send the change as the next version"
                    .to_owned()
            }
            Self::BreaksTheRecorder => {
                "the recorder panicked over it each time: mend the recorder, its log has the place, then redrive"
                    .to_owned()
            }
            Self::TooManyHeld => {
                format!(
                    "{} events of this buyer wait for earlier ones: send what is missing, then redrive",
                    domain::HELD_LIMIT
                )
            }
        }
    }
}

/// A message that is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The group it came in.
    pub group: String,
    /// The SQS message id it came under; its deduplication id now.
    pub message_id: String,
    /// Unchanged.
    pub body: String,
    /// Why.
    pub reason: &'static str,
    /// What is wrong, shortened to what fits; empty if nothing does.
    pub detail: String,
    /// The ids it came with, as one JSON value; empty if it does not fit.
    pub source: String,
}

impl DeadLetter {
    /// Sets a message aside. The body stays whole, and what says why gives way to it: the detail is shortened first, then the
    /// source is left out. A body within 21 bytes of what SQS takes, which can only be `too-large`, goes without its reason.
    #[must_use]
    pub fn of(group: &Group, message: &Message, reason: &Reason) -> Self {
        let source = json!({
            "messageId": message.id,
            "groupId": group.id,
            "deduplicationId": message.deduplication_id,
            "sentAt": message.sent_at,
        })
        .to_string();
        let mut letter = Self {
            group: group.id.clone(),
            message_id: message.id.clone(),
            body: message.body.clone(),
            reason: reason.name(),
            detail: reason.detail(),
            source,
        };
        let mut room = LARGEST_MESSAGE.saturating_sub(letter.body.len() + size("reason", letter.reason));
        if size("source", &letter.source) > room {
            letter.source.clear();
        } else {
            room -= size("source", &letter.source);
        }
        let room = room.saturating_sub(size("detail", "")).min(LONGEST_DETAIL);
        letter.detail.truncate(letter.detail.floor_char_boundary(room));
        letter
    }

    /// The attributes that it is sent with: none of them may be empty.
    pub fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let has_room = self.body.len() + size("reason", self.reason) <= LARGEST_MESSAGE;
        let reason = if has_room { self.reason } else { "" };
        [("reason", reason), ("detail", self.detail.as_str()), ("source", self.source.as_str())]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
    }
}

/// What an attribute adds to a message, as SQS counts.
const fn size(name: &str, value: &str) -> usize {
    name.len() + "String".len() + value.len()
}

/// The dead-letter queue did not answer; the message comes back.
#[derive(Debug, thiserror::Error)]
#[error("the dead-letter queue did not take message {message_id}")]
pub struct DeadLettersUnavailable {
    /// Which message.
    pub message_id: String,
    /// Why.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// Where messages are set aside.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait DeadLetters {
    /// Sets one aside; within five minutes the same one is kept once.
    ///
    /// # Errors
    /// [`DeadLettersUnavailable`].
    async fn put(&self, letter: &DeadLetter) -> Result<(), DeadLettersUnavailable>;
}

/// The dead-letter queue.
#[derive(Debug)]
pub struct SqsDeadLetters {
    client: LazyCell<Client, Box<dyn FnOnce() -> Client>>,
    queue_url: String,
}

impl SqsDeadLetters {
    /// The queue of this URL. The client is made with the first dead letter: to make one costs a start as much as to ask
    /// for a page of a stream, and most recorders never need it.
    #[must_use]
    pub fn new(client: impl FnOnce() -> Client + 'static, queue_url: String) -> Self {
        Self { client: LazyCell::new(Box::new(client)), queue_url }
    }
}

impl DeadLetters for SqsDeadLetters {
    async fn put(&self, letter: &DeadLetter) -> Result<(), DeadLettersUnavailable> {
        let unavailable = |source| DeadLettersUnavailable { message_id: letter.message_id.clone(), source };
        let mut message = self
            .client
            .send_message()
            .queue_url(&self.queue_url)
            .message_group_id(&letter.group)
            .message_deduplication_id(&letter.message_id)
            .message_body(&letter.body);
        for (name, value) in letter.attributes() {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            message = message.message_attributes(name, value.map_err(|error| unavailable(Box::new(error)))?);
        }
        message.send().await.map(|_| ()).map_err(|error| unavailable(Box::new(error)))
    }
}

/// Dead letters in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryDeadLetters {
    letters: RefCell<Vec<DeadLetter>>,
}

impl MemoryDeadLetters {
    /// Everything set aside, in order; a repeat within the window is kept once, as by SQS.
    #[must_use]
    pub fn letters(&self) -> Vec<DeadLetter> {
        self.letters.borrow().clone()
    }
}

impl DeadLetters for MemoryDeadLetters {
    async fn put(&self, letter: &DeadLetter) -> Result<(), DeadLettersUnavailable> {
        let mut letters = self.letters.borrow_mut();
        if !letters.iter().any(|known| known.message_id == letter.message_id) {
            letters.push(letter.clone());
        }
        Ok(())
    }
}
