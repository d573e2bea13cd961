//! The AWS that the product runs on here: every rule that it relies on, in AWS's words and with the page they are from, and
//! everything that AWS is free to do within them.

mod events;
mod feed;
mod index;
mod leads;
mod outside;
mod queue;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use contract::receipt::Receipt;
use contract::stored::StoredCommit;
use domain::BuyerId;
use effects::leads::{
    AddressDigest, Behind, Claim, Claimed, Learned, LedgerEntry, Moved, Progress, Status, Verdict, Walked,
};
use effects::mail::Email;
use effects::outside::{Delivery, SalesMessage};
use event_store::{Appended, FeedEntry, Page};
use events::Events;
pub(crate) use feed::Doorbell;
use feed::Feed;
use index::Index;
use jiff::Timestamp;
pub(crate) use leads::{Leads, claimed};
pub(crate) use outside::{Fate, Mail};
use outside::{Sales, Ses};
use queue::Queue;
pub(crate) use queue::{Received, message_id};
use recorder::dead_letters::DeadLetter;
pub(crate) use streams::SPOILT;
use streams::Streams;

use crate::call::timestamp;
use crate::chance::Chance;
use crate::fault::Site;
use crate::logs::is_personal;
use crate::safeguard::Safeguard;
use crate::sight::{Sight, Sights};
use crate::strategy::Strategy;
use crate::world::HOUR;

/// A message that the recorder set aside, and how long its buyer's stream was then.
#[derive(Debug, Clone)]
pub(crate) struct SetAside {
    pub(crate) letter: DeadLetter,
    pub(crate) head: u64,
}

/// A claim that was granted, and how long the stream was then.
#[derive(Debug, Clone)]
pub(crate) struct Granted {
    pub(crate) buyer: String,
    pub(crate) key: String,
    pub(crate) head: u64,
}

/// A write that may land when its sender has long gone on.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Append(StoredCommit),
    Letter(DeadLetter),
    MoveCursor(BuyerId, Progress, Option<String>),
    Mark(BuyerId, Behind),
    Claim(Claim),
    Settle(BuyerId, String, String, Verdict),
    Close(BuyerId, String, Box<LedgerEntry>, Status, Timestamp),
    Walked(Walked),
    Email(Email),
    Sales(SalesMessage),
    Stop(BuyerId, AddressDigest, Receipt),
    Learn(Receipt, Timestamp),
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Platform {
    /// Milliseconds since the run began.
    pub(crate) now: i64,
    pub(crate) chance: Chance,
    /// Whether it makes use of what it is free to do.
    pub(crate) is_noisy: bool,
    pub(crate) off: Option<Safeguard>,
    pub(crate) strategy: Option<Strategy>,
    /// What was claimed, by nonce, where strategies are compared.
    claims: BTreeMap<String, LedgerEntry>,
    /// Groups with a message that was redriven.
    pub(crate) redriven: BTreeSet<String>,
    pub(crate) queue: Queue,
    pub(crate) letters: Vec<SetAside>,
    pub(crate) streams: Streams,
    pub(crate) feed: Feed,
    pub(crate) index: Index,
    pub(crate) leads: Leads,
    pub(crate) ses: Ses,
    /// What SES tells of mails.
    pub(crate) events: Events,
    /// What was learned of each attempt: whether SES threw it away.
    pub(crate) heard: BTreeMap<String, bool>,
    /// When each address of a buyer was stopped, in steps.
    pub(crate) stops: BTreeMap<(String, String), u64>,
    /// Mails that were asked for although their worker could have known better.
    pub(crate) asked_in_spite: Vec<(String, String)>,
    steps: u64,
    pub(crate) sales: Sales,
    pub(crate) late: Vec<(i64, Request)>,
    pub(crate) granted: Vec<Granted>,
    /// How many e-mails faults may have left in doubt.
    pub(crate) doubts: usize,
    /// Whether something personal stood where nothing personal may.
    pub(crate) leaks: Vec<String>,
    pub(crate) sights: Sights,
    /// How often the recorder panicked by a fault.
    pub(crate) panics: usize,
    pub(crate) trace: Option<String>,
    pub(crate) calls: [usize; Site::ALL.len()],
    nonces: u64,
}

