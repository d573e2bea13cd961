//! One e-mail: claim under the check that nothing was recorded since, exactly one attempt, settle with the claim's nonce.

use std::time::Duration;

use domain::{BuyerId, Effect};
use event_store::Commits;
use event_store::surroundings::Surroundings;
use jiff::{SignedDuration, Timestamp};

use crate::advance::{Advance, Look, Stop};
use crate::leads::{AddressDigest, Claim, Claimed, Cursors, Ledger, LedgerEntry, Outcome, Status, Verdict};
use crate::mail::{self, Unsendable};
use crate::outside::{Delivery, Outside, SES_TIME_OUT};

/// How long a claim keeps others from thinking that nobody is at it. Longer than the claim's own answer may take and the
/// attempt after it.
const CLAIM_LASTS: SignedDuration = SignedDuration::from_secs(30);

/// How long a mail that was definitely not sent waits for its next attempt.
const RETRY_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// How long a doubtful mail waits for a receipt.
const UNKNOWN_LASTS: SignedDuration = SignedDuration::from_mins(60);

/// What must be left of the invocation before a claim: the claim and its repetition, the attempt, the settling.
pub(crate) const NEEDED: Duration = SES_TIME_OUT.saturating_add(Duration::from_secs(17));

impl<S, L, O, W> Advance<'_, S, L, O, W>
where
    S: Commits,
    L: Cursors + Ledger,
    O: Outside,
    W: Surroundings,
{
    /// Takes an e-mail to send and sends it, or, `is_shadow`, takes it so that nobody ever does.
    pub(crate) async fn deliver(
        &self,
        look: &Look<'_>,
        effect: &Effect,
        is_shadow: bool,
    ) -> Result<Outcome, Stop> {
        let mut email = match mail::render(&effect.kind, &look.head.state, self.letterhead) {
            Ok(Some(email)) => email,
            Ok(None) => return Ok(Outcome::Superseded),
            Err(Unsendable::Address | Unsendable::Template) => return Ok(Outcome::Rejected),
        };
        let now = self.surroundings.now();
        let claim = Claim {
            buyer: look.buyer.clone(),
            key: effect.key(),
            sequence: effect.sequence,
            nonce: self.surroundings.nonce(),
            address: AddressDigest::of(&email.to),
            head: look.head.state.sequence,
            now,
            deadline: later(now, CLAIM_LASTS),
            is_shadow,
        };
        let claimed = match self.leads.claim(&claim).await {
            Ok(claimed) => claimed,
            // It may have taken effect. Then asking again under the same nonce finds it ours; else the mail would be lost.
            Err(_) => self.leads.claim(&claim).await?,
        };
        match claimed {
            Claimed::Ours if is_shadow => return Ok(Outcome::Suppressed),
            Claimed::Ours => {}
            Claimed::HeadMoved => return Err(Stop::HeadMoved),
            Claimed::Held(entry) => return self.held_by(look, effect, &entry).await,
        }
        // All three are needed: a receipt settles only the attempt that it belongs to.
        email.tags = vec![
            ("buyer", look.buyer.to_string()),
            ("effect", claim.key.clone()),
            ("nonce", claim.nonce.clone()),
        ];

        let ends =
            later(self.surroundings.now(), SignedDuration::try_from(SES_TIME_OUT).unwrap_or(CLAIM_LASTS));
        // Claimed all the same: then the ledger says why nothing went out, and another address may be written to.
        let delivery = if look.stopped.contains(&claim.address) {
            Delivery::Refused { reason: "address-stopped".to_owned() }
        } else if ends > claim.deadline || look.deadline.leaves(SES_TIME_OUT, self.surroundings).is_err() {
            Delivery::NotSent { reason: "no time left".to_owned() }
        } else {
            self.outside.send_email(&email).await
        };
        self.settle(&claim, delivery).await
    }

    async fn settle(&self, claim: &Claim, delivery: Delivery) -> Result<Outcome, Stop> {
        let now = self.surroundings.now();
        let verdict = |status, message_id, reason, due| Verdict { status, message_id, reason, due, now };
        let retry_at = later(now, RETRY_AFTER);
        let (verdict, result) = match delivery {
            Delivery::Accepted { message_id } => {
                (verdict(Status::Sent, Some(message_id), None, None), Ok(Outcome::Sent))
            }
            Delivery::Refused { reason } => {
                (verdict(Status::Rejected, None, Some(reason), None), Ok(Outcome::Rejected))
            }
            Delivery::Unknown { reason } => {
                let due = Some(later(now, UNKNOWN_LASTS));
                (verdict(Status::Unknown, None, Some(reason), due), Ok(Outcome::Unknown))
            }
            Delivery::NotSent { reason } | Delivery::Paused { reason } => {
                let stop = Stop::later(format!("e-mail not sent: {reason}"), Some(retry_at));
                (verdict(Status::Retry, None, Some(reason), Some(retry_at)), Err(stop))
            }
        };
        // If somebody, or time, was faster, the ledger knows better than we do; the attempt was made all the same.
        let is_settled = self.leads.settle(&claim.buyer, &claim.key, &claim.nonce, &verdict).await?;
        if is_settled { result } else { Ok(Outcome::Unknown) }
    }

    /// The ledger holds an entry that is not to be claimed.
    async fn held_by(&self, look: &Look<'_>, effect: &Effect, entry: &LedgerEntry) -> Result<Outcome, Stop> {
        let is_same = entry.sequence == effect.sequence;
        let outcome = |of_this_effect| Ok(if is_same { of_this_effect } else { Outcome::AlreadySent });
        match entry.status {
            Status::Sent => outcome(Outcome::Sent),
            Status::Unknown | Status::Abandoned => outcome(Outcome::Unknown),
            Status::Rejected => Ok(Outcome::Rejected),
            Status::Suppressed => Ok(Outcome::Suppressed),
            Status::Sending => self.sending(look, effect, entry).await,
            Status::Retry => Err(Stop::later("e-mail not sent yet".to_owned(), entry.due)),
            Status::Superseded => Err(Stop::later("ledger entry changed".to_owned(), None)),
        }
    }

    /// Another worker's claim. Moving the cursor past it could lose the mail; past its deadline it is doubtful, and
    /// nobody takes it over and sends again.
    async fn sending(&self, look: &Look<'_>, effect: &Effect, entry: &LedgerEntry) -> Result<Outcome, Stop> {
        let now = self.surroundings.now();
        if let Some(due) = entry.due.filter(|due| now <= *due) {
            return Err(Stop::later("another worker is at the e-mail".to_owned(), Some(due)));
        }
        if !self.declare_unknown(look.buyer, &effect.key(), entry).await? {
            return Err(Stop::later("ledger entry changed".to_owned(), None));
        }
        Ok(if entry.sequence == effect.sequence { Outcome::Unknown } else { Outcome::AlreadySent })
    }

    /// A claim past its deadline: perhaps sent. `false` if it was settled meanwhile.
    pub(crate) async fn declare_unknown(
        &self,
        buyer: &BuyerId,
        key: &str,
        entry: &LedgerEntry,
    ) -> Result<bool, Stop> {
        let now = self.surroundings.now();
        let verdict = Verdict {
            status: Status::Unknown,
            message_id: None,
            reason: Some("claim ran out".to_owned()),
            due: Some(later(now, UNKNOWN_LASTS)),
            now,
        };
        Ok(self.leads.settle(buyer, key, &entry.nonce, &verdict).await?)
    }
}

/// A moment later; the last moment there is, if there is none.
pub(crate) fn later(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.saturating_add(by).unwrap_or(Timestamp::MAX)
}
