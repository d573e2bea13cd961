//! SES with the queue of its events, the sales team's queue, and the announcements of both systems to the sales team
//! and the buyers, in order.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use effects::mail::Email;
use effects::outside::{Delivery, SalesMessage};
use serde_json::{Value, json};

use crate::chance::Chance;

/// A mail that SES took.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) buyer: String,
    pub(crate) key: String,
    pub(crate) nonce: String,
    pub(crate) to: String,
    pub(crate) fate: Fate,
}

/// The fate of a mail that SES took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    Bounced,
    BouncedForNow,
    Complained,
    /// "SES accepted the email, but determined that it contained a virus and didn't attempt to deliver it." Source:
    /// Amazon SES API v2 Reference, `EventDestination`, `REJECT`.
    ThrownAway,
}

impl Fate {
    /// The type of the SES event that reports it.
    pub(crate) const fn event(self) -> &'static str {
        match self {
            Self::Delivered => "Delivery",
            Self::Bounced | Self::BouncedForNow => "Bounce",
            Self::Complained => "Complaint",
            Self::ThrownAway => "Reject",
        }
    }

    /// Whether the address gets no more mail.
    pub(crate) const fn stops(self) -> bool {
        matches!(self, Self::Bounced | Self::Complained)
    }
}

/// SES. It takes a mail, refuses it, throttles or pauses, or gives no answer.
#[derive(Debug, Default)]
pub(crate) struct Ses {
    pub(crate) mails: Vec<Mail>,
    /// The end of a pause of sending.
    pub(crate) back_at: i64,
    /// Whether it takes only half of the mails, and answers only for half of those.
    pub(crate) is_busy: bool,
    /// The number of mails that it takes per second; unlimited if `None`.
    pub(crate) rate: Option<usize>,
    /// The second in which it took the last mail, and the number of mails in that second.
    taken_in: (i64, usize),
    /// The number of mails refused because of the rate.
    pub(crate) throttled: usize,
    /// The time at which it took the last mail.
    pub(crate) last_at: i64,
}

impl Ses {
    /// Handles one request. `SendEmail` has no idempotency token, so each request that is taken is a mail.
    ///
    /// Source: Amazon SES API v2 Reference, `SendEmail`, "Request Body".
    pub(crate) fn send(&mut self, now: i64, email: &Email, mut noise: Option<&mut Chance>) -> Delivery {
        if email.to.starts_with("refused") {
            return Delivery::Refused { reason: "MessageRejected".to_owned() };
        }
        if now < self.back_at {
            return Delivery::Paused { reason: "SendingPausedException".to_owned() };
        }
        if self.is_over_its_rate(now) {
            self.throttled += 1;
            return Delivery::NotSent { reason: "TooManyRequestsException".to_owned() };
        }
        let mut luck = noise.as_deref_mut().map_or(0, |chance| chance.below(20));
        if self.is_busy && luck < 16 {
            luck = [0, 16, 18, 18][luck % 4];
        }
        if luck >= 18 {
            return Delivery::NotSent { reason: "TooManyRequestsException".to_owned() };
        }
        if luck != 17 {
            let tag = |name| email.tags.iter().find(|(tag, _)| *tag == name).map(|(_, value)| value.clone());
            let fate = noise.map_or(Fate::Delivered, |chance| {
                chance.pick(&[
                    Fate::Delivered,
                    Fate::Delivered,
                    Fate::Delivered,
                    Fate::Delivered,
                    Fate::BouncedForNow,
                    Fate::Complained,
                    Fate::ThrownAway,
                ])
            });
            self.last_at = now;
            self.mails.push(Mail {
                buyer: tag("buyer").unwrap_or_default(),
                key: tag("effect").unwrap_or_default(),
                nonce: tag("nonce").unwrap_or_default(),
                to: email.to.clone(),
                fate: if email.to.starts_with("bounces") { Fate::Bounced } else { fate },
            });
        }
        if luck >= 16 {
            return Delivery::Unknown { reason: "timed out".to_owned() };
        }
        Delivery::Accepted { message_id: format!("ses-{}", self.mails.len()) }
    }
}

