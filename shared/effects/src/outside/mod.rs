//! The world outside: the buyer's mailbox and the sales team's queue.

mod aws;
mod memory;

use std::error::Error;

pub use aws::{AwsOutside, SES_TIME_OUT};
use domain::BuyerId;
pub use memory::MemoryOutside;

use crate::mail::Email;

/// A message to the sales team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesMessage {
    /// Its group: order is kept per buyer.
    pub buyer: BuyerId,
    /// The effect's id, from which the deduplication id is made.
    pub effect_id: String,
    /// The CloudEvent, as JSON.
    pub body: String,
}

/// What became of the one attempt to send an e-mail.
///
/// Reasons are error codes and our own words: SES's messages name addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// SES took it.
    Accepted {
        /// SES's message id.
        message_id: String,
    },
    /// SES will never take it.
    Refused {
        /// Why.
        reason: String,
    },
    /// Definitely not sent, for a passing reason that says nothing about other mails.
    NotSent {
        /// Why.
        reason: String,
    },
    /// Not sent, and SES would take no other mail now either: the account or configuration set is paused or suspended,
    /// or a quota is used up.
    Paused {
        /// Why.
        reason: String,
    },
    /// Perhaps sent: there was no answer that can be trusted.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// The sales team's queue did not answer. The message may have been sent.
#[derive(Debug, thiserror::Error)]
#[error("the sales team's queue did not take {effect_id}")]
pub struct SalesUnavailable {
    /// Which effect's message.
    pub effect_id: String,
    /// Why.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// Where effects go.
#[expect(async_fn_in_trait, reason = "every function runs on one thread, no future needs to be Send")]
pub trait Outside {
    /// Makes exactly one attempt to send an e-mail. Every outcome is an outcome: there is no error.
    async fn send_email(&self, email: &Email) -> Delivery;

    /// Sends a message to the sales team; at least once, if tried again.
    ///
    /// # Errors
    /// [`SalesUnavailable`].
    async fn tell_sales(&self, message: &SalesMessage) -> Result<(), SalesUnavailable>;
}

impl<O: Outside> Outside for &O {
    async fn send_email(&self, email: &Email) -> Delivery {
        (**self).send_email(email).await
    }

    async fn tell_sales(&self, message: &SalesMessage) -> Result<(), SalesUnavailable> {
        (**self).tell_sales(message).await
    }
}
