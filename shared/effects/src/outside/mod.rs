//! The destinations of effects: SES, which delivers to the buyer's mailbox, and the sales team's queue.

mod aws;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::error::Error;

use domain::BuyerId;

use crate::mail::Email;

pub use aws::{AwsOutside, SES_TIME_OUT};

/// A message to the sales team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesMessage {
    /// The buyer, who is the message's group, so that order is kept per buyer.
    pub buyer: BuyerId,
    /// The effect's id, from which the deduplication id is derived.
    pub effect_id: String,
    /// The CloudEvent, as JSON.
    pub body: String,
}

/// The result of the one attempt to send an e-mail.
///
/// Reasons are error codes or our own words, because SES's messages contain addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// SES accepted the e-mail.
    Accepted {
        /// SES's message id.
        message_id: String,
    },
    /// SES will never accept the e-mail.
    Refused {
        /// Why it was refused.
        reason: String,
    },
    /// Definitely not sent, for a temporary reason that says nothing about other e-mails.
    NotSent {
        /// Why it was not sent.
        reason: String,
    },
    /// Not sent, and SES would not accept any other e-mail now: the account or configuration set is paused or
    /// suspended, or a quota is used up.
    Paused {
        /// Why SES accepts no e-mail.
        reason: String,
    },
    /// Possibly sent: no conclusive answer came.
    Unknown {
        /// Why the answer is missing or inconclusive.
        reason: String,
    },
}

/// The sales team's queue did not confirm a message, which may have been sent all the same.
#[derive(Debug, thiserror::Error)]
#[error("the sales team's queue did not take {effect_id}")]
pub struct SalesUnavailable {
    /// The effect whose message was not confirmed.
    pub effect_id: String,
    /// What went wrong.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// Sends e-mails and sales messages.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Outside {
    /// Makes exactly one attempt to send an e-mail. Failures are variants of [`Delivery`], not errors.
    async fn send_email(&self, email: &Email) -> Delivery;

    /// Sends a message to the sales team. If calls are repeated until one succeeds, it is delivered at least once.
    ///
    /// # Errors
    /// [`SalesUnavailable`] if the queue did not confirm the message.
    async fn notify_sales(&self, message: &SalesMessage) -> Result<(), SalesUnavailable>;
}

impl<O: Outside> Outside for &O {
    async fn send_email(&self, email: &Email) -> Delivery {
        (**self).send_email(email).await
    }

    async fn notify_sales(&self, message: &SalesMessage) -> Result<(), SalesUnavailable> {
        (**self).notify_sales(message).await
    }
}

/// SES and the sales team's queue in memory, for tests: keeps what is sent and answers as configured.
#[derive(Debug, Default)]
pub struct MemoryOutside {
    emails: RefCell<Vec<Email>>,
    sales: RefCell<Vec<SalesMessage>>,
    deliveries: RefCell<VecDeque<Delivery>>,
    refused_messages: RefCell<usize>,
}

impl MemoryOutside {
    /// Every e-mail for which an attempt was made, in order.
    #[must_use]
    pub fn emails(&self) -> Vec<Email> {
        self.emails.borrow().clone()
    }

    /// Every sales message that was accepted, in order, including repeats.
    #[must_use]
    pub fn sales(&self) -> Vec<SalesMessage> {
        self.sales.borrow().clone()
    }

    /// Sets the results of the next e-mails, one each; later e-mails are accepted.
    pub fn deliver_as(&self, deliveries: impl IntoIterator<Item = Delivery>) {
        self.deliveries.borrow_mut().extend(deliveries);
    }

    /// Makes the queue refuse the next `count` messages.
    pub fn refuse_sales(&self, count: usize) {
        *self.refused_messages.borrow_mut() = count;
    }
}

impl Outside for MemoryOutside {
    async fn send_email(&self, email: &Email) -> Delivery {
        self.emails.borrow_mut().push(email.clone());
        let count = self.emails.borrow().len();
        let accepted = || Delivery::Accepted { message_id: format!("mail-{count}") };
        self.deliveries.borrow_mut().pop_front().unwrap_or_else(accepted)
    }

    async fn notify_sales(&self, message: &SalesMessage) -> Result<(), SalesUnavailable> {
        let mut refused = self.refused_messages.borrow_mut();
        if *refused > 0 {
            *refused -= 1;
            return Err(SalesUnavailable {
                effect_id: message.effect_id.clone(),
                source: "the test's queue takes nothing now".into(),
            });
        }
        self.sales.borrow_mut().push(message.clone());
        Ok(())
    }
}
