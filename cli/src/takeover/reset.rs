//! `leads reset`: discards the recorded state of buyers in shadow, so that their next event asks the former system
//! again.

use std::io::Write;

use domain::{BuyerId, Sequence};
use event_store::{NotReset, load, not_reset};
use legacy::Legacy;
use platform::clock::SystemClock;

use super::bulk::{self, Outcome, Words};
use super::of_stream;
use crate::args::Reset;
use crate::output::Output;
use crate::{Exit, Failure, Tables};

const WORDS: Words = Words { done: "reset", planned: "would-reset", doing: ["resetting", ""] };

/// Resets one buyer; without a confirmation, only reports what would be done. The former system is asked only if its
/// answer matters.
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
        return Ok(refused(&NotReset::UnknownBuyer));
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
        return Ok(not_reset(&head, &answer).map_or(Outcome::Planned, |refusal| refused(&refusal)));
    }
    let reset = event_store::reset(&tables.streams, &SystemClock, buyer, &answer).await;
    Ok(match reset.map_err(|source| of_stream(buyer, source))? {
        Ok(sequence) => Outcome::Done(sequence),
        Err(refusal) => refused(&refusal),
    })
}

fn refused(refusal: &NotReset) -> Outcome {
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

pub(crate) async fn command<O: Write, E: Write>(
    buyers: &Reset,
    former: &impl Legacy,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let how = (buyers.pace, buyers.yes, WORDS);
    let work = async |buyer: &BuyerId| reset(tables, former, buyer, buyers.yes).await;
    bulk::run(&buyers.which(), how, tables, output, work).await
}
