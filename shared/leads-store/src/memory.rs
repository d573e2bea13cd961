use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use contract::receipt::Receipt;
use contract::stored::{Act, shard_of};
use domain::{BuyerId, LeadId, Sequence};
use jiff::Timestamp;

use crate::cursor::{Behind, Cursor, Held, HeldAtHead, LeadChange, Moved, Outcome, Progress};
use crate::ledger::{
    AddressDigest, Claim, Claimed, LedgerEntry, ReceiptRecord, Settled, Status, Verdict, is_claimable,
};
use crate::pauses::Pauses;
use crate::receipts::{self, ReceiptOutcome, Receipts};
use crate::store::{LeadsStore, LeadsUnavailable};
use crate::work::{
    Lease, Open, OpenWork, WORK_SHARDS, Walked, WorkCount, WorkKind, WorkPage, WorkPlace, WorkShard,
};

/// A query to the streams table: whether the buyer has a commit at this sequence.
type CommitExists = Box<dyn Fn(&BuyerId, Sequence) -> bool>;

/// A leads table in memory, for tests. It gives the same guarantees as DynamoDB and never fails.
pub struct MemoryLeads {
    commit_exists: CommitExists,
    tables: RefCell<Tables>,
}

/// The contents of a leads table in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// The cursors by buyer.
    pub cursors: BTreeMap<BuyerId, Cursor>,
    /// The announced changes of leads by buyer and lead.
    pub leads: BTreeMap<(BuyerId, LeadId), LeadChange>,
    /// The e-mail ledger by buyer and effect key.
    pub ledger: BTreeMap<(BuyerId, String), LedgerEntry>,
    /// The outcomes of effects by buyer, sequence and effect key.
    pub settled: BTreeMap<(BuyerId, Sequence, String), Outcome>,
    /// The oldest held events by buyer.
    pub held: BTreeMap<BuyerId, Held>,
    /// How far the sweeper has walked.
    pub walked: Option<Walked>,
    /// The current lease of the sweeper.
    pub lease: Option<Lease>,
    /// What operators have paused.
    pub pauses: Pauses,
}

impl MemoryLeads {
    /// An empty table. `commit_exists` answers whether the streams beside it have a commit at a sequence.
    #[must_use]
    pub fn beside(commit_exists: impl Fn(&BuyerId, Sequence) -> bool + 'static) -> Self {
        Self { commit_exists: Box::new(commit_exists), tables: RefCell::default() }
    }

    /// A copy of the contents.
    #[must_use]
    pub fn tables(&self) -> Tables {
        self.tables.borrow().clone()
    }

    /// The equivalent of `DynamoLeads::resend`.
    #[must_use]
    pub fn resend(&self, buyer: &BuyerId, key: &str, found: &LedgerEntry, now: Timestamp, act: &Act) -> bool {
        let mut tables = self.tables.borrow_mut();
        let entry = tables.ledger.get_mut(&(buyer.clone(), key.to_owned()));
        let is_found = |entry: &&mut LedgerEntry| entry.nonce == found.nonce && entry.status == found.status;
        let Some(entry) = entry.filter(is_found).filter(|entry| entry.status.is_resendable()) else {
            return false;
        };
        entry.status = Status::Retry;
        entry.reason = None;
        entry.due = Some(now);
        entry.since = now;
        entry.first_tried_at = None;
        entry.act = Some(act.clone());
        true
    }

    /// The equivalent of `DynamoLeads::allow`.
    #[must_use]
    pub fn allow(&self, buyer: &BuyerId, found: &BTreeSet<AddressDigest>, act: &Act) -> bool {
        let mut tables = self.tables.borrow_mut();
        let cursor = tables.cursors.get_mut(buyer).filter(|cursor| cursor.stopped == *found);
        cursor.filter(|cursor| !cursor.stopped.is_empty()).is_some_and(|cursor| {
            cursor.stopped.clear();
            cursor.allowed = Some(act.clone());
            true
        })
    }

    /// The equivalent of `DynamoLeads::change_pauses`.
    #[must_use]
    pub fn change_pauses(&self, found: &Pauses, after: &Pauses) -> bool {
        let mut tables = self.tables.borrow_mut();
        let is_unchanged = tables.pauses.version == found.version;
        if is_unchanged {
            tables.pauses.clone_from(after);
        }
        is_unchanged
    }

    fn has_moved(&self, buyer: &BuyerId, head: Sequence) -> bool {
        (self.commit_exists)(buyer, head.next())
    }

