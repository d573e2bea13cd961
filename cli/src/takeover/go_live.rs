//! `leads go-live`: makes buyers in shadow live now, without waiting for their next event.

use std::io::Write;

use domain::{BuyerId, Sequence};
use event_store::load;
use legacy::Legacy;
use platform::clock::SystemClock;

use super::bulk::{self, Outcome, Words};
use super::of_stream;
use crate::args::GoLive;
use crate::output::Output;
use crate::{Exit, Failure, Tables};

const WORDS: Words = Words { done: "went-live", planned: "would-go-live", doing: ["making", " live"] };

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
    let live = event_store::go_live(&tables.streams, &SystemClock, buyer, &known).await;
    live.map(Outcome::Done).map_err(|source| of_stream(buyer, source))
}

pub(crate) async fn command<O: Write, E: Write>(
    buyers: &GoLive,
    former: &impl Legacy,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let which = buyers.which();
    let how = (buyers.pace, buyers.yes, WORDS);
    let what = (buyers.yes, !which.names_each());
    let work = async |buyer: &BuyerId| go_live(tables, former, buyer, what).await;
    bulk::run(&which, how, tables, output, work).await
}
