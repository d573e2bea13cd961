use std::panic::AssertUnwindSafe;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use contract::receipt::{Kind, Notice, Receipt, decode};
use futures::FutureExt as _;
use leads_store::{Learned, Receipts};
use platform::clock::{Clock, Deadline, NEEDED};
use platform::telemetry::{Metrics, chain};

/// Takes receipts into the ledger. It can neither claim nor send.
#[derive(Debug)]
pub struct Listener<L, W> {
    ledger: L,
    clock: W,
}

/// What a message was, and what came of it: the words of its metric.
struct Taken {
    kind: &'static str,
    outcome: &'static str,
    /// Whether an entry of the ledger became `rejected`.
    rejects: bool,
}

impl Taken {
    const fn ignored(kind: &'static str) -> Self {
        Self { kind, outcome: "ignored", rejects: false }
    }
}

/// The message comes back, and is set aside by SQS in the end.
struct GivenBack {
    reason: String,
}

impl<L: Receipts, W: Clock> Listener<L, W> {
    /// A listener over this ledger.
    #[must_use]
    pub const fn new(ledger: L, clock: W) -> Self {
        Self { ledger, clock }
    }

    /// Takes each message on its own: they come in any order anyway. Those that cannot be read or taken now are named in
    /// the answer and come again; after some times SQS sets them aside.
    pub async fn handle(&self, event: SqsEvent, deadline: Deadline) -> SqsBatchResponse {
        let mut metrics = Metrics::default();
        let mut answer = SqsBatchResponse::default();
        for message in event.records {
            let id = message.message_id.clone().unwrap_or_default();
            // One that makes the code panic must not take its neighbours to the dead letters.
            let taken = AssertUnwindSafe(self.take(&message, deadline)).catch_unwind().await;
            let taken = taken.unwrap_or_else(|_| Err(GivenBack { reason: "a panic".to_owned() }));
            let (kind, outcome) = match taken {
                Ok(Taken { kind, outcome, rejects }) => {
                    if rejects {
                        metrics.count("EmailsRejected", vec![], 1);
                    }
                    (kind, outcome)
                }
                Err(GivenBack { reason }) => {
                    tracing::warn!(messageId = id, reason, "a receipt comes back");
                    answer.add_failure(id);
                    ("unknown", "given-back")
                }
            };
            metrics.count("Receipts", vec![("kind", kind.to_owned()), ("outcome", outcome.to_owned())], 1);
        }
        metrics.write(self.clock.now().as_millisecond());
        answer
    }

    async fn take(&self, message: &SqsMessage, deadline: Deadline) -> Result<Taken, GivenBack> {
        let notice = decode(message.body.as_deref().unwrap_or_default())
            .map_err(|error| GivenBack { reason: format!("unreadable: {error}") })?;
        match notice {
            Notice::Receipt(receipt) => self.learn(&receipt, deadline).await,
            Notice::NotOurs => Ok(Taken::ignored("not-ours")),
            Notice::OtherType => Ok(Taken::ignored("other-type")),
            Notice::Greeting => Ok(Taken::ignored("greeting")),
        }
    }

    async fn learn(&self, receipt: &Receipt, deadline: Deadline) -> Result<Taken, GivenBack> {
        deadline.leaves(NEEDED, &self.clock).map_err(|error| GivenBack { reason: chain(&error) })?;
        let learned = self.ledger.learn(receipt, self.clock.now()).await;
        let learned = learned.map_err(|error| GivenBack { reason: chain(&error) })?;
        let (kind, outcome) = (receipt.kind.name(), learned.name());
        tracing::info!(buyer = %receipt.buyer, effect = receipt.effect, kind, outcome, "receipt");
        let rejects =
            learned == Learned::Settled && matches!(receipt.kind, Kind::Rejected | Kind::NotRendered);
        Ok(Taken { kind, outcome, rejects })
    }
}
