//! Known ways to do the same work, in the same simulator, on the same seeds.

use leads_store::{Claim, Claimed, LedgerEntry, Settled, Status, Verdict};

use crate::platform::{Leads, claimed};

/// A known way to do things otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Looks whether the mail was sent, sends it, writes that down.
    CheckThenSend,
    /// An idempotency record: in progress until it expires, completed when done, deleted when failed; nobody's name on it.
    IdempotencyRecord,
    /// Our ledger, but a claim that has run out is taken over.
    Takeover,
    /// Our recorder, but each message of a batch on its own, all at once, and reported on its own.
    PartialBatch,
    /// Our recorder, but a batch with a bad message comes back whole, until SQS sets aside what was received too often.
    WholeBatch,
    /// Our recorder, but a bad message is reported as failed, with all of its group behind it, and so left to SQS.
    StopAtFirst,
    /// An early event goes back to the end of the queue, until its predecessor is there.
    Requeue,
    /// Our effects, but of each record of the change feed as it comes: no cursor, no sweeper.
    TrustFeed,
}

impl Strategy {
    /// All of them.
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

    /// How it is called.
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

    /// Whether an attempt without an answer counts as failed, and is made again.
    pub(crate) const fn repeats_doubts(self) -> bool {
        matches!(self, Self::CheckThenSend | Self::IdempotencyRecord)
    }

    /// Whether bad messages are left to SQS.
    pub(crate) const fn has_no_letters(self) -> bool {
        matches!(self, Self::WholeBatch | Self::StopAtFirst)
    }

    /// Claims as it does; `None` where it does as we do.
    pub(crate) fn claim(self, leads: &mut Leads, claim: &Claim) -> Option<Claimed> {
        let known = leads.entry(claim.buyer.as_str(), &claim.key);
        let has_run_out = |entry: &LedgerEntry| {
            entry.status == Status::Sending && entry.due.is_some_and(|due| due < claim.now)
        };
        // What failed is nobody's: it is tried again by whoever comes.
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
            return Some(Claimed::Held(Box::new(known.clone())));
        }
        if self != Self::CheckThenSend {
            leads.replace(claim.buyer.as_str(), &claim.key, Some(claimed(claim, None)));
        }
        Some(Claimed::Ours)
    }

    /// Settles as it does; `None` where it does as we do.
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
