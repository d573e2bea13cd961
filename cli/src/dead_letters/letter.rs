use std::fmt;

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// The reason of a letter that carries none. Such a letter was moved by SQS, after more receives than the queue allows.
pub const TOO_MANY_RECEIVES: &str = "too-many-receives";

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
            reason: own("reason").unwrap_or_else(|| TOO_MANY_RECEIVES.to_owned()),
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
