//! One e-mail: claim under the check that nothing was recorded since, exactly one attempt, settle with the claim's nonce.

use std::time::Duration;

use domain::{BuyerId, Effect};
use event_store::Commits;
use event_store::surroundings::{Deadline, Surroundings};
use jiff::{SignedDuration, Timestamp};
use telemetry::chain;

use crate::advance::{Advance, Look, Stop};
use crate::leads::{
    AddressDigest, Claim, Claimed, Cursors, LeadsUnavailable, Ledger, LedgerEntry, Outcome, Settled, Status,
    Taking, Verdict,
};
use crate::mail::{self, Email};
use crate::outside::{Delivery, Outside, SES_TIME_OUT};

/// How long a claim is presumed live: longer than its own answer may take and the attempt after it.
const CLAIM_LASTS: SignedDuration = SignedDuration::from_secs(30);

/// How long a mail that was definitely not sent waits for its next attempt, at least; at most twice as long.
const RETRY_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// How long a doubtful mail waits for a receipt.
const UNKNOWN_LASTS: SignedDuration = SignedDuration::from_mins(60);

/// What must be left of the invocation before a claim: the claim and its repetition.
const TO_CLAIM: Duration = Duration::from_secs(11);

/// What must be left of the invocation before an attempt: the claim and its repetition, the attempt, the settling.
pub(crate) const NEEDED: Duration = SES_TIME_OUT.saturating_add(Duration::from_secs(17));

/// How an e-mail is delivered.
pub(crate) enum How<'a> {
    /// By one attempt now; if there is no time for it, it is parked.
    Try,
    /// By the sweeper: it is only claimed.
    Park,
    /// Not by us: it is only claimed.
    Suppress,
    /// By another attempt of the sweeper, at a `retry` that was found due; the last one, if it was first tried so long ago.
    Again { found: &'a LedgerEntry, tried_for: SignedDuration },
}

/// What became of it.
pub(crate) enum Delivered {
    /// Nobody is left to write to.
    Superseded,
    /// The entry stands as our claim, or the attempt after it, left it.
    Ours {
        /// Where it stands.
        status: Status,
        /// Whether we wrote so: else somebody else did, and counts it.
        is_ours: bool,
        /// Why SES takes no other mail now either.
        paused: Option<String>,
    },
    /// Another entry is responsible for it.
    Passed(Box<LedgerEntry>),
    /// So is an entry that cannot be read: it says nothing of how the mail ended.
    Unreadable,
}

impl Delivered {
    const fn ours(status: Status) -> Self {
        Self::Ours { status, is_ours: true, paused: None }
    }

    /// Whether this call wrote how it ended.
    pub(crate) const fn is_ours(&self) -> bool {
        match self {
            Self::Ours { is_ours, .. } => *is_ours,
            Self::Superseded | Self::Passed(_) | Self::Unreadable => false,
        }
    }

    /// What that means for the effect that was come to.
    pub(crate) fn outcome(&self, effect: &Effect) -> Outcome {
        match self {
            Self::Superseded => Outcome::Superseded,
            Self::Unreadable => Outcome::Passed,
            Self::Passed(entry) if entry.status == Status::Sent && entry.sequence < effect.sequence => {
                Outcome::AlreadySent
            }
            Self::Passed(entry) => match entry.status {
                Status::Sent => Outcome::Sent,
                Status::Rejected => Outcome::Rejected,
                Status::Suppressed => Outcome::Suppressed,
                Status::Sending
                | Status::Retry
                | Status::Unknown
                | Status::Abandoned
                | Status::Superseded => Outcome::Passed,
            },
            Self::Ours { status, .. } => match status {
                Status::Sent => Outcome::Sent,
                Status::Rejected => Outcome::Rejected,
                Status::Retry => Outcome::Retry,
                Status::Sending | Status::Unknown => Outcome::Unknown,
                Status::Abandoned => Outcome::Abandoned,
                Status::Superseded => Outcome::Superseded,
                Status::Suppressed => Outcome::Suppressed,
            },
        }
    }
}

