//! Delivers one e-mail: a claim, conditional on no fact having been recorded after the head, then exactly one attempt.
//! `settle` records how it ended.

use std::time::Duration;

use domain::Effect;
use jiff::{SignedDuration, Timestamp};
use leads_store::{AddressDigest, Claim, Claimed, LeadsStore, LedgerEntry, Outcome, Status, Taking};
use platform::clock::Clock;
use platform::telemetry::chain;

use crate::look::{Look, Stop, later};
use crate::mail::{self, Email, Letterhead};
use crate::outside::{Delivery, Outside, SES_TIME_OUT};
use crate::settle::{Ended, settle};

/// How long a claim is presumed live; longer than the claim's own answer and the attempt can take.
const CLAIM_LASTS: SignedDuration = SignedDuration::from_secs(30);

/// The time that must be left of the invocation before a claim: for the claim and its repetition.
const CLAIM_TIME: Duration = Duration::from_secs(11);

/// The time that must be left of the invocation before an attempt: for the claim and its repetition, the attempt and
/// the settling.
pub(crate) const SEND_TIME: Duration = SES_TIME_OUT.saturating_add(Duration::from_secs(17));

/// How an e-mail is delivered.
pub(crate) enum How<'a> {
    /// One attempt is made now; without enough time the e-mail is parked.
    Try,
    /// The e-mail is only claimed; the sweeper sends it.
    Park,
    /// The sweeper makes another attempt for the due entry `found`. It is the last one if the first attempt was longer
    /// ago than `tried_for`.
    Again { found: &'a LedgerEntry, tried_for: SignedDuration },
}

/// The result of a delivery.
pub(crate) enum Delivered {
    /// The state no longer has a contact for the e-mail.
    Superseded,
    /// The entry has the status that our claim or the attempt after it led to.
    Ours(Ended),
    /// This existing entry is responsible for the e-mail.
    Passed(Box<LedgerEntry>),
    /// An existing entry is responsible, but this version cannot read it, so the e-mail's outcome is not known here.
    Unreadable,
}

impl Delivered {
    const fn ours(status: Status) -> Self {
        Self::Ours(Ended { status, is_ours: true, paused: None })
    }

    /// Whether this call wrote the status.
    pub(crate) const fn is_ours(&self) -> bool {
        match self {
            Self::Ours(ended) => ended.is_ours,
            Self::Superseded | Self::Passed(_) | Self::Unreadable => false,
        }
    }

    /// The outcome for the effect that was to be performed.
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
            Self::Ours(ended) => match ended.status {
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

/// Claims an e-mail and makes one attempt to send it, or only claims it. `effect` must be the effect as the head
/// calls for it, because the claim takes its address and sequence number from there.
pub(crate) async fn deliver(
    leads: &impl LeadsStore,
    outside: &impl Outside,
    clock: &impl Clock,
    letterhead: &Letterhead,
    look: &Look<'_>,
    effect: &Effect,
    how: How<'_>,
) -> Result<Delivered, Stop> {
    let state = &look.head.state;
    let Some(addressee) = mail::addressee(&effect.kind, state) else { return Ok(Delivered::Superseded) };
    let (address, email) = match mail::render(&effect.kind, state, letterhead) {
        Ok(Some(email)) => (AddressDigest::of(&email.to), Ok(email)),
        Ok(None) => return Ok(Delivered::Superseded),
        Err(unsendable) => (AddressDigest::of(&addressee.email), Err(unsendable)),
    };
    look.deadline.leaves(CLAIM_TIME, clock)?;
    let now = clock.now();
    let has_time = look.deadline.leaves(SEND_TIME, clock).is_ok();
    let taking = match (&how, &email) {
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
        nonce: clock.nonce(),
        address,
        head: state.sequence,
        now,
        first_tried_at: first_tried_at(&taking, effect, found, now),
        found: found.map(|found| found.nonce.clone()),
        taking,
    };
    let claimed = match leads.claim(&claim).await {
        Ok(claimed) => claimed,
        Err(error) => {
            let (buyer, effect, error) = (&claim.buyer, &claim.key, chain(&error));
            tracing::warn!(%buyer, effect, error, "claim unanswered: repeating it");
            // The claim may have taken effect. Repeated under the same nonce, it is recognised as ours; without the
            // repetition nothing would send the e-mail.
            leads.claim(&claim).await?
        }
    };
    match claimed {
        Claimed::Ours => {}
        Claimed::HeadMoved => return Err(Stop::HeadMoved),
        Claimed::Taken(entry) => return Ok(Delivered::Passed(entry)),
        Claimed::Unreadable => {
            let (buyer, effect) = (look.buyer, &claim.key);
            tracing::error!(
                %buyer,
                effect,
                "cannot read the ledger entry, its e-mail is left alone: deploy the version that wrote it"
            );
            return Ok(Delivered::Unreadable);
        }
    }
    let tried_for = if let How::Again { tried_for, .. } = how { Some(tried_for) } else { None };
    match (&claim.taking, email) {
        (Taking::Attempt(deadline), Ok(email)) => {
            let delivery = attempt(outside, clock, look, &claim, *deadline, email).await;
            Ok(Delivered::Ours(settle(leads, clock, look, &claim, delivery, tried_for).await))
        }
        (taking, _) => Ok(Delivered::ours(taking.status())),
    }
}

/// Makes the one attempt that a claim allows; `None` if there is no time left for it.
async fn attempt(
    outside: &impl Outside,
    clock: &impl Clock,
    look: &Look<'_>,
    claim: &Claim,
    deadline: Timestamp,
    mut email: Email,
) -> Option<Delivery> {
    // SES returns the tags in its receipts. All three are needed, so that a receipt settles only its own attempt.
    email.tags = vec![
        ("buyer", look.buyer.to_string()),
        ("effect", claim.key.clone()),
        ("nonce", claim.nonce.clone()),
    ];
    let time_out = SignedDuration::try_from(SES_TIME_OUT).unwrap_or(CLAIM_LASTS);
    let ends = later(clock.now(), time_out);
    if ends > deadline || look.deadline.leaves(SES_TIME_OUT, clock).is_err() {
        return None;
    }
    Some(outside.send_email(&email).await)
}

/// The time of the first attempt that a claim records: now, unless the found entry already has one for the same
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
        Taking::Park(_) | Taking::Reject(_) => before,
    }
}
