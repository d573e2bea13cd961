//! What SES tells of e-mails: events of the configuration set, as SNS delivers them raw into our queue.
//!
//! Source: Amazon SES Developer Guide, "Contents of event data that Amazon SES publishes to Amazon SNS".

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::BuyerId;
use jiff::Timestamp;
use serde_json::Value;

use crate::json;

/// What SES tells of one attempt to send one e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Whose e-mail.
    pub buyer: BuyerId,
    /// The effect's key.
    pub effect: String,
    /// The attempt that it belongs to, and no other.
    pub nonce: String,
    /// What became of the mail.
    pub kind: Kind,
    /// SES's message id.
    pub message_id: String,
}

/// What became of an e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SES took it and will try to deliver it.
    Sent,
    /// The recipient's mail server took it.
    Delivered,
    /// The recipient's mail server refused it, or SES gave up trying.
    Bounced {
        /// When.
        at: Timestamp,
        /// Whether no later mail to this address would fare better.
        is_permanent: bool,
    },
    /// The recipient called it spam, or complained of it in another way, known or not.
    Complained {
        /// When.
        at: Timestamp,
    },
    /// The recipient took it out of the spam folder. SES reports it as a complaint of the type `not-spam`; it is the
    /// opposite of one.
    NotSpam,
    /// SES took it, found a virus in it, and threw it away.
    Rejected,
    /// SES took it and could not put it together.
    NotRendered,
    /// It is on its way and late.
    Delayed,
}

impl Kind {
    /// The word for it in metrics, logs and the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "send",
            Self::Delivered => "delivery",
            Self::Bounced { is_permanent: true, .. } => "permanent-bounce",
            Self::Bounced { is_permanent: false, .. } => "passing-bounce",
            Self::Complained { .. } => "complaint",
            Self::NotSpam => "not-spam",
            Self::Rejected => "reject",
            Self::NotRendered => "rendering-failure",
            Self::Delayed => "delivery-delay",
        }
    }
}

/// A message of the queue, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It tells of an attempt of ours.
    Receipt(Receipt),
    /// It tells of a mail without our tags: somebody tried out the configuration set.
    NotOurs,
    /// An event type that says nothing about an attempt: opened, clicked, or of a later year.
    OtherType,
    /// What SES says once when it is shown the topic.
    Greeting,
}

/// Why a message cannot be read. Names places, never values: those are personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Not JSON, or nested too deeply.
    NotJson,
    /// A field is missing, or not what SES writes.
    Field(&'static str),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson => f.write_str("not JSON"),
            Self::Field(path) => write!(f, "{path}: missing, or not as SES writes it"),
        }
    }
}

/// How the greeting begins. Source: Amazon SES Developer Guide, "Set up an Amazon SNS event destination".
const GREETING: &str = "Successfully validated SNS topic";

/// Reads one message. What SES may add in later years is passed over.
///
/// # Errors
/// [`Unreadable`]; the same body is unreadable for ever.
pub fn decode(body: &str) -> Result<Notice, Unreadable> {
    if body.starts_with(GREETING) {
        return Ok(Notice::Greeting);
    }
    let json = read(body)?;
    let Some(kind) = kind(&json)? else { return Ok(Notice::OtherType) };
    let mail = json.get("mail").filter(|mail| mail.is_object()).ok_or(Unreadable::Field("mail"))?;
    let tags = ["buyer", "effect", "nonce"].map(|name| &mail["tags"][name]);
    if tags.iter().any(|tag| tag.is_null()) {
        return Ok(Notice::NotOurs);
    }
    let [buyer, effect, nonce] = tags.map(tag);
    let buyer = buyer.and_then(|buyer| BuyerId::parse(&buyer).ok());
    let message_id = text(&mail["messageId"]).filter(|id| !id.is_empty() && id.len() <= LONGEST);
    Ok(Notice::Receipt(Receipt {
        buyer: buyer.ok_or(Unreadable::Field("mail.tags.buyer"))?,
        effect: effect.ok_or(Unreadable::Field("mail.tags.effect"))?,
        nonce: nonce.ok_or(Unreadable::Field("mail.tags.nonce"))?,
        kind,
        message_id: message_id.ok_or(Unreadable::Field("mail.messageId"))?.to_owned(),
    }))
}

/// `None` for an event type that says nothing about an attempt.
fn kind(json: &Value) -> Result<Option<Kind>, Unreadable> {
    let name = text(&json["eventType"]).ok_or(Unreadable::Field("eventType"))?;
    let time = |value: &Value| text(value).and_then(|time| time.parse::<Timestamp>().ok());
    Ok(Some(match name {
        "Send" => Kind::Sent,
        "Delivery" => Kind::Delivered,
        "Bounce" => Kind::Bounced {
            at: time(&json["bounce"]["timestamp"]).ok_or(Unreadable::Field("bounce.timestamp"))?,
            is_permanent: text(&json["bounce"]["bounceType"])
                .ok_or(Unreadable::Field("bounce.bounceType"))?
                == "Permanent",
        },
        // Source: Amazon SES Developer Guide, "Contents of event data that Amazon SES publishes to Amazon SNS", Complaint
        // object; the types are those of the IANA registry of feedback report types. Mail clients compare them without
        // regard to case (RFC 5965, section 3.1).
        "Complaint"
            if text(&json["complaint"]["complaintFeedbackType"])
                .is_some_and(|kind| kind.eq_ignore_ascii_case("not-spam")) =>
        {
            Kind::NotSpam
        }
        "Complaint" => Kind::Complained {
            at: time(&json["complaint"]["timestamp"]).ok_or(Unreadable::Field("complaint.timestamp"))?,
        },
        "Reject" => Kind::Rejected,
        "Rendering Failure" => Kind::NotRendered,
        "DeliveryDelay" => Kind::Delayed,
        _ => return Ok(None),
    }))
}

/// The document, of which only the two objects that are read are interpreted: whatever else SES copies from a mail harms
/// nothing.
fn read(body: &str) -> Result<Value, Unreadable> {
    let body = json::paired(body);
    let fields = json::object(&body).map_err(|_| Unreadable::NotJson)?;
    let is_read = |name: &str| matches!(name, "eventType" | "mail" | "bounce" | "complaint");
    let fields = fields.into_iter().filter(|(name, _)| is_read(name));
    Ok(fields.map(|(name, raw)| (name, json::value(raw))).collect())
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

/// A text as the value of a message tag, which takes only ASCII letters, digits, `_` and `-`; [`decode`] undoes it.
#[must_use]
pub fn tag_value(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

/// The longest tag and message id that are looked at; SES takes tags of 256 characters.
const LONGEST: usize = 512;

/// The value of a tag as it was before it was encoded: SES gives each tag as a list of one.
fn tag(value: &Value) -> Option<String> {
    let [value] = value.as_array()?.as_slice() else { return None };
    let encoded = text(value).filter(|encoded| !encoded.is_empty() && encoded.len() <= LONGEST)?;
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}
