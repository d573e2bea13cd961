//! Operators' decisions about buyers: declaring a gap void, resetting a buyer, making it live, erasing it. Only
//! `go-live` makes a buyer live. Also `replay`, which checks a buyer's snapshots against its facts.

mod bulk;
mod erase;

use std::io::Write;

use bulk::Words;
pub use bulk::{Bulk, Outcome};
use contract::stored::Commit;
use domain::{BuyerId, Fact, NotReset, OfferId, OfferVersion, Sequence, State};
pub(crate) use erase::command as erase;
use event_store::{StoreError, history, load};
use legacy::Legacy;
use platform::clock::SystemClock;
use serde_json::json;

use crate::args::{GoLive, Reset};
use crate::output::{Output, count};
use crate::show::unknown;
use crate::{Exit, Failure, Tables};

/// Declares versions of an offer void.
pub(crate) async fn void<O: Write, E: Write>(
    (buyer, offer, through): (&BuyerId, &OfferId, OfferVersion),
    is_confirmed: bool,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    if !is_confirmed {
        return Err(Failure::NotConfirmed {
            what: format!("declaring {offer} void up to version {through}"),
        });
    }
    let voided = event_store::void(tables, &SystemClock, buyer, offer, through).await;
    match voided.map_err(|source| of_stream(buyer, source))? {
        Ok(sequence) => recorded(buyer, "voided", sequence, output),
        Err(refusal) => refused(&refusal.to_string(), output),
    }
}

fn of_stream(buyer: &BuyerId, source: StoreError) -> Failure {
    Failure::Stream { buyer: buyer.clone(), source }
}

fn recorded<O: Write, E: Write>(
    buyer: &BuyerId,
    what: &str,
    sequence: Sequence,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    if output.is_json {
        output.json(&json!({ "buyerId": buyer.as_str(), "recorded": what, "sequence": sequence.get() }))?;
    } else {
        output.line(&format!("{buyer}: {what} at sequence number {sequence}"))?;
    }
    Ok(Exit::Good)
}

fn refused<O: Write, E: Write>(why: &str, output: &mut Output<'_, O, E>) -> Result<Exit, Failure> {
    if output.is_json {
        output.json(&json!({ "refused": why }))?;
    } else {
        output.line(&format!("Not done: {why}"))?;
    }
    Ok(Exit::Findings)
}

const RESET: Words = Words { done: "reset", planned: "would-reset", doing: ["resetting", ""] };

/// Resets one buyer; without a confirmation, only reports what would be done. The former system is asked unless the
/// buyer is unknown, live or already reset.
///
/// # Errors
/// [`Failure::Stream`], [`Failure::Legacy`].
pub async fn reset(
    tables: &Tables,
    former: &impl Legacy,
    buyer: &BuyerId,
    is_confirmed: bool,
) -> Result<Outcome, Failure> {
    let head = load(&tables.streams, buyer).await.map_err(|source| of_stream(buyer, source))?;
    if head.state.sequence == Sequence::START {
        return Ok(refusal_of(&NotReset::UnknownBuyer));
    }
    if head.is_live {
        return Ok(Outcome::Skipped { word: "live", is_finding: true });
    }
    // The buyer was reset before, and no event has been recorded since.
    if head.state.is_blank() {
        return Ok(Outcome::Skipped { word: "already-reset", is_finding: false });
    }
    let answer = former.look_up(buyer).await.map_err(Failure::Legacy)?;
    if !is_confirmed {
        let checked = head.state.check_reset(head.is_live, &answer);
        return Ok(checked.map_or_else(|refusal| refusal_of(&refusal), |()| Outcome::Planned));
    }
    let reset = event_store::reset(tables, &SystemClock, buyer, &answer).await;
    Ok(match reset.map_err(|source| of_stream(buyer, source))? {
        Ok(sequence) => Outcome::Done(sequence),
        Err(refusal) => refusal_of(&refusal),
    })
}

fn refusal_of(refusal: &NotReset) -> Outcome {
    let word = match refusal {
        NotReset::UnknownBuyer => "unknown",
        // The buyer went live between the load and the append.
        NotReset::Live => return Outcome::Skipped { word: "live", is_finding: true },
        NotReset::Erased => "erased",
        NotReset::HandedOver => "handed-over-there",
        NotReset::FormerBehind { .. } => "former-behind",
    };
    Outcome::Refused { word, why: refusal.to_string() }
}

pub(crate) async fn reset_command<O: Write, E: Write>(
    buyers: &Reset,
    former: &impl Legacy,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let how = (buyers.pace, buyers.yes, RESET);
    let work = async |buyer: &BuyerId| reset(tables, former, buyer, buyers.yes).await;
    bulk::run(&buyers.which(), how, tables, output, work).await
}