impl<S, L, O, W> Advance<'_, S, L, O, W>
where
    S: Commits,
    L: Cursors + Ledger,
    O: Outside,
    W: Surroundings,
{
    /// Claims an e-mail and makes one attempt to send it, or only claims it. `effect` is as the head calls for it: address and
    /// sequence number of the claim come from there.
    pub(crate) async fn deliver(
        &self,
        look: &Look<'_>,
        effect: &Effect,
        how: How<'_>,
    ) -> Result<Delivered, Stop> {
        let state = &look.head.state;
        let Some(addressee) = mail::addressee(&effect.kind, state) else { return Ok(Delivered::Superseded) };
        let (address, email) = match mail::render(&effect.kind, state, self.letterhead) {
            Ok(Some(email)) => (AddressDigest::of(&email.to), Ok(email)),
            Ok(None) => return Ok(Delivered::Superseded),
            Err(unsendable) => (AddressDigest::of(&addressee.email), Err(unsendable)),
        };
        look.deadline.leaves(TO_CLAIM, self.surroundings)?;
        let now = self.surroundings.now();
        let has_time = look.deadline.leaves(NEEDED, self.surroundings).is_ok();
        let taking = match (&how, &email) {
            (How::Suppress, _) => Taking::Suppress,
            (_, Err(unsendable)) => Taking::Reject(unsendable.name()),
            _ if look.stopped.contains(&address) => Taking::Reject("address-stopped"),
            (How::Park, _) => Taking::Park(now),
            (How::Try, _) if !has_time => Taking::Park(now),
            (How::Try | How::Again { .. }, Ok(_)) => Taking::Attempt(later(now, CLAIM_LASTS)),
        };
        let found = if let How::Again { found, .. } = &how { Some(*found) } else { None };
        let claim = Claim {
            buyer: look.buyer.clone(),
            key: effect.key(),
            sequence: effect.sequence,
            nonce: self.surroundings.nonce(),
            address,
            head: state.sequence,
            now,
            first_tried_at: first_tried_at(&taking, effect, found, now),
            found: found.map(|found| found.nonce.clone()),
            taking,
        };
        let claimed = match self.leads.claim(&claim).await {
            Ok(claimed) => claimed,
            Err(error) => {
                let (buyer, effect, error) = (&claim.buyer, &claim.key, chain(&error));
                tracing::warn!(%buyer, effect, error, "a claim was not answered: once more");
                // It may have taken effect. Then asking again under the same nonce finds it ours; else the mail would be lost.
                self.leads.claim(&claim).await?
            }
        };
        match claimed {
            Claimed::Ours => {}
            Claimed::HeadMoved => return Err(Stop::HeadMoved),
            Claimed::Held(entry) => return Ok(Delivered::Passed(entry)),
            Claimed::Unreadable => {
                let (buyer, effect) = (look.buyer, &claim.key);
                tracing::error!(
                    %buyer,
                    effect,
                    "the ledger entry cannot be read, its mail is left alone: deploy the version that wrote it"
                );
                return Ok(Delivered::Unreadable);
            }
        }
        let tried_for = if let How::Again { tried_for, .. } = how { Some(tried_for) } else { None };
        match (&claim.taking, email) {
            (Taking::Attempt(deadline), Ok(email)) => {
                let delivery = self.attempt(look, &claim, *deadline, email).await;
                Ok(self.settle(look, &claim, delivery, tried_for).await)
            }
            (taking, _) => Ok(Delivered::ours(taking.status())),
        }
    }

    /// The one attempt that a claim allows; `None` if there is no time left for it.
    async fn attempt(
        &self,
        look: &Look<'_>,
        claim: &Claim,
        deadline: Timestamp,
        mut email: Email,
    ) -> Option<Delivery> {
        // All three are needed: a receipt settles only the attempt that it belongs to.
        email.tags = vec![
            ("buyer", look.buyer.to_string()),
            ("effect", claim.key.clone()),
            ("nonce", claim.nonce.clone()),
        ];
        let time_out = SignedDuration::try_from(SES_TIME_OUT).unwrap_or(CLAIM_LASTS);
        let ends = later(self.surroundings.now(), time_out);
        if ends > deadline || look.deadline.leaves(SES_TIME_OUT, self.surroundings).is_err() {
            return None;
        }
        Some(self.outside.send_email(&email).await)
    }

    /// Writes down what became of an attempt. A settling that cannot be written stops nothing: its claim runs out, and the
    /// mail is doubtful then.
    async fn settle(
        &self,
        look: &Look<'_>,
        claim: &Claim,
        delivery: Option<Delivery>,
        tried_for: Option<SignedDuration>,
    ) -> Delivered {
        let now = self.surroundings.now();
        let is_last =
            tried_for.zip(claim.first_tried_at).is_some_and(|(long, first)| later(first, long) < now);
        let verdict = Verdict {
            nonce: claim.nonce.clone(),
            from: Verdict::BY_CLAIMANT,
            status: Status::Retry,
            message_id: None,
            reason: None,
            due: None,
            head: None,
            now,
        };
        let (verdict, paused) = match delivery {
            Some(Delivery::Accepted { message_id }) => {
                let (status, message_id) = (Status::Sent, Some(message_id));
                (Verdict { status, message_id, from: Verdict::BY_CLAIMANT_FINALLY, ..verdict }, None)
            }
            Some(Delivery::Refused { reason }) => {
                let (status, reason, head) = (Status::Rejected, Some(reason), Some(claim.head));
                (Verdict { status, reason, head, from: Verdict::BY_CLAIMANT_FINALLY, ..verdict }, None)
            }
            Some(Delivery::Unknown { reason }) => {
                let (status, reason, due) = (Status::Unknown, Some(reason), Some(later(now, UNKNOWN_LASTS)));
                (Verdict { status, reason, due, ..verdict }, None)
            }
            Some(Delivery::NotSent { reason }) => (not_sent(claim, is_last, reason, verdict), None),
            // A pause says nothing about this mail, and without an attempt there was no try: neither is the last one.
            Some(Delivery::Paused { reason }) => {
                (not_sent(claim, false, reason.clone(), verdict), Some(reason))
            }
            None => (not_sent(claim, false, "no-time-left".to_owned(), verdict), None),
        };
        let (status, is_ours) = self.write(look, claim, verdict).await;
        Delivered::Ours { status, is_ours, paused }
    }

    /// Where the entry stands once a verdict of its claimant is written, or cannot be; and whether it was this verdict that
    /// was written.
    async fn write(&self, look: &Look<'_>, claim: &Claim, verdict: Verdict) -> (Status, bool) {
        let settle = async |verdict: &Verdict| {
            self.settle_until_answered(&claim.buyer, &claim.key, verdict, look.deadline).await
        };
        let mut settled = settle(&verdict).await;
        let mut status = verdict.status;
        if matches!(settled, Ok(Settled::HeadMoved)) {
            // It ended without a mail at a head that is not the last: let it be judged at the newer one.
            let (head, due) = (None, Some(verdict.now));
            status = Status::Retry;
            let from = Verdict::BY_CLAIMANT;
            settled = settle(&Verdict { from, status, due, head, ..verdict }).await;
        }
        match settled {
            Ok(settled @ (Settled::Done | Settled::Already { .. })) => (status, settled.is_ours()),
            // The entry was judged meanwhile, and says more than we know; the attempt was made all the same.
            Ok(Settled::Changed | Settled::HeadMoved) => (Status::Unknown, false),
            Err(error) => {
                let (buyer, effect, error) = (&claim.buyer, &claim.key, chain(&error));
                tracing::warn!(%buyer, effect, error, "e-mail not settled: its claim runs out");
                (Status::Unknown, false)
            }
        }
    }

    /// Writes a verdict; if no answer came, once more where time allows it: the second answer reports whether the first
    /// write took effect. An ending is counted by whoever wrote it, and by nobody if that is never known.
    pub(crate) async fn settle_until_answered(
        &self,
        buyer: &BuyerId,
        key: &str,
        verdict: &Verdict,
        deadline: Deadline,
    ) -> Result<Settled, LeadsUnavailable> {
        let settled = self.leads.settle(buyer, key, verdict).await;
        let Err(error) = settled else { return settled };
        if deadline.leaves(event_store::NEEDED, self.surroundings).is_err() {
            return Err(error);
        }
        tracing::warn!(%buyer, effect = key, error = chain(&error), "settling was not answered: once more");
        self.leads.settle(buyer, key, verdict).await
    }

    /// Declares a claim doubtful that is past its deadline: perhaps it was sent.
    pub(crate) async fn declare_unknown(
        &self,
        buyer: &BuyerId,
        key: &str,
        entry: &LedgerEntry,
    ) -> Result<Settled, Stop> {
        let now = self.surroundings.now();
        let verdict = Verdict {
            nonce: entry.nonce.clone(),
            from: &[Status::Sending],
            status: Status::Unknown,
            message_id: None,
            reason: Some("claim ran out".to_owned()),
            due: Some(later(now, UNKNOWN_LASTS)),
            head: None,
            now,
        };
        Ok(self.leads.settle(buyer, key, &verdict).await?)
    }
}

