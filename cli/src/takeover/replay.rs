//! `leads replay`: folds a buyer's facts again and compares every snapshot with the result. Performs no effects.

use std::io::Write;

use contract::stored::Commit;
use domain::{BuyerId, Fact, Sequence, State};
use event_store::history;
use serde_json::json;

use crate::output::{Output, count};
use crate::show::unknown;
use crate::{Exit, Failure, Tables};

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
            drop(replayed.state.fold_fact(fact));
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

pub(crate) async fn command<O: Write, E: Write>(
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