    /// All open work of a kind, due or not.
    fn open(&self, kind: WorkKind) -> Vec<OpenWork> {
        let tables = self.tables.borrow();
        match kind {
            WorkKind::Behind => {
                let behind = tables.cursors.iter().filter_map(|(buyer, cursor)| {
                    let due = cursor.behind.as_ref()?.not_before;
                    Some(OpenWork { buyer: buyer.clone(), due, what: Open::Behind })
                });
                behind.collect()
            }
            WorkKind::Email => {
                let emails = tables.ledger.iter().filter_map(|((buyer, key), entry)| {
                    let what = Open::Email { key: key.clone(), entry: Box::new(entry.clone()) };
                    Some(OpenWork { buyer: buyer.clone(), due: entry.due?, what })
                });
                emails.collect()
            }
            WorkKind::Held => {
                let held = tables.held.iter().map(|(buyer, held)| OpenWork {
                    buyer: buyer.clone(),
                    due: held.due,
                    what: Open::Held(held.clone()),
                });
                held.collect()
            }
        }
    }
}

impl LeadsStore for MemoryLeads {
    async fn cursor(&self, buyer: &BuyerId) -> Result<Cursor, LeadsUnavailable> {
        Ok(self.tables.borrow().cursors.get(buyer).cloned().unwrap_or_default())
    }

    async fn cursors(&self, buyers: &[BuyerId]) -> Result<BTreeMap<BuyerId, Cursor>, LeadsUnavailable> {
        let tables = self.tables.borrow();
        let cursor = |buyer: &BuyerId| tables.cursors.get(buyer).cloned().unwrap_or_default();
        Ok(buyers.iter().map(|buyer| (buyer.clone(), cursor(buyer))).collect())
    }

    async fn move_cursor(
        &self,
        buyer: &BuyerId,
        progress: &Progress,
        mark_to_clear: Option<&str>,
    ) -> Result<Moved, LeadsUnavailable> {
        let tables = &mut *self.tables.borrow_mut();
        let cursor = tables.cursors.entry(buyer.clone()).or_default();
        let moves = progress.through > progress.from;
        let is_overtaken = if moves {
            cursor.through >= progress.through
        } else {
            progress.reports_held() && cursor.through > progress.through
        };
        if is_overtaken {
            return Ok(Moved::Overtaken);
        }
        if let Some(HeldAtHead { oldest, is_known }) = &progress.held
            && !(*is_known && (cursor.holds == oldest.is_some() || !moves))
        {
            cursor.holds = oldest.is_some();
            tables.held.remove(buyer);
            tables.held.extend(oldest.clone().map(|oldest| (buyer.clone(), oldest)));
        }
        if cursor.behind.as_ref().is_some_and(|behind| Some(behind.mark.as_str()) == mark_to_clear) {
            cursor.behind = None;
        }
        if !moves {
            return Ok(Moved::Done);
        }
        cursor.through = progress.through;
        for (lead, change) in &progress.leads {
            tables.leads.entry((buyer.clone(), lead.clone())).or_default().merge(change.clone());
        }
        for (sequence, outcomes) in &progress.settled {
            tables.settled.retain(|(of, at, _), _| (of, at) != (buyer, sequence));
            for (key, outcome) in outcomes {
                tables.settled.insert((buyer.clone(), *sequence, key.clone()), *outcome);
            }
        }
        Ok(Moved::Done)
    }

    async fn mark_behind(&self, buyer: &BuyerId, behind: &Behind) -> Result<(), LeadsUnavailable> {
        self.tables.borrow_mut().cursors.entry(buyer.clone()).or_default().behind = Some(behind.clone());
        Ok(())
    }

    async fn claim(&self, claim: &Claim) -> Result<Claimed, LeadsUnavailable> {
        let mut tables = self.tables.borrow_mut();
        let place = (claim.buyer.clone(), claim.key.clone());
        let known = tables.ledger.get(&place);
        if !is_claimable(known, claim) {
            return Ok(match known {
                Some(entry) if entry.nonce == claim.nonce => Claimed::Ours,
                Some(entry) => Claimed::Taken(Box::new(entry.clone())),
                None => Claimed::HeadMoved,
            });
        }
        if self.has_moved(&claim.buyer, claim.head) {
            return Ok(Claimed::HeadMoved);
        }
        let reason = claim.taking.reason().map(str::to_owned);
        let act = known.and_then(|entry| entry.act.clone());
        let known = known.filter(|_| claim.found.is_some()).cloned();
        let fresh = LedgerEntry {
            status: claim.taking.status(),
            nonce: claim.nonce.clone(),
            sequence: claim.sequence,
            address: claim.address.clone(),
            due: claim.taking.due(),
            first_tried_at: claim.first_tried_at,
            is_unsent: true,
            since: claim.now,
            message_id: None,
            reason: reason.clone(),
            receipts: ReceiptRecord::default(),
            act,
        };
        let entry = match known {
            None => fresh,
            Some(LedgerEntry { is_unsent, message_id, reason: before, receipts, .. }) => {
                LedgerEntry { is_unsent, message_id, reason: reason.or(before), receipts, ..fresh }
            }
        };
        tables.ledger.insert(place, entry);
        Ok(Claimed::Ours)
    }