impl Platform {
    pub(crate) fn new(chance: Chance, is_noisy: bool, off: Option<Safeguard>, has_trace: bool) -> Self {
        Self {
            now: 0,
            chance,
            is_noisy,
            off,
            strategy: None,
            claims: BTreeMap::new(),
            redriven: BTreeSet::new(),
            queue: Queue::default(),
            letters: Vec::new(),
            streams: Streams::default(),
            feed: Feed::default(),
            index: Index::default(),
            leads: Leads::default(),
            ses: Ses::default(),
            events: Events::default(),
            heard: BTreeMap::new(),
            stops: BTreeMap::new(),
            asked_in_spite: Vec::new(),
            steps: 0,
            sales: Sales::default(),
            late: Vec::new(),
            granted: Vec::new(),
            doubts: 0,
            leaks: Vec::new(),
            sights: Sights::default(),
            panics: 0,
            trace: has_trace.then(String::new),
            calls: [0; Site::ALL.len()],
            nonces: 0,
        }
    }

    pub(crate) fn log(&mut self, words: std::fmt::Arguments<'_>) {
        if let Some(trace) = &mut self.trace {
            // Writing to a String cannot fail.
            let _ = writeln!(
                trace,
                "{:>12.3} {words}",
                std::time::Duration::from_millis(self.now.unsigned_abs()).as_secs_f64()
            );
        }
    }

    pub(crate) fn nonce(&mut self) -> String {
        self.nonces += 1;
        format!("n{}", self.nonces)
    }

    pub(crate) fn is_off(&self, safeguard: Safeguard) -> bool {
        self.off == Some(safeguard)
    }

    pub(crate) fn append(&mut self, commit: &StoredCommit) -> Appended {
        let appended = self.streams.append(commit, !self.is_off(Safeguard::PutCondition));
        if appended == Appended::Written {
            let noise = self.is_noisy.then_some(&mut self.chance);
            if !self.feed.ring(self.now, &commit.buyer, commit.sequence, noise) {
                self.sights.add(Sight::LostDoorbell);
                let by_its_clock = FeedEntry::of(commit).map(|entry| entry.recorded_at);
                if by_its_clock.is_some_and(|at| at < timestamp(self.now - HOUR / 2)) {
                    self.sights.add(Sight::LostAndSlow);
                }
            }
            let noise = self.is_noisy.then_some(&mut self.chance);
            self.index.add(self.now, commit, noise);
        } else {
            self.sights.add(Sight::Conflict);
        }
        appended
    }

    pub(crate) fn page(&mut self, buyer: &str, before: Option<u64>, limit: usize) -> Page {
        self.streams.page(buyer, before, limit, self.is_noisy.then_some(&mut self.chance))
    }

    pub(crate) fn set_aside(&mut self, letter: &DeadLetter) {
        for words in [letter.reason, &letter.detail, &letter.source] {
            self.nothing_personal(words);
        }
        self.sights.add(match letter.reason {
            "contradiction" => Sight::Contradicted,
            "too-many-held" => Sight::TooManyHeld,
            "breaks-the-recorder" => Sight::Breaking,
            _ => Sight::Poison,
        });
        let head = self.streams.last(&letter.group);
        self.letters.push(SetAside { letter: letter.clone(), head });
    }

    /// A dead letter gets another try, under a new deduplication id.
    pub(crate) fn redrive(&mut self, at: usize) {
        let letter = self.letters.swap_remove(at).letter;
        let post = letter.message_id.trim_start_matches('m').parse::<usize>().ok();
        let post = post.and_then(|id| self.queue.posts.get(id).copied()).unwrap_or(usize::MAX);
        let dedup = self.nonce();
        self.log(format_args!("redrive of {}", letter.message_id));
        self.queue.send(self.now, &letter.group, &dedup, &letter.body, post);
        self.redriven.insert(letter.group);
        self.sights.add(Sight::Redriven);
    }

