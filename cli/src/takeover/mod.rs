//! What is decided about one buyer: a gap declared void, the buyer given back to the former system or forgotten; and how it
//! stands beside that system, and beside its own facts.

mod parity;
mod replay;

use std::io::Write;

use domain::{BuyerId, OfferId, OfferVersion, Sequence};
use effects::leads::Cursors as _;
use event_store::surroundings::Machine;
use event_store::{NotErased, NotReset, Performing, ResetGrounds, StoreError};
use legacy::HttpLegacy;
pub use parity::{Parity, Stands, parity};
pub use replay::{Replayed, replay};
use serde_json::json;

use crate::audit::call_the_sweeper;
use crate::output::Output;
use crate::show::unknown;
use crate::{Exit, Failure, Tables};

pub(crate) use parity::command as parity_command;
pub(crate) use replay::command as replay_command;

/// Why a buyer is marked whose effects a person waits for. A commit without effects stands in no index: should its doorbell be
/// lost, nobody else would call the sweeper.
const AWAITED: &str = "somebody waits for it";

/// Declares versions of an offer void.
pub(crate) async fn void<O: Write, E: Write>(
    (buyer, offer, through): (&BuyerId, &OfferId, OfferVersion),
    performing: Performing,
    is_confirmed: bool,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    if !is_confirmed {
        return Err(Failure::NotConfirmed {
            what: format!("declaring {offer} void up to version {through}"),
        });
    }
    let voided = event_store::void(&tables.streams, &Machine, performing, buyer, offer, through).await;
    match voided.map_err(|source| of_stream(buyer, source))? {
        Ok(sequence) => recorded(buyer, "voided", sequence, output),
        Err(refusal) => refused(&refusal.to_string(), output),
    }
}

/// Gives a buyer back to the former system.
pub(crate) async fn reset<O: Write, E: Write>(
    buyer: &BuyerId,
    performing: Performing,
    is_confirmed: bool,
    former: &HttpLegacy,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    if !is_confirmed {
        return Err(Failure::NotConfirmed { what: format!("giving {buyer} back to the former system") });
    }
    let known = former.known_of(buyer).await.map_err(Failure::Legacy)?.unwrap_or_default();
    let cursor = tables.leads.cursor(buyer).await;
    let cursor = cursor.map_err(|source| Failure::Leads { buyer: buyer.clone(), source })?;
    let grounds = ResetGrounds { settled_through: cursor.through, former: &known };
    let reset = event_store::reset(&tables.streams, &Machine, performing, buyer, grounds).await;
    match reset.map_err(|source| of_stream(buyer, source))? {
        Ok(sequence) => recorded(buyer, "reset", sequence, output),
        Err(NotReset::UnknownBuyer) => unknown(buyer, output),
        Err(refusal @ NotReset::NotSettled { .. }) => {
            call_the_sweeper(buyer, cursor.through, AWAITED, tables, &Machine).await?;
            refused(&refusal.to_string(), output)
        }
        Err(refusal) => refused(&refusal.to_string(), output),
    }
}

/// Forgets who a buyer is: in the stream at once, in the leads table once the closings of its leads are told.
pub(crate) async fn erase<O: Write, E: Write>(
    buyer: &BuyerId,
    performing: Performing,
    is_confirmed: bool,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    if !is_confirmed {
        return Err(Failure::NotConfirmed { what: format!("erasing {buyer}") });
    }
    let erased = event_store::erase(&tables.streams, &Machine, performing, buyer).await;
    let sequence = match erased.map_err(|source| of_stream(buyer, source))? {
        Ok(sequence) => sequence,
        Err(NotErased::UnknownBuyer) => return unknown(buyer, output),
    };
    // Whoever looked at the buyer before may still write whom to phone; once the cursor is past, nobody can.
    let of_leads = |source| Failure::Leads { buyer: buyer.clone(), source };
    let cursor = tables.leads.cursor(buyer).await.map_err(of_leads)?;
    if cursor.through < sequence {
        call_the_sweeper(buyer, cursor.through, AWAITED, tables, &Machine).await?;
        recorded(buyer, "erased", sequence, output)?;
        output.aside("The closings of its leads are still to be told: say it again in a while, to clear the leads table.")?;
        return Ok(Exit::Findings);
    }
    tables.leads.forget(buyer).await.map_err(of_leads)?;
    recorded(buyer, "erased", sequence, output)?;
    output.aside(
        "Nothing personal is left in the tables. Backups and dead letters age out by their retention.",
    )?;
    Ok(Exit::Good)
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
        output.line(&format!("nothing is done: {why}"))?;
    }
    Ok(Exit::Findings)
}
