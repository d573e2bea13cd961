use std::cell::RefCell;
use std::collections::VecDeque;

use super::{Delivery, Outside, SalesMessage, SalesUnavailable};
use crate::mail::Email;

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
