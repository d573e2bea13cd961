//! The operators' appends: voiding a gap, and resetting, taking live or erasing a buyer. Only going live makes a buyer
//! live.

use contract::legacy::Answer;
use contract::stored::{self, Commit};
use domain::{BuyerId, Fact, Known, OfferId, OfferVersion, Sequence, State};

use crate::{Appended, Appending, Clearing, Commits, EventStore, Head, LARGEST_ITEM, StoreError, load};
use platform::clock::Clock;

/// The number of commits per page when personal data is removed.
const CLEARED_AT_ONCE: usize = 200;

/// The reason why a gap is not voided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotVoided {
    /// No event of this offer is held, so no version is known to be missing.
    #[error("no event of this offer is held, so no version is known to be missing")]
    NothingHeld,
    /// The versions are already recorded.
    #[error("version {version} of this offer is already recorded")]
    NoGap {
        /// The offer's version.
        version: OfferVersion,
    },
    /// The gap ends before the requested version.
    #[error("version {held} of this offer is held, and the gap ends before it")]
    BeyondTheGap {
        /// The first held version.
        held: OfferVersion,
    },
}

/// The reason why a buyer is not reset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReset {
    /// The buyer has no stream.
    #[error("nothing is recorded about this buyer")]
    UnknownBuyer,
    /// The buyer is live.
    #[error("this buyer is live, and only buyers in shadow can be reset")]
    Live,
    /// The buyer is erased, and a reset would let personal data be recorded again.
    #[error("this buyer is erased")]
    Erased,
    /// The former system has handed the buyer over and announces nothing more about it, although it is in shadow here.
    #[error("the former system has handed this buyer over: take it live with `leads go-live`")]
    HandedOver,
    /// The former system does not know every recorded event, so a reset would lose some.
    #[error(
        "the former system knows offer {offer} up to version {theirs}, Leadstream up to {ours} including held events"
    )]
    FormerBehind {
        /// The offer of which the former system knows less.
        offer: OfferId,
        /// The last version known here, including held events.
        ours: OfferVersion,
        /// The last version known to the former system, or 0 if it does not know the offer.
        theirs: u32,
    },
}

/// The reason why a buyer is not erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotErased {
    /// The buyer has no stream.
    #[error("nothing is recorded about this buyer")]
    UnknownBuyer,
}

/// Voids the missing versions of an offer up to `through`, which must lie in the gap before the first held version.
/// Returns the sequence of the `voided` fact, or of the head if the gap was void already. Idempotent.
///
/// # Errors
/// [`StoreError`]; the fact may have been recorded, and a repeated call finds out.
pub async fn void(
    store: &impl EventStore,
    clock: &impl Clock,
    buyer: &BuyerId,
    offer: &OfferId,
    through: OfferVersion,
) -> Result<Result<Sequence, NotVoided>, StoreError> {
    loop {
        let head = load(store, buyer).await?;
        // The gap is already void, for example because the answer to an earlier append was lost.
        if head.state.offers.get(offer).is_some_and(|offer| offer.is_void(through)) {
            return Ok(Ok(head.state.sequence));
        }
        let first_held = head.state.held.get(offer).and_then(|held| held.keys().next().copied());
        let refusal = match (head.state.version_of(offer), first_held) {
            (Some(version), _) if through <= version => Some(NotVoided::NoGap { version }),
            (_, None) => Some(NotVoided::NothingHeld),
            (_, Some(first)) if through >= first => Some(NotVoided::BeyondTheGap { held: first }),
            (_, Some(_)) => None,
        };
        if let Some(refusal) = refusal {
            return Ok(Err(refusal));
        }
        let fact = Fact::Voided { offer: offer.clone(), through };
        if let Some(sequence) = append(store, clock, buyer, head, fact).await? {
            return Ok(Ok(sequence));
        }
    }
}

/// Resets a buyer in shadow: the recorded facts stop counting, and the buyer's next event asks the former system again.
/// `former` is the former system's current answer. Idempotent.
///
/// A reset is refused if the former system does not know every event that is recorded here.
///
/// # Errors
/// [`StoreError`]; repeat the call.
pub async fn reset(
    store: &impl EventStore,
    clock: &impl Clock,
    buyer: &BuyerId,
    former: &Answer,
) -> Result<Result<Sequence, NotReset>, StoreError> {
    loop {
        let head = load(store, buyer).await?;
        if let Some(refusal) = not_reset(&head, former) {
            return Ok(Err(refusal));
        }
        // The buyer is already reset, for example because the answer to an earlier append was lost.
        if head.state.is_blank() {
            return Ok(Ok(head.state.sequence));
        }
        if let Some(sequence) = append(store, clock, buyer, head, Fact::Reset(None)).await? {
            return Ok(Ok(sequence));
        }
    }
}