    pub(crate) fn has_sweeper(&self) -> bool {
        !self.is_off(Safeguard::Sweeper) && !self.is(Strategy::TrustFeed)
    }

    pub(crate) fn is(&self, strategy: Strategy) -> bool {
        self.strategy == Some(strategy)
    }

    pub(crate) fn move_cursor(&mut self, buyer: &str, progress: &Progress, mark: Option<&str>) -> Moved {
        let off = self.is(Strategy::TrustFeed).then_some(Safeguard::CursorCondition).or(self.off);
        self.leads.move_cursor(buyer, progress, mark, off)
    }

    pub(crate) fn mark_behind(&mut self, buyer: &str, behind: &Behind) {
        self.nothing_personal(&behind.reason);
        if self.is_off(Safeguard::BehindMark) {
            return;
        }
        self.leads.mark_behind(buyer, behind);
    }

    pub(crate) fn claim(&mut self, claim: &Claim) -> Claimed {
        let buyer = claim.buyer.as_str();
        let head_moved = self.streams.has(buyer, claim.head.get() + 1);
        let is_repeat = self.leads.entry(buyer, &claim.key).is_some_and(|entry| entry.nonce == claim.nonce);
        let other = self.strategy.and_then(|strategy| strategy.claim(&mut self.leads, claim));
        if self.strategy.is_some() {
            self.claims.insert(claim.nonce.clone(), claimed(claim, None));
        }
        let off = self.is(Strategy::TrustFeed).then_some(Safeguard::HeadCheck).or(self.off);
        let claimed = other.unwrap_or_else(|| self.leads.claim(claim, head_moved, off));
        match claimed {
            Claimed::Ours => {}
            Claimed::HeadMoved => self.sights.add(Sight::HeadMoved),
            Claimed::Held(_) => self.sights.add(Sight::ClaimHeld),
        }
        if claimed == Claimed::Ours && !is_repeat {
            // A claim that lands again hours later begins anew under its old nonce: what was told of that says nothing of this.
            self.heard.remove(&claim.nonce);
            let head = self.streams.last(buyer);
            self.granted.push(Granted { buyer: buyer.to_owned(), key: claim.key.clone(), head });
        }
        self.log(format_args!("  {buyer}/{} as {}: {claimed:?}", claim.key, claim.nonce));
        claimed
    }

    pub(crate) fn settle(&mut self, buyer: &str, key: &str, nonce: &str, verdict: &Verdict) -> bool {
        self.log(format_args!("  {buyer}/{key} as {nonce}: {verdict:?}"));
        match verdict.status {
            Status::Unknown => self.sights.add(Sight::Doubt),
            Status::Retry => self.sights.add(Sight::NotNow),
            Status::Rejected => self.sights.add(Sight::Refused),
            Status::Sending | Status::Sent | Status::Abandoned | Status::Superseded | Status::Suppressed => {}
        }
        if let Some(reason) = &verdict.reason {
            self.nothing_personal(reason);
        }
        if let Some(strategy) = self.strategy
            && let Some(entry) = self.claims.get(nonce).cloned()
            && let Some(settled) = strategy.settle(&mut self.leads, buyer, key, entry, verdict)
        {
            return settled;
        }
        self.leads.settle(buyer, key, nonce, verdict, self.off)
    }

    pub(crate) fn close(
        &mut self,
        buyer: &str,
        key: &str,
        found: &LedgerEntry,
        status: Status,
        now: Timestamp,
    ) -> bool {
        self.log(format_args!("  {buyer}/{key} as {}: {status:?}", found.nonce));
        self.leads.close(buyer, key, found, status, now)
    }

    /// Steps count what comes before what, which time does not.
    pub(crate) const fn step(&mut self) -> u64 {
        self.steps += 1;
        self.steps
    }

