//! What can be typed after `leads`.

mod buyers;
mod dead_letters;
mod emails;
mod values;

use std::path::PathBuf;

pub(crate) use buyers::{GoLive, Pace, Parity, Reset};
use clap::{Parser, Subcommand};
pub(crate) use dead_letters::{DeadLetters, Picked};
use domain::{BuyerId, OfferId, OfferVersion, Priority};
use emails::EMAILS_EXAMPLES;
pub(crate) use emails::Emails;
use values::{buyer_id, offer_id, priority, version};

use crate::Places;

/// Checks and posts offer events, tells what Leadstream knows, and repairs what people must decide.
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
Exit codes: 0 good, 1 findings or an unknown buyer, 2 wrong usage or something did not work,
130 interrupted, the answer is incomplete.

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

    /// Show where a buyer stands: in shadow or live, offers, open leads, held events, cursor, e-mails.
    #[command(after_help = "Example:\n  leads show buyer-7")]
    Show {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,

        /// Show names, e-mail addresses and phone numbers too.
        #[arg(long)]
        contact: bool,
    },

    /// List the open leads, oldest first, as the sales team was told of them.
    #[command(after_help = "Example:\n  leads list --priority high")]
    List {
        /// Only those of this priority.
        #[arg(long, value_parser = priority())]
        priority: Option<Priority>,

        /// Show names, e-mail addresses and phone numbers too.
        #[arg(long)]
        contact: bool,
    },

    /// List events that wait for earlier ones of their offer, longest waiting first.
    ///
    /// Exit code 1 if there are any.
    #[command(after_help = "Example:\n  leads held\n  leads held --buyer buyer-7")]
    Held {
        /// Only those of this buyer, read from its stream without asking the index.
        #[arg(long, value_parser = buyer_id)]
        buyer: Option<BuyerId>,
    },

    /// List e-mails by status, send some again, or lift the stop on a buyer's addresses.
    ///
    /// `sending`, `unknown` and `retry` are indexed; other statuses scan the whole leads table and print the cost.
    #[command(after_help = EMAILS_EXAMPLES)]
    Emails(Emails),

    /// Look at offer events that were set aside, give them another try, or drop them.
    #[command(subcommand)]
    DeadLetters(DeadLetters),

    /// Compare every stream with its cursor: pending effects that nothing will retry, buyers behind, missing commits.
    ///
    /// Reads the keys of the whole streams table, which costs as much as reading all of it, and one cursor for each stream.
    /// Exit code 1 if something is found. Ctrl-C prints what was found so far, marked as incomplete, and exits with 130.
    ///
    /// Memory: about 250 bytes for each stream, whatever its length, while the table returns the commits of a stream in order.
    #[command(after_help = "Example:\n  leads audit --rate 500\n  leads audit --repair")]
    Audit {
        /// Read units of the streams table a second, at most.
        #[arg(long, default_value_t = 200, value_name = "UNITS")]
        rate: u32,

        /// Mark buyers with pending effects that nothing will retry as behind and due; the next sweep goes on with them.
        #[arg(long)]
        repair: bool,
    },

    /// Declare versions of an offer void that will never come, so that what waits behind them is applied.
    ///
    /// A version declared void that comes later is a dead letter. Does not make a buyer in shadow live.
    #[command(
        after_help = "Example:\n  leads void buyer-7 offer-1 --through 3 --yes\n\n`leads held` lists the versions that are missing."
    )]
    Void {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,

        /// The offer's id.
        #[arg(value_name = "OFFER", value_parser = offer_id)]
        offer: OfferId,

        /// The last version that is given up; it lies before the first one held.
        #[arg(long, value_name = "VERSION", value_parser = version)]
        through: OfferVersion,

        /// Confirm: they will never come.
        #[arg(long)]
        yes: bool,
    },

    /// Let what was recorded of buyers in shadow not count any more: their next event asks the former system anew.
    ///
    /// For buyers in shadow only. Refused where the former system has handed the buyer over, or does not know all that is recorded
    /// here, held events included. Nothing is deleted: `leads history` still shows it. Without --yes the buyers are only counted.
    ///
    /// Costs one Query and one GET for each buyer in shadow, and one write for each reset. Ctrl-C prints what was done and exits
    /// with 130; run again it goes on and skips buyers that are reset already.
    #[command(
        after_help = "Example:\n  leads reset buyer-7 --yes\n  leads reset --file wrong.txt\n  leads reset --all --yes"
    )]
    Reset(Reset),

    /// Make buyers in shadow live now, without waiting for their next event.
    ///
    /// The former system is asked to hand each buyer over (POST) and announces nothing of it afterwards. This cannot be undone: a
    /// buyer once live stays live. Without --yes the buyers are only counted, and the former system is not asked.
    ///
    /// Costs one Query, one POST, one Query and one write for each buyer. Ctrl-C prints what was done and exits with 130; run again
    /// it goes on and skips buyers that are live already.
    #[command(
        after_help = "Example:\n  leads go-live buyer-7 buyer-8\n  leads go-live --file canary.txt --yes\n  leads go-live --all-asked --yes"
    )]
    GoLive(GoLive),

    /// Forget who a buyer is: every lead closes, and personal data is cleared from older commits, whatever their number.
    ///
    /// Does not make a buyer in shadow live. Exits with 1 until the closings of its leads are announced; run it again then. Ctrl-C
    /// exits with 130, and running it again goes on. At the end it names every copy that is left elsewhere.
    #[command(after_help = "Example:\n  leads erase buyer-7 --yes")]
    Erase {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,

        /// Confirm: it cannot be undone.
        #[arg(long)]
        yes: bool,
    },

    /// Fold a buyer's facts again from the first one on and compare each snapshot. Performs nothing.
    #[command(after_help = "Example:\n  leads replay buyer-7")]
    Replay {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,
    },

    /// Compare buyers with what the former system says of them now.
    ///
    /// It is only asked (GET); no buyer is handed over. Each buyer costs one GET and one Query of the streams table, and a further
    /// Query for every page of a long stream without a usable snapshot, as after a change of rules.
    ///
    /// Classes of differences: `lag` (one side knows later versions, or events are held here), `missing-here` and `missing-there` (an
    /// offer that only the other side knows), `other-stage`, `other-contact` (contact or car), `handed-over-there` (in shadow here: `leads
    /// go-live` ends it), `other-lead` (in shadow: a lead that only one side has), and `explained`. Of live buyers only offers are
    /// compared.
    ///
    /// Exit code 1 while more differences than --allow are unexplained: all but `lag` and `explained`. Ctrl-C prints what was found
    /// so far and exits with 130.
    #[command(after_help = "Example:\n  leads parity buyer-7\n  leads parity --sample 1000\n  \
