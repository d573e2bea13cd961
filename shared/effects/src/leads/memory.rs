use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use contract::receipt::Receipt;
use domain::{BuyerId, LeadId, Sequence};
use jiff::Timestamp;

use super::{
    AddressDigest, Behind, Claim, Claimed, Cursor, Cursors, Heard, Held, HeldAtHead, LeadTold,
    LeadsUnavailable, Learned, Ledger, LedgerEntry, Moved, Open, OpenWork, Outcome, Progress, Receipts,
    Status, Verdict, Walked, Work, is_claimable, receipts,
};

/// A question to the streams table: whether a commit exists at this sequence number of this buyer.
type CommitExists = Box<dyn Fn(&BuyerId, Sequence) -> bool>;

/// The leads table in memory, for tests: the same promises as DynamoDB's, and nothing that can fail.
pub struct MemoryLeads {
    commit_exists: CommitExists,
    tables: RefCell<Tables>,
}

/// Everything in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// By buyer.
    pub cursors: BTreeMap<BuyerId, Cursor>,
    /// By buyer and lead.
    pub leads: BTreeMap<(BuyerId, LeadId), LeadTold>,
    /// By buyer and effect key.
    pub ledger: BTreeMap<(BuyerId, String), LedgerEntry>,
    /// By buyer, sequence and effect key.
    pub settled: BTreeMap<(BuyerId, Sequence, String), Outcome>,
    /// By buyer.
    pub held: BTreeMap<BuyerId, Held>,
    /// How far the sweeper has walked.
    pub walked: Option<Walked>,
}

impl MemoryLeads {
    /// An empty table beside these streams.
    #[must_use]
    pub fn beside(commit_exists: impl Fn(&BuyerId, Sequence) -> bool + 'static) -> Self {
        Self { commit_exists: Box::new(commit_exists), tables: RefCell::default() }
    }

    /// A copy of everything in it.
    #[must_use]
    pub fn tables(&self) -> Tables {
        self.tables.borrow().clone()
    }
}

impl MemoryLeads {
    /// What `DynamoLeads::resend` does.
    #[must_use]
    pub fn resend(&self, buyer: &BuyerId, key: &str, found: &LedgerEntry, now: Timestamp) -> bool {
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
        entry.first_tried_at = now;
        true
    }

    /// What `DynamoLeads::allow` does.
    #[must_use]
    pub fn allow(&self, buyer: &BuyerId, found: &BTreeSet<AddressDigest>) -> bool {
        let mut tables = self.tables.borrow_mut();
        let cursor = tables.cursors.get_mut(buyer).filter(|cursor| cursor.stopped == *found);
        cursor.is_some_and(|cursor| !mem::take(&mut cursor.stopped).is_empty())
    }
}

