use std::collections::BTreeMap;

use contract::receipt::{Kind, Receipt};
use contract::stored::written;
use domain::BuyerId;
use jiff::Timestamp;
use leads_store::{
    AddressDigest, Behind, Claim, Claimed, Cursor, Held, HeldAtHead, Lease, LedgerEntry, Moved, Open,
    OpenWork, Outcome, Pauses, Progress, ReceiptOutcome, ReceiptRecord, Settled, Status, Taking, Verdict,
    Walked, WorkKind, WorkPage, WorkPlace,
};

use crate::chance::Chance;
use crate::plan::Safeguard;

/// The leads table with its items. It is written from the description of the table, independently of the product's own
/// in-memory store, so that neither can hide a fault of the other.
#[derive(Debug, Default)]
pub(crate) struct Leads {
    pub(crate) buyers: BTreeMap<String, OfBuyer>,
    pub(crate) walked: Option<Walked>,
    pub(crate) pauses: Pauses,
    lease: Option<Lease>,
}

/// The items of one buyer.
#[derive(Debug, Default)]
pub(crate) struct OfBuyer {
    pub(crate) cursor: Cursor,
    pub(crate) leads: BTreeMap<String, Lead>,
    pub(crate) ledger: BTreeMap<String, LedgerEntry>,
    pub(crate) settled: BTreeMap<(u64, String), Outcome>,
    pub(crate) held: Option<Held>,
}

