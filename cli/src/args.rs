use std::path::PathBuf;

use clap::{Parser, Subcommand};
use domain::BuyerId;

use crate::Places;

/// Checks and posts offer events, and tells what Leadstream knows of a buyer.
#[derive(Debug, Parser)]
#[command(name = "leads", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) places: Places,

    /// Answer with one JSON document instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 good, 1 findings or an unknown buyer, 2 wrong usage or something did not work.

AWS is found as by the AWS CLI: AWS_PROFILE, AWS_REGION, `aws sso login`; AWS_ENDPOINT_URL for a local one.
On a stack of `make up`: . .local/stack.env";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check events against the contract, one per line; needs no AWS.
    ///
    /// Names every fault with its line, and faults between lines: an offer version given to two changes, an id given to
    /// two events. Gaps and lines out of order are warnings, for Leadstream puts events in order itself.
    #[command(after_help = "Example:\n  leads check offers.jsonl\n  my-export | leads check --json -")]
    Check {
        /// A file of events, one per line; `-` is standard input.
        #[arg(value_name = "FILE.jsonl")]
        file: PathBuf,
    },

    /// Check a file of events and post them, in order within each buyer.
    ///
    /// Posts nothing if a line is bad. Sending a file twice is safe: what is recorded already is recognised.
    #[command(after_help = "Example:\n  leads send offers.jsonl")]
    Send {
        /// A file of events, one per line. It is read twice, so it cannot be standard input.
        #[arg(value_name = "FILE.jsonl")]
        file: PathBuf,

        /// Post under fresh deduplication ids: else SQS swallows what it was sent within the last five minutes.
        #[arg(long)]
        repeat: bool,
    },

    /// Show where a buyer stands: offers, open leads, held events, cursor, e-mails.
    #[command(after_help = "Example:\n  leads show buyer-7")]
    Show {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,

        /// Show names, e-mail addresses and phone numbers too.
        #[arg(long)]
        contact: bool,
    },

    /// Tell a buyer's history: each event, the leads open after it, its effects and how each was settled.
    #[command(after_help = "Example:\n  leads history buyer-7")]
    History {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,
    },
}

fn buyer_id(text: &str) -> Result<BuyerId, &'static str> {
    BuyerId::parse(text).map_err(|_| "a buyer's id is 1 to 128 visible ASCII characters without '/'")
}
