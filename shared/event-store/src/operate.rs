//! What operators append: a gap declared void, a buyer given back to the former system, a buyer forgotten.

use domain::{BuyerId, Fact, Offer, OfferId, OfferVersion, Sequence, State};

use crate::surroundings::Surroundings;
use crate::{
    Appended, Appending, Commits, Emptying, EventStore, Head, LARGEST_ITEM, Performing, StoreError, history,
    load,
};

/// Why a gap is not declared void.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotVoided {
    /// Nothing of this offer waits, so nothing is known to be missing.
    #[error("nothing of this offer is held: no version is known to be missing")]
    NothingHeld,
    /// These versions are there already.
    #[error("version {version} of this offer is recorded already")]
    NoGap {
        /// The offer's version.
        version: OfferVersion,
    },
    /// The gap ends before that.
    #[error("version {held} of this offer is held: the gap ends before it")]
    BeyondTheGap {
        /// The first version that waits.
        held: OfferVersion,
    },
}

/// What a reset is decided on, besides the stream.
#[derive(Debug, Clone, Copy)]
pub struct ResetGrounds<'a> {
    /// How far the buyer's effects are settled.
    pub settled_through: Sequence,
    /// What the former system knows of the buyer now.
    pub former: &'a State,
}

/// Why a buyer is not given back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReset {
    /// There is no such stream.
    #[error("nothing is recorded of this buyer")]
    UnknownBuyer,
    /// There is nobody to ask about.
    #[error("this buyer is erased")]
    Erased,
    /// The former system would not know what waits.
    #[error("{count} events are held: send what is missing, or declare it void")]
    Held {
        /// How many.
        count: usize,
    },
    /// What is pending would be performed by nobody.
    #[error("effects are settled through {through} of {head}: wait for the reactor or the sweeper")]
    NotSettled {
        /// The cursor.
        through: Sequence,
        /// The end of the stream.
        head: Sequence,
    },
    /// Events would be lost.
    #[error("the former system knows less of offer {offer} than we do")]
    FormerBehind {
        /// Which offer.
        offer: OfferId,
    },
    /// A lead once closed would be opened again under its name, and nobody would hear of it.
    #[error("the former system has offer {offer} accepted by version {version}, which we know is over")]
    FormerContradicts {
        /// Which offer.
        offer: OfferId,
        /// The version.
        version: OfferVersion,
    },
}

/// Why a buyer is not erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotErased {
    /// There is no such stream.
    #[error("nothing is recorded of this buyer")]
    UnknownBuyer,
}

/// Declares versions of an offer void, up to `through`, which must lie in the gap before the first one held. Tells where
/// that is recorded.
///
/// # Errors
/// [`StoreError`]; asked again, it finds out whether it was recorded.
pub async fn void(
    store: &impl EventStore,
    surroundings: &impl Surroundings,
    performing: Performing,
    buyer: &BuyerId,
    offer: &OfferId,
    through: OfferVersion,
) -> Result<Result<Sequence, NotVoided>, StoreError> {
    loop {
        let head = load(store, buyer).await?;
        // Done before, as when the answer to it was lost.
        if head.state.offers.get(offer).is_some_and(|offer| offer.is_void(through)) {
            return Ok(Ok(head.state.sequence));
        }
        let waits = head.state.held.get(offer).and_then(|held| held.keys().next().copied());
        let refusal = match (head.state.version_of(offer), waits) {
            (Some(version), _) if through <= version => Some(NotVoided::NoGap { version }),
            (_, None) => Some(NotVoided::NothingHeld),
            (_, Some(first)) if through >= first => Some(NotVoided::BeyondTheGap { held: first }),
            (_, Some(_)) => None,
        };
        if let Some(refusal) = refusal {
            return Ok(Err(refusal));
        }
        let fact = Fact::Voided { offer: offer.clone(), through };
        if let Some(sequence) = append(store, surroundings, performing, buyer, head, fact).await? {
            return Ok(Ok(sequence));
        }
    }
}