impl Cursors for MemoryLeads {
    async fn cursor(&self, buyer: &BuyerId) -> Result<Cursor, LeadsUnavailable> {
        Ok(self.tables.borrow().cursors.get(buyer).cloned().unwrap_or_default())
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
            progress.tells_of_held() && cursor.through > progress.through
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
        for (lead, told) in &progress.leads {
            tables.leads.entry((buyer.clone(), lead.clone())).or_default().merge(told.clone());
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
}

impl Ledger for MemoryLeads {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, LeadsUnavailable> {
        let mut tables = self.tables.borrow_mut();
        let place = (claim.buyer.clone(), claim.key.clone());
        let entry = tables.ledger.get(&place);
        if let Some(entry) = entry.filter(|entry| !is_claimable(Some(entry), claim)) {
            let is_ours = entry.nonce == claim.nonce;
            return Ok(if is_ours { Claimed::Ours } else { Claimed::Held(Box::new(entry.clone())) });
        }
        if (self.commit_exists)(&claim.buyer, claim.head.next()) {
            return Ok(Claimed::HeadMoved);
        }
        let first_tried_at = entry
            .filter(|entry| entry.status == Status::Retry)
            .map_or(claim.now, |entry| entry.first_tried_at);
        let entry = LedgerEntry {
            status: claim.status(),
            nonce: claim.nonce.clone(),
            sequence: claim.sequence,
            address: claim.address.clone(),
            due: (!claim.is_shadow).then_some(claim.deadline),
            first_tried_at,
            since: claim.now,
            message_id: None,
            reason: None,
            heard: Heard::default(),
        };
        tables.ledger.insert(place, entry);
        Ok(Claimed::Ours)
    }

    async fn settle(
        &self,
        buyer: &BuyerId,
        key: &str,
        nonce: &str,
        verdict: &Verdict,
    ) -> Result<bool, LeadsUnavailable> {
        let mut tables = self.tables.borrow_mut();
        let entry = tables.ledger.get_mut(&(buyer.clone(), key.to_owned()));
        let is_open = |entry: &LedgerEntry| match entry.status {
            Status::Sending | Status::Unknown => true,
            Status::Abandoned => verdict.is_final(),
            Status::Sent | Status::Rejected | Status::Retry | Status::Superseded | Status::Suppressed => {
                false
            }
        };
        let Some(entry) = entry.filter(|entry| entry.nonce == nonce) else {
            return Ok(false);
        };
        if !is_open(entry) {
            return Ok(entry.status == verdict.status);
        }
        entry.status = verdict.status;
        entry.message_id.clone_from(&verdict.message_id);
        entry.reason.clone_from(&verdict.reason);
        entry.due = verdict.due;
        entry.since = verdict.now;
        if matches!(verdict.status, Status::Superseded | Status::Rejected) {
            entry.first_tried_at = verdict.now;
        }
        Ok(true)
    }
}

impl Receipts for MemoryLeads {
    async fn learn(&self, receipt: &Receipt, now: Timestamp) -> Result<Learned, LeadsUnavailable> {
        let mut tables = self.tables.borrow_mut();
        let place = (receipt.buyer.clone(), receipt.effect.clone());
        let Some(entry) = tables.ledger.get(&place) else { return Ok(Learned::NoSuchEmail) };
        if entry.nonce != receipt.nonce {
            return Ok(Learned::OtherAttempt);
        }
        let Some(after) = receipts::after(entry, receipt, now) else { return Ok(Learned::Known) };
        if receipts::stops(receipt.kind) {
            let cursor = tables.cursors.entry(receipt.buyer.clone()).or_default();
            cursor.stopped.insert(after.address.clone());
        }
        tables.ledger.insert(place, after);
        Ok(Learned::Settled)
    }
}

impl Work for MemoryLeads {
    async fn open_work(&self, now: Timestamp, limit: usize) -> Result<Vec<OpenWork>, LeadsUnavailable> {
        let tables = self.tables.borrow();
        let behind = tables.cursors.iter().filter_map(|(buyer, cursor)| {
            let due = cursor.behind.as_ref()?.not_before;
            Some(OpenWork { buyer: buyer.clone(), due, what: Open::Behind })
        });
        let emails = tables.ledger.iter().filter_map(|((buyer, key), entry)| {
            let what = Open::Email { key: key.clone(), entry: Box::new(entry.clone()) };
            Some(OpenWork { buyer: buyer.clone(), due: entry.due?, what })
        });
        let held = tables.held.iter().map(|(buyer, held)| OpenWork {
            buyer: buyer.clone(),
            due: held.due,
            what: Open::Held(held.clone()),
        });
        let mut due: Vec<OpenWork> =
            behind.chain(emails).chain(held).filter(|work| work.due <= now).collect();
        due.sort_by_key(|work| work.due);
        due.truncate(limit);
        Ok(due)
    }

    async fn close(
        &self,
        buyer: &BuyerId,
        key: &str,
        found: &LedgerEntry,
        status: Status,
        now: Timestamp,
    ) -> Result<bool, LeadsUnavailable> {
        let mut tables = self.tables.borrow_mut();
        let Some(entry) = tables.ledger.get_mut(&(buyer.clone(), key.to_owned())) else { return Ok(false) };
        if entry.nonce != found.nonce || entry.status != found.status {
            return Ok(false);
        }
        entry.status = status;
        entry.due = None;
        entry.since = now;
        entry.first_tried_at = now;
        Ok(true)
    }

    async fn walked(&self) -> Result<Option<Walked>, LeadsUnavailable> {
        Ok(self.tables.borrow().walked)
    }

    async fn set_walked(&self, walked: Walked) -> Result<(), LeadsUnavailable> {
        let mut tables = self.tables.borrow_mut();
        tables.walked = Some(tables.walked.map_or(walked, |known| known.and(walked)));
        Ok(())
    }
}
