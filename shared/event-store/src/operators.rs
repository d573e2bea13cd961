//! The operators' appends: voiding a gap, and resetting, taking live or erasing a buyer. Only going live makes a buyer
//! live.

use contract::stored::{self, Commit};
use domain::{Answer, BuyerId, Fact, Known, NotReset, NotVoided, OfferId, OfferVersion, Sequence, State};

use crate::{Appended, Appending, Clearing, Commits, EventStore, Head, LARGEST_ITEM, StoreError, load};
use platform::clock::Clock;

/// The number of commits per page when personal data is removed.
const CLEARED_AT_ONCE: usize = 200;

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
        if let Err(refusal) = head.state.check_void(offer, through) {
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
/// [`State::check_reset`] says when a reset is refused.
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
        if let Err(refusal) = head.state.check_reset(head.is_live, former) {
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

/// The `migrated` fact in the form allowed for this buyer: without contacts if the buyer is erased.
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