impl Ses {
    /// "The maximum number of emails that you can send per second." Source: Amazon SES Developer Guide, "Service
    /// quotas in Amazon SES", "Maximum send rate".
    fn is_over_its_rate(&mut self, now: i64) -> bool {
        let Some(rate) = self.rate else { return false };
        let second = now.div_euclid(1_000);
        let taken = if self.taken_in.0 == second { self.taken_in.1 } else { 0 };
        self.taken_in = (second, (taken + 1).min(rate));
        taken >= rate
    }
}

/// The sales team's queue, with all messages that it delivers, in order.
#[derive(Debug, Default)]
pub(crate) struct Sales {
    pub(crate) messages: Vec<SalesMessage>,
    /// The number of messages sent to it, including repeats.
    pub(crate) sent: usize,
    /// The end of an outage of the queue.
    pub(crate) back_at: i64,
    taken: BTreeMap<String, i64>,
}

impl Sales {
    /// Sends a message. A deduplication id is delivered once within five minutes, and again after that; for the rule
    /// see [`Queue::send`](super::queue::Queue::send). Returns whether the id was sent before.
    pub(crate) fn send(&mut self, now: i64, message: &SalesMessage) -> bool {
        self.sent += 1;
        let known = self.taken.get(&message.effect_id).copied();
        if known.is_none_or(|at| now > at + 300_000) {
            self.taken.insert(message.effect_id.clone(), now);
            self.messages.push(message.clone());
        }
        known.is_some()
    }
}

/// One announcement: a sales message or an e-mail.
#[derive(Debug, Clone)]
pub(crate) struct Announced {
    pub(crate) is_former: bool,
    pub(crate) buyer: String,
    pub(crate) content: Content,
}

/// The content of an announcement. `about` is an offer and the version of its acceptance, or `None` for the low lead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Content {
    Quoted { offer: String },
    Opened { lead: String, about: Option<(String, u32)> },
    Closed { lead: String },
    Mailed { about: Option<(String, u32)> },
}

impl Announced {
    pub(crate) fn by_former(buyer: &str, content: Content) -> Self {
        Self { is_former: true, buyer: buyer.to_owned(), content }
    }
}

/// The content that one of our effect keys announces.
pub(super) fn content_of(key: &str) -> Option<Content> {
    let about = |text: &str| {
        let (offer, version) = text.split_once('/')?;
        Some((offer.to_owned(), version.parse::<u32>().ok()?))
    };
    Some(match key.split_once('/') {
        Some(("quote", offer)) => Content::Quoted { offer: offer.to_owned() },
        Some(("opened", lead)) => {
            Content::Opened { lead: lead.to_owned(), about: lead.strip_prefix("high/").and_then(about) }
        }
        Some(("closed", lead)) => Content::Closed { lead: lead.to_owned() },
        Some(("accepted-email", acceptance)) => Content::Mailed { about: Some(about(acceptance)?) },
        Some(_) => return None,
        None => Content::Mailed { about: None },
    })
}

/// Our effect keys that the sales team was sent, each with its buyer.
pub(crate) type SalesKeys = BTreeSet<(String, String)>;

/// The visibility time-out of the queue in milliseconds, as in the template.
const VISIBILITY: i64 = 360_000;

/// "The number of times a message is delivered to the source queue before being moved to the dead-letter queue", as in
/// the template. Source: Amazon SQS API Reference, `SetQueueAttributes`, `maxReceiveCount`.
const MAX_RECEIVES: u32 = 10;

/// The standard queue of SES events, behind a topic. Events arrive in any order, late, twice, or not at all.
///
/// "More than one copy of a message might be delivered, and messages may occasionally arrive out of order." Source:
/// Amazon SQS Developer Guide, "Amazon SQS standard queues". Source of the events: Amazon SES Developer Guide,
/// "Contents of event data that Amazon SES publishes to Amazon SNS".
#[derive(Debug, Default)]
pub(crate) struct Events {
    waiting: Vec<Waiting>,
    posted: usize,
    /// Whether all events are lost.
    pub(crate) is_silent: bool,
}

