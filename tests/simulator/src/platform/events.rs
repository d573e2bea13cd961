use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::outside::{Fate, Mail};
use crate::chance::Chance;

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