    async fn settle(
        &self,
        buyer: &BuyerId,
        key: &str,
        verdict: &Verdict,
    ) -> Result<Settled, LeadsUnavailable> {
        let mut tables = self.tables.borrow_mut();
        let entry = tables.ledger.get_mut(&(buyer.clone(), key.to_owned()));
        let is_judged =
            |entry: &LedgerEntry| entry.nonce == verdict.nonce && verdict.from.contains(&entry.status);
        let entry = match entry {
            Some(entry) if is_judged(entry) => entry,
            other => return Ok(verdict.refused(other.as_deref())),
        };
        if verdict.head.is_some_and(|head| self.has_moved(buyer, head)) {
            return Ok(Settled::HeadMoved);
        }
        entry.status = verdict.status;
        entry.due = verdict.due;
        entry.since = verdict.now;
        entry.is_unsent &= verdict.keeps_unsent();
        if verdict.message_id.is_some() {
            entry.message_id.clone_from(&verdict.message_id);
        }
        if verdict.reason.is_some() || verdict.status == Status::Sent {
            entry.reason.clone_from(&verdict.reason);
        }
        Ok(Settled::Done)
    }

    async fn due(
        &self,
        shard: WorkShard,
        until: Timestamp,
        after: Option<&WorkPlace>,
        limit: usize,
    ) -> Result<WorkPage, LeadsUnavailable> {
        let mut found: Vec<(WorkPlace, OpenWork)> = self
            .open(shard.kind)
            .into_iter()
            .filter(|work| shard_of(&work.buyer, WORK_SHARDS) == shard.shard && work.due <= until)
            .map(|work| (work.place(), work))
            .filter(|(place, _)| after.is_none_or(|after| place > after))
            .collect();
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        let is_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| is_more).map(|(place, _)| place.clone());
        Ok(WorkPage { items: found.into_iter().map(|(_, work)| Ok(work)).collect(), next })
    }

    async fn count(&self, shard: WorkShard, _: Option<&WorkPlace>) -> Result<WorkCount, LeadsUnavailable> {
        let is_in = |work: &&OpenWork| shard_of(&work.buyer, WORK_SHARDS) == shard.shard;
        let count = self.open(shard.kind).iter().filter(is_in).count() as u64;
        Ok(WorkCount { count, next: None })
    }

    /// Postpones only e-mails. No item in memory is unreadable, so a test postpones a readable one.
    async fn postpone(&self, place: &WorkPlace, until: Timestamp) -> Result<(), LeadsUnavailable> {
        let found = self.open(WorkKind::Email).into_iter().find(|work| work.place() == *place);
        if let Some(OpenWork { buyer, what: Open::Email { key, .. }, .. }) = found
            && let Some(entry) = self.tables.borrow_mut().ledger.get_mut(&(buyer, key))
        {
            entry.due = Some(until);
        }
        Ok(())
    }

    async fn begin(&self, lease: &Lease) -> Result<Option<Option<Walked>>, LeadsUnavailable> {
        let mut tables = self.tables.borrow_mut();
        let is_free = |current: &Lease| current.nonce == lease.nonce || current.until < lease.now;
        if !tables.lease.as_ref().is_none_or(is_free) {
            return Ok(None);
        }
        tables.lease = Some(lease.clone());
        Ok(Some(tables.walked))
    }

    async fn set_walked(&self, walked: Walked) -> Result<(), LeadsUnavailable> {
        let mut tables = self.tables.borrow_mut();
        tables.walked = Some(tables.walked.map_or(walked, |known| known.and(walked)));
        Ok(())
    }

    async fn end(&self, lease: &Lease) -> Result<(), LeadsUnavailable> {
        self.tables.borrow_mut().lease.take_if(|current| current.nonce == lease.nonce);
        Ok(())
    }

    async fn pauses(&self) -> Result<Pauses, LeadsUnavailable> {
        Ok(self.tables.borrow().pauses.clone())
    }
}

impl Receipts for MemoryLeads {
    async fn apply_receipt(
        &self,
        receipt: &Receipt,
        now: Timestamp,
    ) -> Result<ReceiptOutcome, LeadsUnavailable> {
        let mut tables = self.tables.borrow_mut();
        let place = (receipt.buyer.clone(), receipt.effect.clone());
        let Some(entry) = tables.ledger.get(&place) else { return Ok(ReceiptOutcome::NoSuchEmail) };
        if entry.nonce != receipt.nonce {
            return Ok(ReceiptOutcome::OtherAttempt);
        }
        let Some(after) = receipts::after(entry, receipt, now) else { return Ok(ReceiptOutcome::Known) };
        if receipts::stops(receipt.kind) {
            let cursor = tables.cursors.entry(receipt.buyer.clone()).or_default();
            cursor.stopped.insert(after.address.clone());
        }
        tables.ledger.insert(place, after);
        Ok(ReceiptOutcome::Settled)
    }
}
