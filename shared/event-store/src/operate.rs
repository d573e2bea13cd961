//! What operators append: a gap declared void, a buyer reset, made live, erased. None but going live makes a buyer live.

use contract::legacy::Answer;
use contract::stored::{self, Commit};
use domain::{BuyerId, Fact, Known, OfferId, OfferVersion, Sequence, State};

use crate::{Appended, Appending, Clearing, Commits, EventStore, Head, LARGEST_ITEM, StoreError, load};
use platform::clock::Clock;

/// How many commits are read at once to be cleared.
const CLEARED_AT_ONCE: usize = 200;

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

/// Why what is recorded of a buyer is not forgotten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReset {
    /// There is no such stream.
    #[error("nothing is recorded of this buyer")]
    UnknownBuyer,
    /// The buyer is ours.
    #[error("this buyer is live: a reset is for buyers in shadow")]
    Live,
    /// Nothing personal may be recorded again.
    #[error("this buyer is erased")]
    Erased,
    /// The former system announces nothing of this buyer any more, though it is in shadow here.
    #[error("the former system has handed this buyer over: `leads go-live` takes it up")]
    HandedOver,
    /// What is recorded here would be lost.
    #[error(
        "the former system knows offer {offer} up to version {theirs}, and we up to {ours}, held events included"
    )]
    FormerBehind {
        /// Which offer.
        offer: OfferId,
        /// The last version known here, held ones included.
        ours: OfferVersion,
        /// The last version known there; 0 for none.
        theirs: u32,
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
    clock: &impl Clock,
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
        if let Some(sequence) = append(store, clock, buyer, head, fact).await? {
            return Ok(Ok(sequence));
        }
    }
}

/// Lets what was recorded of a buyer in shadow not count any more, so that its next event asks the former system and begins anew.
/// `former` is its answer now.
///
/// The one reason against it: that the former system does not know all that we know.
///
/// # Errors
/// [`StoreError`]; do it again.
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
        // Done before, as when the answer to it was lost.
        if head.state.is_blank() {
            return Ok(Ok(head.state.sequence));
        }
        if let Some(sequence) = append(store, clock, buyer, head, Fact::Reset(None)).await? {
            return Ok(Ok(sequence));
        }
    }
}

/// Why this buyer cannot be reset, if so.
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

/// Makes a buyer live that is not: takes up what the former system answered to the handover.
///
/// # Errors
/// [`StoreError`]; do it again, with a new answer.
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

/// The fact that makes a buyer live, as it may be recorded of this one.
#[must_use]
pub fn handed_over(state: &State, known: &Known) -> Fact {
    Fact::HandedOver(Box::new(as_recordable(state, known)))
}

/// The fact that what a former system knows is known here, as it may be recorded of this buyer.
#[must_use]
pub fn migrated(state: &State, known: &Known) -> Fact {
    Fact::Migrated(Box::new(as_recordable(state, known)))
}

fn as_recordable(state: &State, known: &Known) -> Known {
    if state.is_erased { known.without_personal_data() } else { known.clone() }
}

/// Forgets who a buyer is: every lead closes, nothing personal is recorded any more, and what is personal is taken out of older
/// commits. Goes on where an earlier attempt was cut off. What the leads table keeps is not touched here.
///
/// # Errors
/// [`StoreError`]; do it again.
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

/// Takes out of every commit what is personal, page by page; tells where the buyer was erased.
async fn clear(store: &(impl Commits + Clearing), buyer: &BuyerId) -> Result<Sequence, StoreError> {
    let mut before = None;
    let mut erased_at = Sequence::START;
    loop {
        let page = store.page(buyer, before, CLEARED_AT_ONCE).await?;
        for stored in &page.commits {
            let sequence = Sequence::new(stored.sequence);
            before = Some(sequence);
            // What was recorded since the erasing has nothing personal in it, nor have its snapshots.
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

/// A commit of one fact; `None` if another writer was faster.
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