/// Gives a buyer back to the former system, which is asked anew at the next event; then empties older commits. Goes on
/// where an earlier attempt was cut off.
///
/// # Errors
/// [`StoreError`]; do it again.
pub async fn reset(
    store: &(impl EventStore + Emptying),
    surroundings: &impl Surroundings,
    performing: Performing,
    buyer: &BuyerId,
    grounds: ResetGrounds<'_>,
) -> Result<Result<Sequence, NotReset>, StoreError> {
    loop {
        let head = load(store, buyer).await?;
        if head.state.is_reset {
            empty_before(store, buyer, head.state.sequence).await?;
            return Ok(Ok(head.state.sequence));
        }
        if let Some(refusal) = not_reset(&head.state, grounds) {
            return Ok(Err(refusal));
        }
        let fact = head.state.reset();
        if let Some(sequence) = append(store, surroundings, performing, buyer, head, fact).await? {
            empty_before(store, buyer, sequence).await?;
            return Ok(Ok(sequence));
        }
    }
}

fn not_reset(state: &State, grounds: ResetGrounds<'_>) -> Option<NotReset> {
    let knows_less = |(id, ours): (&OfferId, &Offer)| {
        let theirs = grounds.former.offers.get(id);
        theirs.is_none_or(|theirs| theirs.version < ours.version).then(|| id.clone())
    };
    let contradicts = |(id, ours): (&OfferId, &Offer)| {
        let version = grounds.former.offers.get(id)?.accepted_at()?;
        let is_over = version <= ours.version && ours.accepted_at() != Some(version);
        is_over.then(|| NotReset::FormerContradicts { offer: id.clone(), version })
    };
    if state.sequence == Sequence::START {
        Some(NotReset::UnknownBuyer)
    } else if state.is_erased {
        Some(NotReset::Erased)
    } else if state.held_count() > 0 {
        Some(NotReset::Held { count: state.held_count() })
    } else if grounds.settled_through < state.sequence {
        Some(NotReset::NotSettled { through: grounds.settled_through, head: state.sequence })
    } else {
        let behind = state.offers.iter().find_map(knows_less).map(|offer| NotReset::FormerBehind { offer });
        behind.or_else(|| state.offers.iter().find_map(contradicts))
    }
}

/// Forgets who a buyer is: every lead closes, nothing personal is recorded any more, and older commits are emptied. Goes on
/// where an earlier attempt was cut off. What the leads table keeps is not touched here.
///
/// # Errors
/// [`StoreError`]; do it again.
pub async fn erase(
    store: &(impl EventStore + Emptying),
    surroundings: &impl Surroundings,
    performing: Performing,
    buyer: &BuyerId,
) -> Result<Result<Sequence, NotErased>, StoreError> {
    loop {
        let head = load(store, buyer).await?;
        if head.state.sequence == Sequence::START {
            return Ok(Err(NotErased::UnknownBuyer));
        }
        let erased = if head.state.is_erased {
            erased_at(store, buyer).await?
        } else {
            let fact = head.state.erased();
            append(store, surroundings, performing, buyer, head, fact).await?
        };
        if let Some(sequence) = erased {
            empty_before(store, buyer, sequence).await?;
            return Ok(Ok(sequence));
        }
    }
}

async fn erased_at(store: &impl Commits, buyer: &BuyerId) -> Result<Option<Sequence>, StoreError> {
    let commits = history(store, buyer).await?;
    let is_erased = |fact: &Fact| matches!(fact, Fact::Erased(_));
    Ok(commits.iter().find(|commit| commit.facts.iter().any(is_erased)).map(|commit| commit.first))
}

/// A commit of one fact; `None` if another writer was faster.
async fn append(
    store: &impl EventStore,
    surroundings: &impl Surroundings,
    performing: Performing,
    buyer: &BuyerId,
    head: Head,
    fact: Fact,
) -> Result<Option<Sequence>, StoreError> {
    let mut appending = Appending::onto(head);
    appending.take(fact);
    let Some((commit, _)) = appending.commit(buyer, performing, surroundings.now()) else { return Ok(None) };
    if commit.bytes() > LARGEST_ITEM {
        return Err(StoreError::TooLarge { buyer: buyer.to_string(), bytes: commit.bytes() });
    }
    Ok(match store.append(&commit).await? {
        Appended::Written => Some(Sequence::new(commit.sequence)),
        Appended::Conflict(_) => None,
    })
}

async fn empty_before(
    store: &(impl Commits + Emptying),
    buyer: &BuyerId,
    by: Sequence,
) -> Result<(), StoreError> {
    for commit in history(store, buyer).await? {
        if commit.first < by && commit.emptied.is_none() {
            store.empty(buyer, commit.first, by).await?;
        }
    }
    Ok(())
}
