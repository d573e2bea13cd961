use std::collections::BTreeMap;

use contract::receipt::{Kind, Receipt};
use domain::BuyerId;
use effects::leads::{
    AddressDigest, Behind, Claim, Claimed, Cursor, Heard, Held, HeldAtHead, Learned, LedgerEntry, Moved,
    Open, OpenWork, Outcome, Progress, Status, Verdict, Walked,
};
use jiff::Timestamp;

use crate::chance::Chance;
use crate::safeguard::Safeguard;

/// The leads table, as its items lie there. Written anew from the table's description, not from the product's own
/// adapter in memory, so that neither can hide a fault of the other.
#[derive(Debug, Default)]
pub(crate) struct Leads {
    pub(crate) buyers: BTreeMap<String, OfBuyer>,
    pub(crate) walked: Option<Walked>,
}

/// One buyer's items.
#[derive(Debug, Default)]
pub(crate) struct OfBuyer {
    pub(crate) cursor: Cursor,
    pub(crate) leads: BTreeMap<String, Lead>,
    pub(crate) ledger: BTreeMap<String, LedgerEntry>,
    pub(crate) settled: BTreeMap<(u64, String), Outcome>,
    pub(crate) held: Option<Held>,
}

/// A lead's item: whether it stands in the index of open leads, and holds a contact.
#[derive(Debug, Default)]
pub(crate) struct Lead {
    pub(crate) is_open: bool,
    pub(crate) has_contact: bool,
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