leads parity --all --state parity.jsonl --explained known.jsonl --report parity.html")]
    Parity(Parity),

    /// Show a buyer's history: each event, the leads open after it, its effects and how each was settled.
    ///
    /// Effects decided in shadow are `suppressed`: the former system performed them. Of `migrated` and `handed-over` it shows what the
    /// former system answered.
    #[command(after_help = "Example:\n  leads history buyer-7")]
    History {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,
    },
}

impl Command {
    /// Whether nothing is changed by it.
    pub(crate) const fn only_reads(&self) -> bool {
        match self {
            Self::Check { .. }
            | Self::Show { .. }
            | Self::List { .. }
            | Self::Held { .. }
            | Self::Replay { .. }
            | Self::Parity(_)
            | Self::History { .. }
            | Self::DeadLetters(
                DeadLetters::List { .. } | DeadLetters::Show { .. } | DeadLetters::Drop { yes: false, .. },
            ) => true,
            Self::Emails(emails) => emails.allow.is_none() && !emails.yes,
            Self::Audit { repair, .. } => !*repair,
            Self::Reset(Reset { yes, .. }) | Self::GoLive(GoLive { yes, .. }) => !*yes,
            Self::Send { .. }
            | Self::Void { .. }
            | Self::Erase { .. }
            | Self::DeadLetters(DeadLetters::Redrive { .. } | DeadLetters::Drop { yes: true, .. }) => false,
        }
    }
}
