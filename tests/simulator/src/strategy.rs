//! Known other ways to do the same work, for comparison in the same simulator on the same seeds.

use leads_store::{Claim, Claimed, LedgerEntry, Settled, Status, Verdict};

use crate::platform::{Leads, claimed};

/// A known other way to do the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Check whether the mail was sent, send it, record that.
    CheckThenSend,
    /// An idempotency record: in progress until it expires, completed on success, deleted on failure. It does not name
    /// its owner.
    IdempotencyRecord,
    /// Our ledger, but an expired claim is taken over.
    Takeover,
    /// Our recorder, but the messages of a batch are handled concurrently and reported individually.
    PartialBatch,
    /// Our recorder, but a batch with a bad message is returned as a whole, until SQS dead-letters messages that were
    /// received too often.
    WholeBatch,
    /// Our recorder, but a bad message is reported as failed with the rest of its group, until SQS dead-letters it.
    StopAtFirst,
    /// An early event is sent to the end of the queue again until its predecessor has arrived.
    Requeue,
    /// Our effects, but performed from each record of the change feed as it comes, without cursor and sweeper.
    TrustFeed,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 8] = [
        Self::CheckThenSend,
        Self::IdempotencyRecord,
        Self::Takeover,
        Self::PartialBatch,
        Self::WholeBatch,
        Self::StopAtFirst,
        Self::Requeue,
        Self::TrustFeed,
    ];

    /// The name of the strategy, and a characteristic after a colon.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CheckThenSend => "check, then send",
            Self::IdempotencyRecord => "Powertools-style idempotency: update and delete unfenced",
            Self::Takeover => "stale claim taken over: after its lease",
            Self::PartialBatch => "partial batch response: messages concurrent over FIFO",
            Self::WholeBatch => "no partial batch response: the whole batch comes back",
            Self::StopAtFirst => "Powertools-style FIFO batch: stops at the first failure, left to SQS",
            Self::Requeue => "early events sent again: to the end of the queue",
            Self::TrustFeed => "item per event: order of the change feed trusted",
        }
    }

    /// Whether an attempt without an answer counts as failed and is repeated.
    pub(crate) const fn repeats_doubts(self) -> bool {
        matches!(self, Self::CheckThenSend | Self::IdempotencyRecord)
    }

    /// Whether bad messages are left to SQS.
    pub(crate) const fn has_no_letters(self) -> bool {
        matches!(self, Self::WholeBatch | Self::StopAtFirst)
    }

    /// Claims a mail in the way of this strategy; `None` if it claims as ours does.
    pub(crate) fn claim(self, leads: &mut Leads, claim: &Claim) -> Option<Claimed> {
        let known = leads.entry(claim.buyer.as_str(), &claim.key);
        let has_run_out = |entry: &LedgerEntry| {
            entry.status == Status::Sending && entry.due.is_some_and(|due| due < claim.now)
        };
        // A failed attempt has no owner: any worker may try again.
        let is_due = |entry: &LedgerEntry| entry.status == Status::Retry;
        let is_free = match self {
            Self::CheckThenSend => known.is_none_or(is_due),
            Self::IdempotencyRecord => known.is_none_or(|known| has_run_out(known) || is_due(known)),
            Self::Takeover if known.is_some_and(has_run_out) => true,
            Self::Takeover
            | Self::PartialBatch
            | Self::WholeBatch
            | Self::StopAtFirst
            | Self::Requeue
            | Self::TrustFeed => return None,
        };
        if let Some(known) = known.filter(|_| !is_free) {
            return Some(Claimed::Taken(Box::new(known.clone())));
        }
        if self != Self::CheckThenSend {
            leads.replace(claim.buyer.as_str(), &claim.key, Some(claimed(claim, None)));
        }
        Some(Claimed::Ours)
    }

    /// Settles a mail in the way of this strategy; `None` if it settles as ours does.
    pub(crate) fn settle(
        self,
        leads: &mut Leads,
        buyer: &str,
        key: &str,
        entry: LedgerEntry,
        verdict: &Verdict,
    ) -> Option<Settled> {
        match self {
            Self::CheckThenSend | Self::IdempotencyRecord => {
                let is_done = matches!(verdict.status, Status::Sent | Status::Rejected | Status::Retry);
                let (status, due, since) = (verdict.status, verdict.due, verdict.now);
                leads.replace(buyer, key, is_done.then_some(LedgerEntry { status, due, since, ..entry }));
                Some(Settled::Done)
            }
            Self::Takeover
            | Self::PartialBatch
            | Self::WholeBatch
            | Self::StopAtFirst
            | Self::Requeue
            | Self::TrustFeed => None,
        }
    }
}