#[derive(Debug)]
struct Waiting {
    id: usize,
    body: String,
    visible_at: i64,
    receives: u32,
}

impl Events {
    /// Schedules all events about a mail, each with its time of arrival.
    pub(crate) fn schedule(&mut self, now: i64, mail: &Mail, mut noise: Option<&mut Chance>) {
        if self.is_silent && noise.is_some() {
            return;
        }
        for kind in ["Send", mail.fate.event()] {
            if let Some(chance) = noise.as_deref_mut()
                && chance.per_mille(50)
            {
                let forged = forged(mail, chance);
                self.post(body(&forged, if kind == "Send" { kind } else { forged.fate.event() }), now);
            }
            let body = body(mail, kind);
            let times = noise.as_deref_mut().map_or(1, |chance| chance.pick(&[0, 1, 1, 1, 1, 1, 2]));
            for _ in 0..times {
                let late = noise.as_deref_mut().map_or(0, |chance| {
                    let longest = chance.pick(&[0, 1_000, 60_000, 2 * 3_600_000]);
                    chance.up_to(longest + 1)
                });
                self.post(body.clone(), now + late);
            }
        }
    }

    fn post(&mut self, body: String, visible_at: i64) {
        self.posted += 1;
        self.waiting.push(Waiting { id: self.posted, body, visible_at, receives: 0 });
    }

    pub(crate) fn has_ready(&self, now: i64) -> bool {
        self.waiting.iter().any(|message| message.visible_at <= now)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A batch of ready messages in any order, with their ids.
    pub(crate) fn receive(&mut self, now: i64, chance: &mut Chance) -> Vec<(String, String)> {
        self.waiting.retain(|message| message.receives < MAX_RECEIVES);
        let mut batch = Vec::new();
        let longest = chance.between(1, 10);
        let from = chance.below(self.waiting.len().max(1));
        let (before, after) = self.waiting.split_at_mut(from);
        let ready = after.iter_mut().chain(before).filter(|message| message.visible_at <= now);
        for message in ready.take(longest) {
            message.visible_at = now + VISIBILITY;
            message.receives += 1;
            batch.push((message.id.to_string(), message.body.clone()));
        }
        batch
    }

    /// Deletes the settled messages.
    pub(crate) fn delete(&mut self, ids: &[String]) {
        self.waiting.retain(|message| !ids.contains(&message.id.to_string()));
    }
}

/// A mail that was never sent: its buyer, effect or attempt does not exist.
fn forged(mail: &Mail, chance: &mut Chance) -> Mail {
    let mut mail =
        Mail { fate: chance.pick(&[Fate::Bounced, Fate::ThrownAway, Fate::Delivered]), ..mail.clone() };
    let tag = chance.below(3);
    [&mut mail.buyer, &mut mail.key, &mut mail.nonce][tag].push_str("-forged");
    mail
}

/// The SES event, with the fields that the product reads.
fn body(mail: &Mail, kind: &str) -> String {
    let tag = |text: &str| json!([BASE64_URL_SAFE_NO_PAD.encode(text)]);
    let mut event = json!({
        "eventType": kind,
        "mail": {
            "messageId": "from-ses",
            "destination": [mail.to],
            "tags": { "buyer": tag(&mail.buyer), "effect": tag(&mail.key), "nonce": tag(&mail.nonce) },
        },
    });
    let at = Value::from("2026-11-23T00:00:00Z");
    match mail.fate {
        Fate::Bounced => event["bounce"] = json!({ "bounceType": "Permanent", "timestamp": at }),
        Fate::BouncedForNow => event["bounce"] = json!({ "bounceType": "Transient", "timestamp": at }),
        Fate::Complained => event["complaint"] = json!({ "timestamp": at }),
        Fate::Delivered | Fate::ThrownAway => {}
    }
    event.to_string()
}