/// The item of a lead: whether it is in the index `open-leads`, and whether it has a contact.
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

    /// Writes the cursor, the leads and the outcomes in one transaction.
    ///
    /// "The actions are completed atomically so that either all of them succeed or none of them succeeds." Source:
    /// Amazon DynamoDB Developer Guide, "Amazon DynamoDB Transactions: How it works".
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
        if !is_move && progress.reports_held() && items.cursor.through != progress.through {
            return Moved::Overtaken;
        }
        let mark = items.cursor.behind.as_ref().map(|behind| behind.mark.as_str());
        if mark.is_some() && mark == mark_to_clear {
            items.cursor.behind = None;
        }
        if let Some(HeldAtHead { oldest, is_known }) = &progress.held {
            // If the table's state is known and the cursor does not move, the product makes no request.
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
        for (lead, change) in &progress.leads {
            let lead = items.leads.entry(lead.to_string()).or_default();
            if change.closed.is_some() {
                *lead = Lead::default();
            } else if change.opened.is_some() {
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

    /// The due work of one kind in the index `open-work`, all in one shard. Like [`Index`](super::index::Index) it lags
    /// behind the table: with noise, some work is not found.
    pub(crate) fn due(
        &self,
        kind: WorkKind,
        until: Timestamp,
        after: Option<&WorkPlace>,
        limit: usize,
        mut noise: Option<&mut Chance>,
    ) -> WorkPage {
        let mut found: Vec<(WorkPlace, OpenWork)> = self
            .open(kind)
            .filter(|(place, work)| work.due <= until && after.is_none_or(|after| place > after))
            .filter(|_| !noise.as_deref_mut().is_some_and(|chance| chance.per_mille(100)))
            .collect();
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        let is_last = found.len() <= limit;
        found.truncate(limit);
        let next = found.last().filter(|_| !is_last).map(|(place, _)| place.clone());
        WorkPage { items: found.into_iter().map(|(_, work)| Ok(work)).collect(), next }
    }

    /// The open work of one kind, due or not.
    pub(crate) fn open(&self, kind: WorkKind) -> impl Iterator<Item = (WorkPlace, OpenWork)> + '_ {
        let buyers = self
            .buyers
            .iter()
            .filter_map(|(buyer, items)| BuyerId::parse(buyer).ok().map(|buyer| (buyer, items)));
        buyers.flat_map(move |(buyer, items)| {
            let work = |due: Timestamp, name: &str, what| {
                let place = WorkPlace { due: written(due), buyer: buyer.to_string(), kind: name.to_owned() };
                (place, OpenWork { buyer: buyer.clone(), due, what })
            };
            let found: Vec<_> = match kind {
                WorkKind::Behind => {
                    let behind = items.cursor.behind.iter();
                    behind.map(|behind| work(behind.not_before, "cursor", Open::Behind)).collect()
                }
                WorkKind::Held => {
                    let held = items.held.iter();
                    held.map(|held| work(held.due, "held", Open::Held(held.clone()))).collect()
                }
                WorkKind::Email => {
                    let due = items.ledger.iter().filter_map(|(key, entry)| Some((key, entry, entry.due?)));
                    due.map(|(key, entry, due)| {
                        let what = Open::Email { key: key.clone(), entry: Box::new(entry.clone()) };
                        work(due, &format!("email/{key}"), what)
                    })
                    .collect()
                }
            };
            found
        })
    }

    /// Takes the sweeper's lease, on the condition that it is free, expired, or already this one.
    #[expect(clippy::option_option, reason = "the trait returns this type")]
    pub(crate) fn begin(&mut self, lease: &Lease) -> Option<Option<Walked>> {
        let is_taken = |current: &Lease| current.nonce != lease.nonce && current.until >= lease.now;
        if self.lease.as_ref().is_some_and(is_taken) {
            return None;
        }
        self.lease = Some(lease.clone());
        Some(self.walked)
    }

    pub(crate) fn end(&mut self, lease: &Lease) {
        if self.lease.as_ref().is_some_and(|current| current.nonce == lease.nonce) {
            self.lease = None;
        }
    }

    /// Adds an address to the set of those that get no more mail. This cannot be undone.
    pub(crate) fn stop(&mut self, buyer: &str, address: &AddressDigest) {
        self.of(buyer).cursor.stopped.insert(address.clone());
    }

    /// Records a receipt, on the condition that the ledger entry is unchanged and belongs to the receipt's attempt.
    pub(crate) fn apply_receipt(
        &mut self,
        receipt: &Receipt,
        now: Timestamp,
        off: Option<Safeguard>,
    ) -> ReceiptOutcome {
        let Some(entry) = self.of(receipt.buyer.as_str()).ledger.get_mut(&receipt.effect) else {
            return ReceiptOutcome::NoSuchEmail;
        };
        if entry.nonce != receipt.nonce {
            return ReceiptOutcome::OtherAttempt;
        }
        let reported = match receipt.kind {
            Kind::Delayed => return ReceiptOutcome::Known,
            Kind::Rejected | Kind::NotRendered => Status::Rejected,
            Kind::Sent | Kind::Delivered | Kind::NotSpam | Kind::Bounced { .. } | Kind::Complained { .. } => {
                Status::Sent
            }
        };
        let is_forward = match entry.status {
            Status::Rejected => off == Some(Safeguard::ForwardOnly),
            Status::Sent => reported == Status::Rejected,
            Status::Sending
            | Status::Unknown
            | Status::Abandoned
            | Status::Retry
            | Status::Superseded
            | Status::Suppressed => true,
        };
        let is_new = entry.message_id.is_none() || is_forward;
        if is_forward {
            entry.status = reported;
            entry.due = None;
            entry.since = now;
            entry.reason = None;
            entry.is_unsent = false;
        }
        entry.message_id.get_or_insert_with(|| receipt.message_id.clone());
        if is_new { ReceiptOutcome::Settled } else { ReceiptOutcome::Known }
    }

    /// Records how far the sweeper has walked. Each value only moves forward.
    pub(crate) fn set_walked(&mut self, walked: Walked) {
        self.walked = Some(self.walked.map_or(walked, |known| known.and(walked)));
    }

    pub(crate) fn mark_behind(&mut self, buyer: &str, behind: &Behind) {
        self.of(buyer).cursor.behind = Some(behind.clone());
    }

    /// Claims an e-mail: writes the ledger entry under its condition, and checks that the stream has not moved on, in
    /// one transaction. The first condition that fails is reported.
    pub(crate) fn claim(&mut self, claim: &Claim, head_moved: bool, off: Option<Safeguard>) -> Claimed {
        let ledger = &mut self.of(claim.buyer.as_str()).ledger;
        let known = ledger.get(&claim.key);
        if off != Some(Safeguard::ClaimCondition) {
            match known {
                Some(known) if !is_free(known, claim) => {
                    let is_ours = known.nonce == claim.nonce;
                    return if is_ours { Claimed::Ours } else { Claimed::Taken(Box::new(known.clone())) };
                }
                None if claim.found.is_some() => return Claimed::HeadMoved,
                Some(_) | None => {}
            }
        }
        if head_moved && off != Some(Safeguard::HeadCheck) {
            return Claimed::HeadMoved;
        }
        let found = known.filter(|_| claim.found.is_some());
        let entry = claimed(claim, found);
        ledger.insert(claim.key.clone(), entry);
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
        verdict: &Verdict,
        head_moved: bool,
        off: Option<Safeguard>,
    ) -> Settled {
        let Some(entry) = self.of(buyer).ledger.get_mut(key) else { return Settled::Changed };
        let is_its = entry.nonce == verdict.nonce;
        if !(is_its || off == Some(Safeguard::SettleNonce)) || !verdict.from.contains(&entry.status) {
            let is_so = is_its && entry.status == verdict.status;
            return if is_so {
                Settled::Already { by_us: entry.since == verdict.now }
            } else {
                Settled::Changed
            };
        }
        let is_unfenced = off.is_some() && off == Safeguard::fence_of(verdict.status);
        if head_moved && verdict.head.is_some() && !is_unfenced {
            return Settled::HeadMoved;
        }
        entry.status = verdict.status;
        entry.due = verdict.due;
        entry.since = verdict.now;
        if verdict.message_id.is_some() {
            entry.message_id.clone_from(&verdict.message_id);
        }
        match verdict.status {
            Status::Sent => {
                entry.is_unsent = false;
                entry.reason = None;
            }
            Status::Unknown => entry.is_unsent = false,
            Status::Sending
            | Status::Rejected
            | Status::Retry
            | Status::Abandoned
            | Status::Superseded
            | Status::Suppressed => {}
        }
        if verdict.reason.is_some() {
            entry.reason.clone_from(&verdict.reason);
        }
        Settled::Done
    }
}

/// The ledger entry that a claim writes, as a new one or in place of the one that was found due.
pub(crate) fn claimed(claim: &Claim, found: Option<&LedgerEntry>) -> LedgerEntry {
    let reason = claim.taking.reason().map(str::to_owned);
    LedgerEntry {
        status: match claim.taking {
            Taking::Attempt(_) => Status::Sending,
            Taking::Park(_) => Status::Retry,
            Taking::Reject(_) => Status::Rejected,
        },
        nonce: claim.nonce.clone(),
        sequence: claim.sequence,
        address: claim.address.clone(),
        due: claim.taking.due(),
        first_tried_at: claim.first_tried_at,
        is_unsent: found.is_none_or(|found| found.is_unsent),
        since: claim.now,
        message_id: None,
        reason: reason.or_else(|| found.and_then(|found| found.reason.clone())),
        receipts: ReceiptRecord::default(),
        act: found.and_then(|found| found.act.clone()),
    }
}

/// Whether an entry can be claimed by a reactor, or by the sweeper if the claim names a found entry: rules 3 and 10 of
/// the protocol.
fn is_free(entry: &LedgerEntry, claim: &Claim) -> bool {
    if let Some(found) = &claim.found {
        return entry.status == Status::Retry && entry.nonce == *found;
    }
    match entry.status {
        Status::Superseded => true,
        Status::Rejected => entry.address != claim.address,
        Status::Abandoned => entry.is_unsent && entry.sequence < claim.sequence,
        Status::Retry | Status::Sending | Status::Sent | Status::Unknown | Status::Suppressed => false,
    }
}