/// The reason why this buyer cannot be reset, or `None` if it can.
#[must_use]
pub fn not_reset(head: &Head, former: &Answer) -> Option<NotReset> {
    if head.state.sequence == Sequence::START {
        return Some(NotReset::UnknownBuyer);
    }
    if head.is_live {
        return Some(NotReset::Live);
    }
    if head.state.is_erased {
        return Some(NotReset::Erased);
    }
    if former.is_handed_over {
        return Some(NotReset::HandedOver);
    }
    let waiting = head.state.held.iter().filter_map(|(id, early)| Some((id, *early.keys().next_back()?)));
    let applied = head.state.offers.iter().map(|(id, offer)| (id, offer.version));
    applied.chain(waiting).find_map(|(id, ours)| {
        let theirs = former.known.offers.get(id).map(|offer| offer.version);
        (theirs < Some(ours)).then(|| NotReset::FormerBehind {
            offer: id.clone(),
            ours,
            theirs: theirs.map_or(0, OfferVersion::get),
        })
    })
}

/// Takes a buyer live with the answer that the former system gave to the handover. A buyer that is already live does
/// not change. Returns the sequence of the `handed-over` fact, or of the head.
///
/// # Errors
/// [`StoreError`]; repeat the call with a new answer.
pub async fn go_live(
    store: &impl EventStore,
    clock: &impl Clock,
    buyer: &BuyerId,
    known: &Known,
) -> Result<Sequence, StoreError> {
    loop {
        let head = load(store, buyer).await?;
        if head.is_live {
            return Ok(head.state.sequence);
        }
        let fact = handed_over(&head.state, known);
        if let Some(sequence) = append(store, clock, buyer, head, fact).await? {
            return Ok(sequence);
        }
    }
}

/// The `handed-over` fact as it may be recorded for this buyer: without contacts if the buyer is erased.
#[must_use]
pub fn handed_over(state: &State, known: &Known) -> Fact {
    Fact::HandedOver(Box::new(as_recordable(state, known)))
}

/// The `migrated` fact as it may be recorded for this buyer: without contacts if the buyer is erased.
#[must_use]
pub fn migrated(state: &State, known: &Known) -> Fact {
    Fact::Migrated(Box::new(as_recordable(state, known)))
}

fn as_recordable(state: &State, known: &Known) -> Known {
    if state.is_erased { known.without_personal_data() } else { known.clone() }
}

/// Erases a buyer: every lead closes, no personal data is recorded any more, and personal data is removed from older
/// commits. A repeated call continues where an earlier one was interrupted. The leads table is not changed here.
///
/// # Errors
/// [`StoreError`]; repeat the call.
pub async fn erase(
    store: &(impl EventStore + Clearing),
    clock: &impl Clock,
    buyer: &BuyerId,
) -> Result<Result<Sequence, NotErased>, StoreError> {
    loop {
        let head = load(store, buyer).await?;
        if head.state.sequence == Sequence::START {
            return Ok(Err(NotErased::UnknownBuyer));
        }
        if head.state.is_erased || append(store, clock, buyer, head, Fact::Erased(None)).await?.is_some() {
            return Ok(Ok(clear(store, buyer).await?));
        }
    }
}

/// Removes personal data from every commit before the erasure, page by page. Returns the sequence of the erasing
/// commit.
async fn clear(store: &(impl Commits + Clearing), buyer: &BuyerId) -> Result<Sequence, StoreError> {
    let mut before = None;
    let mut erased_at = Sequence::START;
    loop {
        let page = store.page(buyer, before, CLEARED_AT_ONCE).await?;
        for stored in &page.commits {
            let sequence = Sequence::new(stored.sequence);
            before = Some(sequence);
            // Commits since the erasure, including their snapshots, contain no personal data.
            if erased_at == Sequence::START {
                let commit = stored::decode(stored).map_err(StoreError::Undecodable)?;
                if has_erased(&commit) {
                    erased_at = sequence;
                }
                continue;
            }
            let cleared = stored.without_personal_data().map_err(StoreError::Undecodable)?;
            if cleared != *stored {
                store.clear(&cleared).await?;
            }
        }
        if !page.has_more {
            return Ok(erased_at);
        }
    }
}

fn has_erased(commit: &Commit) -> bool {
    commit.facts.iter().any(|fact| matches!(fact, Fact::Erased(_)))
}

/// Appends a commit of one fact and returns its sequence, or `None` if another writer took the place.
async fn append(
    store: &impl EventStore,
    clock: &impl Clock,
    buyer: &BuyerId,
    head: Head,
    fact: Fact,
) -> Result<Option<Sequence>, StoreError> {
    let mut appending = Appending::onto(head);
    appending.take(fact);
    let Some((commit, _)) = appending.commit(buyer, clock.now()) else { return Ok(None) };
    if commit.bytes() > LARGEST_ITEM {
        return Err(StoreError::TooLarge { buyer: buyer.to_string(), bytes: commit.bytes() });
    }
    Ok(match store.append(&commit).await? {
        Appended::Written => Some(Sequence::new(commit.sequence)),
        Appended::Conflict(_) => None,
    })
}