    /// The address on the buyer's cursor item.
    pub(crate) fn stop(&mut self, buyer: &BuyerId, address: &AddressDigest, receipt: &Receipt) {
        let mail = self.ses.mails.iter().find(|mail| mail.nonce == receipt.nonce && mail.fate.stops());
        if let Some(stopped) = mail.map(|mail| (mail.buyer.clone(), mail.to.clone())) {
            let step = self.step();
            self.stops.entry(stopped).or_insert(step);
        }
        if !self.is_off(Safeguard::Stop) {
            self.leads.stop(buyer.as_str(), address);
        }
    }

    pub(crate) fn learn(&mut self, receipt: &Receipt, now: Timestamp) -> Learned {
        let status = self.leads.entry(receipt.buyer.as_str(), &receipt.effect).map(|entry| entry.status);
        let learned = self.leads.learn(receipt, now, self.off);
        if learned == Learned::OtherAttempt || learned == Learned::NoSuchEmail {
            self.sights.add(Sight::Forged);
        } else {
            if matches!(status, Some(Status::Sending | Status::Unknown)) {
                self.sights.add(Sight::EarlyReceipt);
            }
            let is_thrown_away = receipt.kind == contract::receipt::Kind::Rejected;
            *self.heard.entry(receipt.nonce.clone()).or_default() |= is_thrown_away;
        }
        learned
    }

    pub(crate) fn send_email(&mut self, email: &Email) -> Delivery {
        let known = self.ses.mails.len();
        let delivery = self.attempt(email);
        let is_told = self.strategy.is_none();
        for mail in self.ses.mails.iter().skip(known).filter(|_| is_told) {
            // Without noise only bounces are told: the rest says nothing new.
            if self.is_noisy || mail.fate == Fate::Bounced {
                self.events.tell(self.now, mail, self.is_noisy.then_some(&mut self.chance));
            }
        }
        delivery
    }

    fn attempt(&mut self, email: &Email) -> Delivery {
        let mut delivery = self.ses.send(self.now, email, self.is_noisy.then_some(&mut self.chance));
        if matches!(delivery, Delivery::Unknown { .. }) {
            self.doubts += 1;
            if self.is_off(Safeguard::OneAttempt) {
                delivery = self.ses.send(self.now, email, self.is_noisy.then_some(&mut self.chance));
            }
        }
        delivery
    }

    pub(crate) fn tell_sales(&mut self, message: &SalesMessage) {
        if self.sales.send(self.now, message) {
            self.sights.add(Sight::ToldAgain);
        }
    }

    /// A request lands that its sender has given up, or that the SDK has sent twice.
    pub(crate) fn land(&mut self, request: &Request) {
        match request {
            Request::Append(commit) => drop(self.append(commit)),
            Request::Letter(letter) => self.set_aside(letter),
            Request::MoveCursor(buyer, progress, mark) => {
                self.move_cursor(buyer.as_str(), progress, mark.as_deref());
            }
            Request::Mark(buyer, behind) => self.mark_behind(buyer.as_str(), behind),
            Request::Claim(claim) => drop(self.claim(claim)),
            Request::Settle(buyer, key, nonce, verdict) => {
                self.settle(buyer.as_str(), key, nonce, verdict);
            }
            Request::Close(buyer, key, found, status, now) => {
                self.close(buyer.as_str(), key, found, *status, *now);
            }
            Request::Walked(walked) => self.leads.set_walked(*walked),
            Request::Email(email) => drop(self.send_email(email)),
            Request::Sales(message) => self.tell_sales(message),
            Request::Stop(buyer, address, receipt) => self.stop(buyer, address, receipt),
            Request::Learn(receipt, now) => {
                self.learn(receipt, *now);
            }
        }
    }

    pub(crate) fn nothing_personal(&mut self, text: &str) {
        if is_personal(text) {
            self.leaks.push(text.to_owned());
        }
    }
}