    /// The cursor, the leads and the outcomes in one transaction.
    ///
    /// "The actions are completed atomically so that either all of them succeed or none of them succeeds." Source: Amazon
    /// DynamoDB Developer Guide, "Amazon DynamoDB Transactions: How it works".
    pub(crate) fn move_cursor(
        &mut self,
        buyer: &str,
        progress: &Progress,
        mark_to_clear: Option<&str>,
        off: Option<Safeguard>,
    ) -> Moved {
        let items = self.of(buyer);
        let is_move = progress.through > progress.from;
        if is_move && items.cursor.through >= progress.through && off != Some(Safeguard::CursorCondition) {
            return Moved::Overtaken;
        }
        if !is_move && progress.tells_of_held() && items.cursor.through != progress.through {
            return Moved::Overtaken;
        }
        let mark = items.cursor.behind.as_ref().map(|behind| behind.mark.as_str());
        if mark.is_some() && mark == mark_to_clear {
            items.cursor.behind = None;
        }
        if let Some(HeldAtHead { oldest, is_known }) = &progress.held {
            // Where it is known and nothing moves, nothing is asked of the table.
            let is_asked = is_move || !is_known;
            if is_asked && (!is_known || items.cursor.holds != oldest.is_some()) {
                items.cursor.holds = oldest.is_some();
                items.held.clone_from(oldest);
            }
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

    /// The sparse index of what is open. It is late by a moment, as [`Index`](super::index::Index) is: with noise, some of it
    /// is not found.
    pub(crate) fn open_work(
        &self,
        now: Timestamp,
        limit: usize,
        mut noise: Option<&mut Chance>,
    ) -> Vec<OpenWork> {
        let mut found = Vec::new();
        for (buyer, items) in &self.buyers {
            let Ok(buyer) = BuyerId::parse(buyer) else { continue };
            if let Some(behind) = &items.cursor.behind {
                found.push(OpenWork { buyer: buyer.clone(), due: behind.not_before, what: Open::Behind });
            }
            if let Some(held) = &items.held {
                found.push(OpenWork { buyer: buyer.clone(), due: held.due, what: Open::Held(held.clone()) });
            }
            for (key, entry) in &items.ledger {
                if let Some(due) = entry.due {
                    let what = Open::Email { key: key.clone(), entry: Box::new(entry.clone()) };
                    found.push(OpenWork { buyer: buyer.clone(), due, what });
                }
            }
        }
        found.retain(|work| {
            work.due <= now && !noise.as_deref_mut().is_some_and(|chance| chance.per_mille(100))
        });
        found.sort_by_key(|work| work.due);
        found.truncate(limit);
        found
    }

    pub(crate) fn close(
        &mut self,
        buyer: &str,
        key: &str,
        found: &LedgerEntry,
        status: Status,
        now: Timestamp,
    ) -> bool {
        let Some(entry) = self.of(buyer).ledger.get_mut(key) else { return false };
        if entry.nonce != found.nonce || entry.status != found.status {
            return false;
        }
        entry.status = status;
        entry.due = None;
        entry.since = now;
        true
    }

    /// An address that no mail goes to any more: added to a set, which cannot be undone.
    pub(crate) fn stop(&mut self, buyer: &str, address: &AddressDigest) {
        self.of(buyer).cursor.stopped.insert(address.clone());
    }

    /// A receipt, under the condition that the entry is still that of its attempt and as it was read.
    pub(crate) fn learn(&mut self, receipt: &Receipt, now: Timestamp, off: Option<Safeguard>) -> Learned {
        let Some(entry) = self.of(receipt.buyer.as_str()).ledger.get_mut(&receipt.effect) else {
            return Learned::NoSuchEmail;
        };
        if entry.nonce != receipt.nonce {
            return Learned::OtherAttempt;
        }
        let told = match receipt.kind {
            Kind::Delayed => return Learned::Known,
            Kind::Rejected | Kind::NotRendered => Status::Rejected,
            Kind::Sent | Kind::Delivered | Kind::NotSpam | Kind::Bounced { .. } | Kind::Complained { .. } => {
                Status::Sent
            }
        };
        let is_forward = match entry.status {
            Status::Rejected => off == Some(Safeguard::ForwardOnly),
            Status::Sent => told == Status::Rejected,
            Status::Sending
            | Status::Unknown
            | Status::Abandoned
            | Status::Retry
            | Status::Superseded
            | Status::Suppressed => true,
        };
        let is_new = entry.message_id.is_none() || is_forward;
        if is_forward {
            entry.status = told;
            entry.due = None;
            entry.since = now;
            entry.reason = None;
        }
        entry.message_id.get_or_insert_with(|| receipt.message_id.clone());
        if is_new { Learned::Settled } else { Learned::Known }
    }

    /// Each value moves forward only.
    pub(crate) fn set_walked(&mut self, walked: Walked) {
        self.walked = Some(self.walked.map_or(walked, |known| known.and(walked)));
    }

    pub(crate) fn mark_behind(&mut self, buyer: &str, behind: &Behind) {
        self.of(buyer).cursor.behind = Some(behind.clone());
    }

    /// The ledger item under its condition, and the check that the stream has not moved on, at once. Both conditions are
    /// looked at, and the first that fails is told of.
    pub(crate) fn claim(&mut self, claim: &Claim, head_moved: bool, off: Option<Safeguard>) -> Claimed {
        let ledger = &mut self.of(claim.buyer.as_str()).ledger;
        let known = ledger.get(&claim.key);
        if let Some(known) =
            known.filter(|known| !is_free(known, claim) && off != Some(Safeguard::ClaimCondition))
        {
            let is_ours = known.nonce == claim.nonce;
            return if is_ours { Claimed::Ours } else { Claimed::Held(Box::new(known.clone())) };
        }
        if head_moved && off != Some(Safeguard::HeadCheck) {
            return Claimed::HeadMoved;
        }
        let first = known.filter(|known| known.status == Status::Retry).map(|known| known.first_tried_at);
        ledger.insert(claim.key.clone(), claimed(claim, first));
        Claimed::Ours
    }

    pub(crate) fn entry(&self, buyer: &str, key: &str) -> Option<&LedgerEntry> {
        self.buyers.get(buyer)?.ledger.get(key)
    }

    /// Writes an entry, or deletes it, without any condition.
    pub(crate) fn replace(&mut self, buyer: &str, key: &str, entry: Option<LedgerEntry>) {
        let ledger = &mut self.of(buyer).ledger;
        if let Some(entry) = entry {
            ledger.insert(key.to_owned(), entry);
        } else {
            ledger.remove(key);
        }
    }

    pub(crate) fn settle(
        &mut self,
        buyer: &str,
        key: &str,
        nonce: &str,
        verdict: &Verdict,
        off: Option<Safeguard>,
    ) -> bool {
        let Some(entry) = self.of(buyer).ledger.get_mut(key) else { return false };
        let is_final = matches!(verdict.status, Status::Sent | Status::Rejected);
        let is_open = matches!(entry.status, Status::Sending | Status::Unknown)
            || (is_final && entry.status == Status::Abandoned);
        if off != Some(Safeguard::SettleNonce) && (entry.nonce != nonce || !is_open) {
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

/// The entry that a claim writes.
pub(crate) fn claimed(claim: &Claim, first_tried_at: Option<Timestamp>) -> LedgerEntry {
    LedgerEntry {
        status: if claim.is_shadow { Status::Suppressed } else { Status::Sending },
        nonce: claim.nonce.clone(),
        sequence: claim.sequence,
        address: claim.address.clone(),
        due: (!claim.is_shadow).then_some(claim.deadline),
        first_tried_at: first_tried_at.unwrap_or(claim.now),
        since: claim.now,
        message_id: None,
        reason: None,
        heard: Heard::default(),
    }
}

fn is_free(entry: &LedgerEntry, claim: &Claim) -> bool {
    match entry.status {
        Status::Superseded => true,
        Status::Retry => entry.due.is_none_or(|due| due <= claim.now),
        Status::Rejected => entry.address != claim.address,
        Status::Sending | Status::Sent | Status::Unknown | Status::Abandoned | Status::Suppressed => false,
    }
}