/// When the first attempt was claimed, as the claim writes it: now, unless a found entry was tried before for the same
/// opening.
fn first_tried_at(
    taking: &Taking,
    effect: &Effect,
    found: Option<&LedgerEntry>,
    now: Timestamp,
) -> Option<Timestamp> {
    let before =
        found.filter(|found| effect.sequence <= found.sequence).and_then(|found| found.first_tried_at);
    match taking {
        Taking::Attempt(_) => before.or(Some(now)),
        Taking::Park(_) | Taking::Reject(_) | Taking::Suppress => before,
    }
}

/// The verdict on an attempt that was definitely not sent: tried again, or given up after the last try.
fn not_sent(claim: &Claim, is_last: bool, reason: String, verdict: Verdict) -> Verdict {
    let reason = Some(reason);
    if is_last {
        let (status, head) = (Status::Abandoned, Some(claim.head));
        return Verdict { status, reason, head, ..verdict };
    }
    let due = Some(later(verdict.now, jittered(RETRY_AFTER, &claim.nonce)));
    Verdict { status: Status::Retry, reason, due, ..verdict }
}

/// Between once and twice as long, by a name: so that what failed together is not tried again together.
fn jittered(time: SignedDuration, name: &str) -> SignedDuration {
    let byte = name.bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    time + time * i32::from(byte) / 256
}

/// A moment later; the last moment there is, if there is none.
pub(crate) fn later(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.saturating_add(by).unwrap_or(Timestamp::MAX)
}
