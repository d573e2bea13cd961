//! Receipts: records SES delivery events in the e-mail ledger. They settle doubtful e-mails and stop addresses that
//! bounced permanently or complained.

mod config;

use std::panic::AssertUnwindSafe;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use contract::metric;
use contract::receipt::{Kind, Notice, Receipt, decode};
use futures::FutureExt as _;
use leads_store::{ReceiptOutcome, Receipts};
use platform::clock::{CALL_TIME, Clock, Deadline};
use platform::telemetry::{Metrics, chain};

pub use config::Config;

/// Records receipts in the ledger. It can neither claim nor send e-mails.
#[derive(Debug)]
pub struct Listener<L, W> {
    ledger: L,
    clock: W,
}

/// The kind and outcome of a message that was settled, as its metric names them.
struct Handled {
    kind: &'static str,
    outcome: &'static str,
    /// Whether a ledger entry became `rejected`.
    rejects: bool,
}

impl Handled {
    const fn ignored(kind: &'static str) -> Self {
        Self { kind, outcome: "ignored", rejects: false }
    }
}

/// Why a message is returned to the queue. SQS delivers it again, and finally moves it to the dead-letter queue.
struct GivenBack {
    reason: String,
}

impl<L: Receipts, W: Clock> Listener<L, W> {
    /// A listener that records receipts in this ledger.
    #[must_use]
    pub const fn new(ledger: L, clock: W) -> Self {
        Self { ledger, clock }
    }

    /// Handles each message independently, because receipts arrive in any order. The answer returns those that cannot
    /// be read or recorded now; SQS delivers them again, and after several receives moves them to the dead-letter
    /// queue.
    pub async fn handle(&self, event: SqsEvent, deadline: Deadline) -> SqsBatchResponse {
        let mut metrics = Metrics::default();
        let mut answer = SqsBatchResponse::default();
        for message in event.records {
            let id = message.message_id.clone().unwrap_or_default();
            // A message that causes a panic must not make its neighbours dead letters.
            let handled = AssertUnwindSafe(self.handle_one(&message, deadline)).catch_unwind().await;
            let handled = handled.unwrap_or_else(|_| Err(GivenBack { reason: "a panic".to_owned() }));
            let (kind, outcome) = match handled {
                Ok(Handled { kind, outcome, rejects }) => {
                    if rejects {
                        metrics.count_for_stack(metric::EMAILS_REJECTED, 1);
                    }
                    (kind, outcome)
                }
                Err(GivenBack { reason }) => {
                    tracing::warn!(messageId = id, reason, "receipt returned");
                    answer.add_failure(id);
                    ("unknown", "given-back")
                }
            };
            metrics.count(
                metric::RECEIPTS,
                vec![("kind", kind.to_owned()), ("outcome", outcome.to_owned())],
                1,
            );
        }
        metrics.write(self.clock.now().as_millisecond());
        answer
    }

    async fn handle_one(&self, message: &SqsMessage, deadline: Deadline) -> Result<Handled, GivenBack> {
        let notice = decode(message.body.as_deref().unwrap_or_default())
            .map_err(|error| GivenBack { reason: format!("unreadable: {error}") })?;
        match notice {
            Notice::Receipt(receipt) => self.apply(&receipt, deadline).await,
            Notice::NotOurs => Ok(Handled::ignored("not-ours")),
            Notice::OtherType => Ok(Handled::ignored("other-type")),
            Notice::Greeting => Ok(Handled::ignored("greeting")),
        }
    }

    async fn apply(&self, receipt: &Receipt, deadline: Deadline) -> Result<Handled, GivenBack> {
        deadline.leaves(CALL_TIME, &self.clock).map_err(|error| GivenBack { reason: chain(&error) })?;
        let applied = self.ledger.apply_receipt(receipt, self.clock.now()).await;
        let applied = applied.map_err(|error| GivenBack { reason: chain(&error) })?;
        let (kind, outcome) = (receipt.kind.name(), applied.name());
        tracing::info!(buyer = %receipt.buyer, effect = receipt.effect, kind, outcome, "receipt");
        Ok(Handled { kind, outcome, rejects: rejects(receipt.kind, applied) })
    }
}

/// Whether this receipt made a ledger entry `rejected`.
fn rejects(kind: Kind, outcome: ReceiptOutcome) -> bool {
    outcome == ReceiptOutcome::Settled && matches!(kind, Kind::Rejected | Kind::NotRendered)
}

#[cfg(test)]
mod tests {
    use contract::receipt::Kind;
    use leads_store::ReceiptOutcome;

    use super::rejects;

    #[test]
    fn a_rejection_counts_once_even_if_ses_reports_it_again() {
        for kind in [Kind::Rejected, Kind::NotRendered] {
            assert!(rejects(kind, ReceiptOutcome::Settled));
            assert!(!rejects(kind, ReceiptOutcome::Known));
        }
        assert!(!rejects(Kind::Delivered, ReceiptOutcome::Settled));
    }
}
