//! Dead letters with their reasons. The recorder sends them itself and acknowledges the messages. Returning the
//! messages instead would also count receives of their batch neighbours.

use std::cell::{Cell, LazyCell, RefCell};
use std::collections::VecDeque;
use std::error::Error;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use contract::dead_letter::Reason;
use contract::incoming::Refusal;
use serde_json::json;

use crate::batch::{Group, Message};

/// The largest message that SQS accepts, in bytes. The size is that of the body plus name, type and value of each
/// attribute.
///
/// Source: Amazon SQS Developer Guide, "Message quotas" and "Amazon SQS message metadata".
const LARGEST_MESSAGE: usize = 1024 * 1024;

/// The greatest length of `detail`, in bytes.
const LONGEST_DETAIL: usize = 2048;

/// Why a message can never be recorded: a [`Reason`], with the details of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The message is not an event of the contract.
    Refused(Refusal),
    /// See [`Reason::WrongGroup`].
    WrongGroup,
    /// See [`Reason::Contradiction`].
    Contradiction,
    /// See [`Reason::Voided`].
    Voided,
    /// See [`Reason::TooManyHeld`].
    TooManyHeld,
    /// See [`Reason::BreaksTheRecorder`].
    BreaksTheRecorder,
}

impl Cause {
    /// The reason on the dead letter.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Refused(refusal) => refusal.reason(),
            Self::WrongGroup => Reason::WrongGroup,
            Self::Contradiction => Reason::Contradiction,
            Self::Voided => Reason::Voided,
            Self::TooManyHeld => Reason::TooManyHeld,
            Self::BreaksTheRecorder => Reason::BreaksTheRecorder,
        }
    }

    /// What is wrong and how to fix it. The text names places and ids but no personal data.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.to_string(),
            Self::WrongGroup => "MessageGroupId must be data.buyerId".to_owned(),
            Self::Contradiction => {
                "this version of the offer is recorded with a different type or data: send the change as the next version"
                    .to_owned()
            }
            Self::Voided => {
                "this version of the offer was declared void because it was missing: send the change as the next version"
                    .to_owned()
            }
            Self::BreaksTheRecorder => {
                "the recorder panicked over it repeatedly: fix the recorder (the panic is in its log), then redrive"
                    .to_owned()
            }
            Self::TooManyHeld => {
                format!(
                    "{} events of this buyer are held: send the missing earlier events, then redrive",
                    domain::HELD_LIMIT
                )
            }
        }
    }
}

/// A message set aside with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The message group, as received.
    pub group: String,
    /// The SQS message id as received, which is now the deduplication id.
    pub message_id: String,
    /// The unchanged body.
    pub body: String,
    /// Why it is set aside.
    pub reason: Reason,
    /// What is wrong, shortened to the available space; empty if there is none.
    pub detail: String,
    /// The ids with which the message was received, as a JSON object; empty if there is no space for them.
    pub source: String,
}

impl DeadLetter {
    /// Turns a message into a dead letter. The body is never shortened. If the message would become too large, the
    /// detail is shortened first, then the source is omitted. The reason is omitted only if the body is within 21 bytes
    /// of the limit; such a body can only be `too-large`.
    #[must_use]
    pub fn of(group: &Group, message: &Message, cause: &Cause) -> Self {
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
            reason: cause.reason(),
            detail: cause.detail(),
            source,
        };
        let mut room =
            LARGEST_MESSAGE.saturating_sub(letter.body.len() + size("reason", letter.reason.name()));
        if size("source", &letter.source) > room {
            letter.source.clear();
        } else {
            room -= size("source", &letter.source);
        }
        let room = room.saturating_sub(size("detail", "")).min(LONGEST_DETAIL);
        letter.detail.truncate(letter.detail.floor_char_boundary(room));
        letter
    }

    /// The attributes with which it is sent. Empty ones are left out, because SQS refuses them.
    pub fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let has_room = self.body.len() + size("reason", self.reason.name()) <= LARGEST_MESSAGE;
        let reason = if has_room { self.reason.name() } else { "" };
        [("reason", reason), ("detail", self.detail.as_str()), ("source", self.source.as_str())]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
    }
}

/// The number of bytes that an attribute adds to a message, as SQS counts them.
const fn size(name: &str, value: &str) -> usize {
    name.len() + "String".len() + value.len()
}

/// The dead-letter queue did not accept a message; the message is returned to its queue.
#[derive(Debug, thiserror::Error)]
#[error("the dead-letter queue did not accept message {message_id}")]
pub struct DeadLettersUnavailable {
    /// The SQS id of the message.
    pub message_id: String,
    /// What went wrong.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// A queue of dead letters.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait DeadLetters {
    /// Sends a dead letter. If it is sent again within five minutes, SQS drops the repeat.
    ///
    /// # Errors
    /// [`DeadLettersUnavailable`] if the queue did not accept it.
    async fn put(&self, letter: &DeadLetter) -> Result<(), DeadLettersUnavailable>;
}

impl<D: DeadLetters> DeadLetters for &D {
    async fn put(&self, letter: &DeadLetter) -> Result<(), DeadLettersUnavailable> {
        (**self).put(letter).await
    }
}

/// The dead-letter queue in SQS.
#[derive(Debug)]
pub struct SqsDeadLetters {
    client: LazyCell<Client, Box<dyn FnOnce() -> Client>>,
    queue_url: String,
}

impl SqsDeadLetters {
    /// The queue at this URL. The client is built for the first dead letter only, because building it takes as long as
    /// reading a page of a stream, and most recorders never need it.
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
    to_refuse: RefCell<VecDeque<bool>>,
    refused: Cell<usize>,
}

impl MemoryDeadLetters {
    /// Sets for each of the next letters whether it is refused; later letters are accepted.
    pub fn refuse(&self, refused: impl IntoIterator<Item = bool>) {
        *self.to_refuse.borrow_mut() = refused.into_iter().collect();
    }

    /// The number of letters that were refused.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.refused.get()
    }

    /// All dead letters in order. Repetitions are kept only once, as SQS does within its deduplication interval.
    #[must_use]
    pub fn letters(&self) -> Vec<DeadLetter> {
        self.letters.borrow().clone()
    }
}

impl DeadLetters for MemoryDeadLetters {
    async fn put(&self, letter: &DeadLetter) -> Result<(), DeadLettersUnavailable> {
        if self.to_refuse.borrow_mut().pop_front().unwrap_or_default() {
            self.refused.set(self.refused.get() + 1);
            let source = "the test's queue takes nothing now".into();
            return Err(DeadLettersUnavailable { message_id: letter.message_id.clone(), source });
        }
        let mut letters = self.letters.borrow_mut();
        if !letters.iter().any(|known| known.message_id == letter.message_id) {
            letters.push(letter.clone());
        }
        Ok(())
    }
}
