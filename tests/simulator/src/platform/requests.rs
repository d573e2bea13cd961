//! The requests of the product to the platform, and the records that the checker needs of them. The calls are made in
//! `adapters`.

use contract::dead_letter::Reason;
use contract::receipt::Receipt;
use contract::stored::StoredCommit;
use domain::BuyerId;
use effects::mail::Email;
use effects::outside::{Delivery, SalesMessage};
use event_store::{Appended, FeedEntry, Page};
use jiff::Timestamp;
use leads_store::{
    AddressDigest, Behind, Claim, Claimed, LedgerEntry, Moved, Pausable, Progress, ReceiptOutcome, Settled,
    Status, Taking, Verdict,
};
use recorder::dead_letters::DeadLetter;

use super::{AnnouncementsPending, Fate, GivenUp, Granted, Leads, Platform, Request, SetAside, claimed};
use crate::chance::{HOUR, timestamp};
use crate::plan::{Safeguard, Strategy};
use crate::sight::Sight;

/// The time of a decision that is not known, because its request takes effect late.
const LONG_AGO: i64 = i64::MIN;

impl Platform {
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
        for words in [letter.reason.name(), &letter.detail, &letter.source] {
            self.check_not_personal(words);
        }
        self.sights.add(match letter.reason {
            Reason::Contradiction => Sight::Contradicted,
            Reason::Voided => Sight::VoidedArrives,
            Reason::TooManyHeld => Sight::TooManyHeld,
            Reason::BreaksTheRecorder => Sight::Breaking,
            Reason::TooLarge
            | Reason::NotJson
            | Reason::NotAnOfferEvent
            | Reason::UnknownType
            | Reason::WrongGroup
            | Reason::TooManyReceives => Sight::Poison,
        });
        let head = self.streams.last(&letter.group);
        self.letters.push(SetAside { letter: letter.clone(), head });
    }

    /// Looks up a buyer in the former system.
    pub(crate) fn look_up(&mut self, buyer: &str) -> Option<String> {
        if self.is_off(Safeguard::HandoverInShadow)
            && let Ok(answer) = self.hand_over(buyer)
        {
            return answer;
        }
        let former = self.former.as_ref()?;
        let is_again = former.has_handed_over(buyer) && !self.is_live(buyer);
        let answer = former.look_up(buyer);
        if is_again {
            self.sights.add(Sight::LookedAgain);
            if self.is_off(Safeguard::LookAgain) {
                return answer.map(|answer| answer.replace("\"handedOver\":true", "\"handedOver\":false"));
            }
        }
        answer
    }

    /// Asks the former system to hand over a buyer.
    pub(crate) fn hand_over(&mut self, buyer: &str) -> Result<Option<String>, AnnouncementsPending> {
        let off = self.off;
        let Some(former) = &mut self.former else { return Ok(None) };
        let answer = former.hand_over(buyer, off);
        self.sights.add(match answer {
            Ok(Some(_)) => Sight::HandedOver,
            Ok(None) => Sight::HandedOverUnknown,
            Err(AnnouncementsPending) => Sight::HandoverRefused,
        });
        if answer.is_ok() {
            let step = self.step();
            self.handed_over_at.entry(buyer.to_owned()).or_insert(step);
        }
        answer
    }

    pub(crate) fn move_cursor(&mut self, buyer: &str, progress: &Progress, mark: Option<&str>) -> Moved {
        let off = self.is(Strategy::TrustFeed).then_some(Safeguard::CursorCondition).or(self.off);
        self.leads.move_cursor(buyer, progress, mark, off)
    }

    pub(crate) fn mark_behind(&mut self, buyer: &str, behind: &Behind) {
        self.check_not_personal(&behind.reason);
        if behind.reason.contains("paused") {
            self.sights.add(Sight::SalesPaused);
        }
        if self.is_off(Safeguard::BehindMark) {
            return;
        }
        self.leads.mark_behind(buyer, behind);
    }

    /// `judged` is the time at which the worker decided to claim.
    pub(crate) fn claim(&mut self, claim: &Claim, judged: i64) -> Claimed {
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
            Claimed::Ours | Claimed::Unreadable => {}
            Claimed::HeadMoved => self.sights.add(Sight::HeadMoved),
            Claimed::Taken(_) => self.sights.add(Sight::ClaimTaken),
        }
        let is_attempt = matches!(claim.taking, Taking::Attempt(_));
        if claimed == Claimed::Ours && is_attempt && !is_repeat {
            // A claim that takes effect again hours later begins a new attempt under its old nonce. What SES reported
            // on the first attempt does not apply to it.
            self.reported.remove(&claim.nonce);
            let head = self.streams.last(buyer);
            let (nonce, at) = (claim.nonce.clone(), (claim.now, judged));
            self.granted.push(Granted { buyer: buyer.to_owned(), key: claim.key.clone(), head, nonce, at });
        }
        let is_paused = self.pauses.begun(Pausable::Emails).is_some();
        if claimed == Claimed::Ours && matches!(claim.taking, Taking::Park(_)) && is_paused {
            self.sights.add(Sight::EmailPaused);
        }
        self.log(format_args!("  {buyer}/{} as {}: {claimed:?}", claim.key, claim.nonce));
        claimed
    }

    /// `judged` is the time at which the worker decided on the verdict.
    pub(crate) fn settle(&mut self, buyer: &str, key: &str, verdict: &Verdict, judged: i64) -> Settled {
        match verdict.status {
            Status::Unknown => self.sights.add(Sight::Doubt),
            Status::Retry => self.sights.add(Sight::SesThrottles),
            Status::Rejected => self.sights.add(Sight::Refused),
            Status::Abandoned if verdict.head.is_some() => self.sights.add(Sight::LastTry),
            Status::Sending | Status::Sent | Status::Abandoned | Status::Superseded | Status::Suppressed => {}
        }
        if let Some(reason) = &verdict.reason {
            self.check_not_personal(reason);
        }
        if let Some(strategy) = self.strategy
            && let Some(entry) = self.claims.get(&verdict.nonce).cloned()
            && let Some(settled) = strategy.settle(&mut self.leads, buyer, key, entry, verdict)
        {
            return settled;
        }
        let head_moved = verdict.head.is_some_and(|head| self.streams.has(buyer, head.get() + 1));
        let settled = self.leads.settle(buyer, key, verdict, head_moved, self.off);
        if settled == Settled::Done {
            self.note_doubt(buyer, key, verdict, judged);
        }
        if settled == Settled::HeadMoved {
            self.sights.add(Sight::FenceHolds);
        }
        self.log(format_args!("  {buyer}/{key}: {verdict:?}: {settled:?}"));
        settled
    }

    /// Notes since when an e-mail is doubtful, and when it is given up.
    fn note_doubt(&mut self, buyer: &str, key: &str, verdict: &Verdict, judged: i64) {
        if verdict.status == Status::Unknown {
            // The sweeper and the claimant may both find it doubtful, with different clocks.
            let since = self.doubtful.entry(verdict.nonce.clone()).or_insert(verdict.now);
            *since = verdict.now.min(*since);
        }
        if let Some(since) = self.doubtful.get(&verdict.nonce)
            && verdict.status == Status::Abandoned
            && verdict.head.is_none()
        {
            let (buyer, key, at) = (buyer.to_owned(), key.to_owned(), (verdict.now, judged));
            self.given_up.push(GivenUp { buyer, key, doubtful_since: *since, at });
        }
    }

    /// Adds a stopped address to the buyer's cursor item.
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

    pub(crate) fn apply_receipt(&mut self, receipt: &Receipt, now: Timestamp) -> ReceiptOutcome {
        let status = self.leads.entry(receipt.buyer.as_str(), &receipt.effect).map(|entry| entry.status);
        let applied = self.leads.apply_receipt(receipt, now, self.off);
        if applied == ReceiptOutcome::OtherAttempt || applied == ReceiptOutcome::NoSuchEmail {
            self.sights.add(Sight::Forged);
        } else {
            if matches!(status, Some(Status::Sending | Status::Unknown)) {
                self.sights.add(Sight::EarlyReceipt);
            }
            let is_thrown_away = receipt.kind == contract::receipt::Kind::Rejected;
            *self.reported.entry(receipt.nonce.clone()).or_default() |= is_thrown_away;
        }
        applied
    }

    pub(crate) fn send_email(&mut self, email: &Email) -> Delivery {
        let known = self.ses.mails.len();
        let delivery = self.attempt(email);
        let is_reported = self.strategy.is_none();
        let taken = self.ses.mails.iter().skip(known).filter(|mail| mail.fate != Fate::ThrownAway);
        let taken: Vec<_> = taken.map(|mail| (mail.buyer.clone(), mail.key.clone())).collect();
        for (buyer, key) in taken {
            self.announce_ours(&buyer, &key);
        }
        for mail in self.ses.mails.iter().skip(known).filter(|_| is_reported) {
            // Without noise only bounces are reported, because other events add nothing.
            if self.is_noisy || mail.fate == Fate::Bounced {
                self.events.schedule(self.now, mail, self.is_noisy.then_some(&mut self.chance));
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

    pub(crate) fn notify_sales(&mut self, message: &SalesMessage) {
        if self.sales.send(self.now, message) {
            self.sights.add(Sight::SalesRepeated);
        }
        let buyer = message.buyer.as_str();
        if let Some(key) = message.effect_id.strip_prefix(buyer).and_then(|key| key.strip_prefix('/')) {
            self.announce_ours(buyer, key);
        }
    }

    /// Lets a request take effect that its sender has given up, or that the SDK has sent twice.
    pub(crate) fn land(&mut self, request: &Request) {
        match request {
            Request::Append(commit) => drop(self.append(commit)),
            Request::Letter(letter) => self.set_aside(letter),
            Request::MoveCursor(buyer, progress, mark) => {
                self.move_cursor(buyer.as_str(), progress, mark.as_deref());
            }
            Request::Mark(buyer, behind) => self.mark_behind(buyer.as_str(), behind),
            Request::Claim(claim) => drop(self.claim(claim, LONG_AGO)),
            Request::Settle(buyer, key, verdict) => {
                self.settle(buyer.as_str(), key, verdict, LONG_AGO);
            }
            Request::Begin(lease) => drop(self.leads.begin(lease)),
            Request::End(lease) => self.leads.end(lease),
            Request::Walked(walked) => self.leads.set_walked(*walked),
            Request::Email(email) => drop(self.send_email(email)),
            Request::Sales(message) => self.notify_sales(message),
            Request::Stop(buyer, address, receipt) => self.stop(buyer, address, receipt),
            Request::Clear(cleared) => self.streams.clear(cleared),
            Request::HandOver(buyer) => drop(self.hand_over(buyer.as_str())),
            Request::Receipt(receipt, now) => {
                self.apply_receipt(receipt, *now);
            }
        }
    }
}

impl Strategy {
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
