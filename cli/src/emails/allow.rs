//! `leads emails --allow`: an operator's decision to lift the stop on a buyer's addresses.

use std::io::Write;

use domain::BuyerId;
use leads_store::Cursors as _;
use serde_json::json;

use crate::output::Output;
use crate::{Exit, Failure, Tables};

pub(super) async fn allow<O: Write, E: Write>(
    buyer: &BuyerId,
    tables: &Tables,
    output: &mut Output<'_, O, E>,
) -> Result<Exit, Failure> {
    let failed = |source| Failure::Leads { buyer: buyer.clone(), source };
    let stopped = tables.leads.cursor(buyer).await.map_err(failed)?.stopped;
    if stopped.is_empty() {
        output.aside(&format!("no address of {buyer} is stopped"))?;
        return Ok(Exit::Findings);
    }
    if !tables.leads.allow(buyer, &stopped).await.map_err(failed)? {
        output.aside(&format!("the stopped addresses of {buyer} changed meanwhile: run it again"))?;
        return Ok(Exit::Findings);
    }
    if output.is_json {
        output.json(&json!({ "buyerId": buyer.as_str(), "allowed": stopped.len() }))?;
    } else {
        let addresses =
            if stopped.len() == 1 { "1 address".to_owned() } else { format!("{} addresses", stopped.len()) };
        output.line(&format!("{addresses} of {buyer} may get e-mails again."))?;
    }
    output.aside(&format!(
        "E-mails rejected because of the stop stay rejected: `leads show {buyer}` lists them, and \
         `leads emails --resend BUYER/KEY` sends one again."
    ))?;
    Ok(Exit::Good)
}
