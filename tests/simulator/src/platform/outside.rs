use std::collections::BTreeMap;

use effects::mail::Email;
use effects::outside::{Delivery, SalesMessage};

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
