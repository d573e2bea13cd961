//! Operators' decisions about buyers: declaring a gap void, resetting a buyer, making it live, erasing it. Only
//! `go-live` makes a buyer live. Also `replay`, which checks a buyer's snapshots against its facts.

mod bulk;
mod erase;
mod go_live;
mod replay;
mod reset;

use std::io::Write;

pub use bulk::{Bulk, Outcome};
use domain::{BuyerId, OfferId, OfferVersion, Sequence};
pub(crate) use erase::command as erase;
use event_store::StoreError;
pub(crate) use go_live::command as go_live_command;
pub use go_live::go_live;
use platform::clock::SystemClock;
pub(crate) use replay::command as replay_command;
pub use replay::{Replayed, replay};
pub(crate) use reset::command as reset_command;
pub use reset::reset;
use serde_json::json;

use crate::output::Output;
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
    let voided = event_store::void(&tables.streams, &SystemClock, buyer, offer, through).await;
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
