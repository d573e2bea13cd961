//! Receipts: SES's delivery events of the configuration set, as SNS delivers them raw into our queue.
//!
//! Source: Amazon SES Developer Guide, "Contents of event data that Amazon SES publishes to Amazon SNS".

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::BuyerId;
use jiff::Timestamp;
use serde_json::Value;

use crate::json;

/// An SES delivery event about one attempt to send one e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The buyer to whom the e-mail was addressed.
    pub buyer: BuyerId,
    /// The effect key of the e-mail.
    pub effect: String,
    /// The nonce of the attempt. The receipt concerns this attempt only.
    pub nonce: String,
    /// What happened to the e-mail.
    pub kind: Kind,
    /// SES's message id.
    pub message_id: String,
}

/// What happened to an e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SES accepted the e-mail and will try to deliver it.
    Sent,
    /// The recipient's mail server accepted the e-mail.
    Delivered,
    /// The recipient's mail server refused the e-mail, or SES stopped trying to deliver it.
    Bounced {
        /// When it bounced.
        at: Timestamp,
        /// Whether any later e-mail to this address would bounce too.
        is_permanent: bool,
    },
    /// The recipient marked the e-mail as spam or complained in another way; unknown types of complaints count too.
    Complained {
        /// When the recipient complained.
        at: Timestamp,
    },
    /// The recipient moved the e-mail out of the spam folder. SES reports this as a complaint of the type `not-spam`,
    /// although it is the opposite of a complaint.
    NotSpam,
    /// SES accepted the e-mail, found a virus in it and discarded it.
    Rejected,
    /// SES accepted the e-mail and could not render it.
    NotRendered,
    /// The delivery is delayed.
    Delayed,
}

impl Kind {
    /// The name of this kind in metrics, logs and the ledger.
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

/// A parsed message of the queue of SES events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A receipt of one of our attempts.
    Receipt(Receipt),
    /// An event about an e-mail without our tags, as when an operator tests the configuration set.
    NotOurs,
    /// An event type that does not concern the delivery: opened, clicked, or a type that SES added later.
    OtherType,
    /// The message that SES sends once when the topic is configured.
    Greeting,
}

/// The reason why a message cannot be read. It names places, never values, because values are personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// The message is not JSON, or is nested too deeply.
    NotJson,
    /// A field is missing or not in SES's format.
    Field(&'static str),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson => f.write_str("not JSON"),
            Self::Field(path) => write!(f, "{path}: is missing or not in SES's format"),
        }
    }
}

/// The beginning of the greeting. Source: Amazon SES Developer Guide, "Set up an Amazon SNS event destination".
const GREETING: &str = "Successfully validated SNS topic";

/// Parses one message. Fields and event types that SES adds later are ignored.
///
/// # Errors
/// [`Unreadable`]. Parsing the same body again always fails in the same way.
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

/// The kind of an event, or `None` for an event type that does not concern the delivery.
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
        // Source: Amazon SES Developer Guide, "Contents of event data that Amazon SES publishes to Amazon SNS",
        // Complaint object. The types are those of the IANA registry of feedback report types, which are compared
        // without regard to case (RFC 5965, section 3.1).
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

/// Reads the document. Only the fields that are used are interpreted, so other content that SES copies from the e-mail
/// cannot make it unreadable.
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

/// Encodes a text as the value of a message tag, which permits only ASCII letters, digits, `_` and `-`. [`decode`]
/// reverses it.
#[must_use]
pub fn tag_value(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

/// The longest accepted tag or message id in bytes. SES limits tags to 256 characters.
const LONGEST: usize = 512;

/// The decoded value of a tag. SES writes each tag as a list of one value.
fn tag(value: &Value) -> Option<String> {
    let [value] = value.as_array()?.as_slice() else { return None };
    let encoded = text(value).filter(|encoded| !encoded.is_empty() && encoded.len() <= LONGEST)?;
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}
