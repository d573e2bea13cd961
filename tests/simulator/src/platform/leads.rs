use std::collections::BTreeMap;

use effects::leads::{Behind, Claim, Claimed, Cursor, LedgerEntry, Moved, Outcome, Progress, Status, Verdict};

/// The leads table, as its items lie there. Written anew from the table's description, not from the product's own
/// adapter in memory, so that neither can hide a fault of the other.
#[derive(Debug, Default)]
pub(crate) struct Leads {
    pub(crate) buyers: BTreeMap<String, OfBuyer>,
}

/// One buyer's items.
#[derive(Debug, Default)]
pub(crate) struct OfBuyer {
    pub(crate) cursor: Cursor,
    pub(crate) leads: BTreeMap<String, Lead>,
    pub(crate) ledger: BTreeMap<String, LedgerEntry>,
    pub(crate) settled: BTreeMap<(u64, String), Outcome>,
}

/// A lead's item: whether it stands in the index of open leads, and holds a contact.
#[derive(Debug, Default)]
pub(crate) struct Lead {
    pub(crate) is_open: bool,
    pub(crate) has_contact: bool,
}

/// Which conditions a write leaves out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LeftOut {
    pub(crate) ledger: bool,
    pub(crate) head: bool,
    pub(crate) cursor: bool,
    pub(crate) nonce: bool,
}

impl Leads {
    fn of(&mut self, buyer: &str) -> &mut OfBuyer {
        if !self.buyers.contains_key(buyer) {
            self.buyers.insert(buyer.to_owned(), OfBuyer::default());
        }
        self.buyers.entry(buyer.to_owned()).or_default()
    }

    pub(crate) fn cursor(&self, buyer: &str) -> Cursor {
        self.buyers.get(buyer).map(|items| items.cursor.clone()).unwrap_or_default()
    }

    /// "`TransactWriteItems` is a synchronous write operation […]. The actions are completed atomically so that either all of
    /// them succeed or none of them succeeds." Source: Amazon DynamoDB Developer Guide, "Amazon DynamoDB Transactions: How it
    /// works".
    pub(crate) fn move_cursor(
        &mut self,
        buyer: &str,
        progress: &Progress,
        mark_to_clear: Option<&str>,
        left_out: LeftOut,
    ) -> Moved {
        let items = self.of(buyer);
        let is_move = progress.through > progress.from;
        if is_move && items.cursor.through >= progress.through && !left_out.cursor {
            return Moved::Overtaken;
        }
        let mark = items.cursor.behind.as_ref().map(|behind| behind.mark.as_str());
        if mark.is_some() && mark == mark_to_clear {
            items.cursor.behind = None;
        }
        if !is_move {
            return Moved::Done;
        }
        items.cursor.through = progress.through;
        for (lead, told) in &progress.leads {
            let lead = items.leads.entry(lead.to_string()).or_default();
            if told.closed.is_some() {
                *lead = Lead::default();
            } else if told.opened.is_some() {
                *lead = Lead { is_open: true, has_contact: true };
            }
        }
        for (sequence, outcomes) in &progress.settled {
            for (key, outcome) in outcomes {
                items.settled.insert((sequence.get(), key.clone()), *outcome);
            }
        }
        Moved::Done
    }

    pub(crate) fn mark_behind(&mut self, buyer: &str, behind: &Behind) {
        self.of(buyer).cursor.behind = Some(behind.clone());
    }

    /// The ledger item under its condition, and the check that the stream has not moved on, at once. Both conditions are
    /// looked at, and the first that fails is told of.
    pub(crate) fn claim(&mut self, claim: &Claim, head_moved: bool, left_out: LeftOut) -> Claimed {
        let ledger = &mut self.of(claim.buyer.as_str()).ledger;
        let known = ledger.get(&claim.key);
        if let Some(known) = known.filter(|known| !is_free(known, claim) && !left_out.ledger) {
            let is_ours = known.nonce == claim.nonce;
            return if is_ours { Claimed::Ours } else { Claimed::Held(Box::new(known.clone())) };
        }
        if head_moved && !left_out.head {
            return Claimed::HeadMoved;
        }
        let first = known.filter(|known| known.status == Status::Retry).map(|known| known.first_tried_at);
        let entry = LedgerEntry {
            status: Status::Sending,
            nonce: claim.nonce.clone(),
            sequence: claim.sequence,
            address: claim.address.clone(),
            due: Some(claim.deadline),
            first_tried_at: first.unwrap_or(claim.now),
            since: claim.now,
            message_id: None,
            reason: None,
        };
        ledger.insert(claim.key.clone(), entry);
        Claimed::Ours
    }

    pub(crate) fn settle(&mut self, buyer: &str, key: &str, nonce: &str, verdict: &Verdict, left_out: LeftOut) -> bool {
        let Some(entry) = self.of(buyer).ledger.get_mut(key) else { return false };
        let is_open = matches!(entry.status, Status::Sending | Status::Unknown);
        if !left_out.nonce && (entry.nonce != nonce || !is_open) {
            return entry.nonce == nonce && entry.status == verdict.status;
        }
        entry.status = verdict.status;
        entry.message_id.clone_from(&verdict.message_id);
        entry.reason.clone_from(&verdict.reason);
        entry.due = verdict.due;
        entry.since = verdict.now;
        true
    }
}

fn is_free(entry: &LedgerEntry, claim: &Claim) -> bool {
    match entry.status {
        Status::Superseded => true,
        Status::Retry => entry.due.is_none_or(|due| due <= claim.now),
        Status::Rejected => entry.address != claim.address,
        Status::Sending | Status::Sent | Status::Unknown | Status::Abandoned => false,
    }
}
