use std::fmt;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// The reason of a letter without one: SQS moved the message itself, which the recorder could never settle.
pub const TOO_MANY_RECEIVES: &str = "too-many-receives";

/// A dead letter, as it was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its SQS message id in the dead-letter queue.
    pub id: String,
    /// The message group it came in: the buyer, unless that is what is wrong with it.
    pub buyer: String,
    /// Why it was set aside.
    pub reason: String,
    /// What is wrong and what to do, where the recorder set it aside.
    pub detail: Option<String>,
    /// The ids it came with, where the recorder set it aside: a JSON object.
    pub source: Option<String>,
    /// When it was sent: to this queue by the recorder, or to the first one where SQS moved it.
    pub sent_at: Option<Timestamp>,
    /// The message, unchanged. Holds personal data.
    pub body: String,
    /// What it is deleted or released by, until it is handed out again.
    pub(super) receipt: String,
}

impl Letter {
    /// `None` for a message without id or group, as no FIFO queue has them.
    pub(super) fn of(message: Message) -> Option<Self> {
        let system =
            |name: &MessageSystemAttributeName| message.attributes().and_then(|known| known.get(name));
        let own = |name: &str| {
            let known = message.message_attributes().and_then(|known| known.get(name));
            known.and_then(|value| value.string_value()).map(str::to_owned)
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

    /// The id of the message that the recorder set aside.
    pub(super) fn source_id(&self) -> Option<String> {
        let source: Value = serde_json::from_str(self.source.as_deref()?).ok()?;
        source["messageId"].as_str().map(str::to_owned)
    }
}

/// Which letters are meant: those of which all that is asked for is true.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Any of these reasons.
    pub reasons: Vec<String>,
    /// Any of these buyers.
    pub buyers: Vec<String>,
    /// Any of these ids.
    pub ids: Vec<String>,
    /// Sent at least this long ago.
    pub older_than: Option<SignedDuration>,
    /// Sent at most this long ago.
    pub newer_than: Option<SignedDuration>,
}

impl Selection {
    /// Whether this letter is meant. One that does not say when it was sent is neither old nor new.
    #[must_use]
    pub fn takes(&self, letter: &Letter, now: Timestamp) -> bool {
        let is_among = |asked: &[String], is: &String| asked.is_empty() || asked.contains(is);
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
        let mut any = |what: &str, asked: &[String]| {
            if !asked.is_empty() {
                words.push(format!("{what} {}", asked.join(" or ")));
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