const GO_LIVE: Words = Words { done: "went-live", planned: "would-go-live", doing: ["making", " live"] };

/// Asks the former system to hand one buyer over and records its answer; without a confirmation, only reports whether
/// it would.
///
/// An unknown buyer is refused without a request to the former system, which would announce nothing about the buyer
/// after a handover. With `only_asked`, a buyer without a recorded answer of the former system is skipped.
///
/// # Errors
/// [`Failure::Stream`], [`Failure::Legacy`].
pub async fn go_live(
    tables: &Tables,
    former: &impl Legacy,
    buyer: &BuyerId,
    (is_confirmed, only_asked): (bool, bool),
) -> Result<Outcome, Failure> {
    let head = load(&tables.streams, buyer).await.map_err(|source| of_stream(buyer, source))?;
    if head.state.sequence == Sequence::START {
        let why = "nothing is recorded about this buyer; it goes live with its first event".to_owned();
        return Ok(Outcome::Refused { word: "unknown", why });
    }
    if head.is_live {
        return Ok(Outcome::Skipped { word: "already-live", is_finding: false });
    }
    if only_asked && !head.state.is_asked {
        return Ok(Outcome::Skipped { word: "not-asked", is_finding: false });
    }
    if !is_confirmed {
        return Ok(Outcome::Planned);
    }
    let known = former.hand_over(buyer).await.map_err(Failure::Legacy)?;
    let live = event_store::go_live(tables, &SystemClock, buyer, &known).await;
    live.map(Outcome::Done).map_err(|source| of_stream(buyer, source))
}

pub(crate) async fn go_live_command<O: Write, E: Write>(
    buyers: &GoLive,
    former: &impl Legacy,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let which = buyers.which();
    let how = (buyers.pace, buyers.yes, GO_LIVE);
    let what = (buyers.yes, !which.names_each());
    let work = async |buyer: &BuyerId| go_live(tables, former, buyer, what).await;
    bulk::run(&which, how, tables, output, work).await
}

/// The result of a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// The state to which the facts fold.
    pub state: State,
    /// The number of facts folded.
    pub facts: u64,
    /// The number of snapshots compared.
    pub snapshots: u64,
    /// The sequence numbers of snapshots that differ from the replayed state.
    pub differing: Vec<Sequence>,
}

/// Folds all facts again, oldest first, and compares each snapshot with the state at its sequence number.
///
/// Where an older version of the software removed facts, the state is unknown until a later fact that carries a whole
/// state; snapshots before it are not compared.
#[must_use]
pub fn replay(commits: &[Commit]) -> Replayed {
    let mut replayed = Replayed::default();
    let mut is_known = true;
    for commit in commits {
        is_known = commit.emptied.is_none() && (is_known || commit.facts.iter().any(Fact::is_fresh_start));
        // Removed facts leave a hole, so the sequence is set from the commit rather than counted.
        replayed.state.sequence = Sequence::new(commit.first.get().saturating_sub(1));
        for fact in &commit.facts {
            replayed.state.fold(fact);
            replayed.facts += 1;
        }
        if let Some(snapshot) = commit.snapshot.as_ref().filter(|_| is_known) {
            replayed.snapshots += 1;
            if *snapshot != replayed.state {
                replayed.differing.push(commit.last());
            }
        }
    }
    replayed
}

pub(crate) async fn replay_command<O: Write, E: Write>(
    buyer: &BuyerId,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let commits = history(&tables.streams, buyer).await;
    let commits = commits.map_err(|source| Failure::Stream { buyer: buyer.clone(), source })?;
    if commits.is_empty() {
        return unknown(buyer, output);
    }
    let Replayed { facts, snapshots, differing, .. } = replay(&commits);
    if output.is_json {
        let differing: Vec<u64> = differing.iter().map(|sequence| sequence.get()).collect();
        let buyer = buyer.as_str();
        output.json(
            &json!({ "buyerId": buyer, "facts": facts, "snapshots": snapshots, "differing": differing }),
        )?;
    } else {
        let (facts, snapshots) = (count(facts, "fact"), count(snapshots, "snapshot"));
        let differing: Vec<String> = differing.iter().map(ToString::to_string).collect();
        let end = if differing.is_empty() {
            "all agree".to_owned()
        } else {
            format!("they differ at {}", differing.join(", "))
        };
        output.line(&format!("{buyer}: {facts} folded again, {snapshots} compared: {end}"))?;
    }
    Ok(if differing.is_empty() { Exit::Good } else { Exit::Findings })
}
