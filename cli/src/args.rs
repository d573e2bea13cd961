use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use domain::{BuyerId, OfferId, OfferVersion, Priority};
use effects::leads::Status;
use jiff::{SignedDuration, Span, SpanRelativeTo};

use crate::emails::{EmailId, Selection, Wanted};
use crate::{Failure, Places};

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
    /// A version declared void that comes later is a dead letter.
    #[command(after_help = "Example:\n  leads held\n  leads void buyer-7 offer-1 --through 3 --yes")]
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

        /// Yes, they will never come.
        #[arg(long)]
        yes: bool,
    },

    /// Give a buyer back to the former system, which is asked anew at the next event.
    ///
    /// Only with nothing held, all effects settled, and a former system that knows as much as we do. Older commits are emptied.
    #[command(after_help = "Example:\n  leads parity buyer-7\n  leads reset buyer-7 --yes")]
    Reset {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,

        /// Yes, it is to be taken over anew.
        #[arg(long)]
        yes: bool,
    },

    /// Forget who a buyer is: every lead closes, older commits are emptied, nothing personal is recorded any more.
    ///
    /// Exit code 1 while the closings of its leads are still to be told: say it again then. It can be repeated at any time.
    #[command(after_help = "Example:\n  leads erase buyer-7 --yes")]
    Erase {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,

        /// Yes, for good.
        #[arg(long)]
        yes: bool,
    },

    /// Fold a buyer's facts again and compare each snapshot. Performs nothing.
    #[command(after_help = "Example:\n  leads replay buyer-7")]
    Replay {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,
    },

    /// Compare a buyer with what the former system knows, offer by offer.
    ///
    /// The former system is only asked, the buyer is not handed over. Exit code 1 if something stands otherwise.
    #[command(after_help = "Example:\n  leads parity buyer-7")]
    Parity {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,
    },

    /// Tell a buyer's history: each event, the leads open after it, its effects and how each was settled.
    #[command(after_help = "Example:\n  leads history buyer-7")]
    History {
        /// The buyer's id.
        #[arg(value_name = "BUYER", value_parser = buyer_id)]
        buyer: BuyerId,
    },
}

/// What can be done with dead letters.
///
/// While SQS has handed out letters of a buyer, it hands out no further ones of that buyer. So a look sees the first ten of
/// each at most; `redrive` and `drop` get further by what they delete.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// List dead letters with their reasons, the first ten of each buyer at most.
    #[command(after_help = "Example:\n  leads dead-letters list --reason contradiction")]
    List {
        #[command(flatten)]
        picked: Picked,
    },

    /// Show one dead letter.
    #[command(after_help = "Example:\n  leads dead-letters show 0f1c… --body")]
    Show {
        /// The id, as `list` tells it.
        #[arg(value_name = "ID")]
        id: String,

        /// Show the message itself too, with the personal data in it.
        #[arg(long)]
        body: bool,
    },

    /// Send dead letters to the queue of offer events again, in order within each buyer.
    ///
    /// One is deleted once the queue has it. One that cannot be sent stops those behind it of the same buyer. Safe to repeat:
    /// what is recorded already is recognised.
    #[command(
        after_help = "Example:\n  leads dead-letters redrive --reason unknown-type\n  leads dead-letters redrive --all"
    )]
    #[command(group(clap::ArgGroup::new("which").args(WHICH).required(true).multiple(true)))]
    Redrive {
        #[command(flatten)]
        picked: Picked,

        /// All that there are.
        #[arg(long, conflicts_with_all = PICKED)]
        all: bool,
    },

    /// Delete dead letters, for good.
    #[command(after_help = "Example:\n  leads dead-letters drop --reason not-json --older-than 7d --yes")]
    #[command(group(clap::ArgGroup::new("which").args(WHICH).required(true).multiple(true)))]
    Drop {
        #[command(flatten)]
        picked: Picked,

        /// All that there are.
        #[arg(long, conflicts_with_all = PICKED)]
        all: bool,

        /// Yes, for good. Without it they are only listed.
        #[arg(long)]
        yes: bool,
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
            | Self::Parity { .. }
            | Self::History { .. }
            | Self::DeadLetters(
                DeadLetters::List { .. } | DeadLetters::Show { .. } | DeadLetters::Drop { yes: false, .. },
            ) => true,
            Self::Emails(emails) => emails.allow.is_none() && !emails.yes,
            Self::Audit { repair, .. } => !*repair,
            Self::Send { .. }
            | Self::Void { .. }
            | Self::Reset { .. }
            | Self::Erase { .. }
            | Self::DeadLetters(DeadLetters::Redrive { .. } | DeadLetters::Drop { yes: true, .. }) => false,
        }
    }
}

const EMAILS_EXAMPLES: &str = "\
Example:
  leads emails --status unknown
  leads emails --status rejected --newer-than 2h
  leads emails --resend buyer-7/quote-email --yes
  leads emails --resend --status rejected --reason BadRequest --newer-than 2d
  leads emails --allow buyer-7";

/// What `leads emails` is to do.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").args(["status", "resend", "allow"]).required(true).multiple(true)))]
pub(crate) struct Emails {
    /// Select e-mails of this status.
    #[arg(long, value_parser = status())]
    pub(crate) status: Option<Status>,

    /// Select those that came to this status at most this long ago, as in `90m` or `2d`.
    #[arg(long, value_name = "AGE", value_parser = age, requires = "status")]
    pub(crate) newer_than: Option<SignedDuration>,

    /// Select those whose reason is this or begins with it. May be repeated; any match counts.
    #[arg(long, requires = "status")]
    pub(crate) reason: Vec<String>,

    /// Send again: the e-mail of this id or, without an id, all that are selected. Only `unknown`, `abandoned` and `rejected`
    /// ones.
    ///
    /// Without --yes they are only listed and counted. With it each becomes `retry`, due now, unless it has changed meanwhile;
    /// the next sweeps send it if its reason still holds. A buyer may get an `unknown` or `abandoned` one twice.
    #[arg(long, value_name = "BUYER/KEY", value_parser = email_id, num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "absent, without an id, with one")]
    pub(crate) resend: Option<Option<EmailId>>,

    /// Lift the stop on all addresses of this buyer: those that a permanent bounce or a complaint has stopped get mail again.
    ///
    /// E-mails rejected meanwhile stay rejected; send them again with --resend.
    #[arg(long, value_name = "BUYER", value_parser = buyer_id, conflicts_with_all = ["status", "resend"])]
    pub(crate) allow: Option<BuyerId>,

    /// Confirm --resend.
    #[arg(long, requires = "resend")]
    pub(crate) yes: bool,
}

impl Emails {
    /// What the options ask for together.
    pub(crate) fn wanted(&self) -> Result<Wanted, Failure> {
        let selection =
            |status| Selection { status, newer_than: self.newer_than, reasons: self.reason.clone() };
        let is_confirmed = self.yes;
        match (&self.allow, &self.resend, self.status) {
            (Some(buyer), ..) => Ok(Wanted::Allow(buyer.clone())),
            (None, Some(Some(id)), None) => Ok(Wanted::ResendOne { id: id.clone(), is_confirmed }),
            (None, Some(Some(_)), Some(_)) => Err(Failure::Usage(
                "--resend BUYER/KEY names one e-mail and --status selects many: use one of them".to_owned(),
            )),
            (None, Some(None), Some(status)) if !status.is_resendable() => Err(Failure::Usage(format!(
                "`{}` e-mails are not sent again: use --status unknown, abandoned or rejected",
                status.name()
            ))),
            (None, Some(None), Some(status)) => {
                Ok(Wanted::ResendMany { selection: selection(status), is_confirmed })
            }
            (None, None, Some(status)) => Ok(Wanted::List(selection(status))),
            (None, Some(None) | None, None) => Err(Failure::Usage(
                "nothing is selected: use --resend BUYER/KEY for one e-mail, --status for all of a status"
                    .to_owned(),
            )),
        }
    }
}

const WHICH: [&str; 6] = ["all", "reason", "buyer", "id", "older_than", "newer_than"];
const PICKED: [&str; 5] = ["reason", "buyer", "id", "older_than", "newer_than"];

/// Which dead letters are meant: those of which all of this is true.
#[derive(Debug, Clone, Args)]
pub(crate) struct Picked {
    /// Set aside for this reason; `too-many-receives` if SQS did it. Several are alternatives.
    #[arg(long)]
    pub(crate) reason: Vec<String>,

    /// Of this buyer, by message group. Several are alternatives.
    #[arg(long)]
    pub(crate) buyer: Vec<String>,

    /// With this id. Several are alternatives.
    #[arg(long)]
    pub(crate) id: Vec<String>,

    /// Sent at least this long ago, as in `90m` or `2d`.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) older_than: Option<SignedDuration>,

    /// Sent at most this long ago.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) newer_than: Option<SignedDuration>,
}

fn age(text: &str) -> Result<SignedDuration, &'static str> {
    let span: Result<Span, _> = text.parse();
    let age = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    age.ok().filter(|age| !age.is_negative()).ok_or("an age is a number and a unit, as in 90m, 12h or 2d")
}

fn priority() -> impl TypedValueParser<Value = Priority> {
    PossibleValuesParser::new(["high", "low"])
        .map(|name| if name == Priority::High.name() { Priority::High } else { Priority::Low })
}

fn status() -> impl TypedValueParser<Value = Status> {
    PossibleValuesParser::new([
        "sending",
        "unknown",
        "retry",
        "sent",
        "rejected",
        "abandoned",
        "superseded",
        "suppressed",
    ])
    .try_map(|name| Status::parse(&name).ok_or("no status"))
}

fn email_id(text: &str) -> Result<EmailId, &'static str> {
    let parts = text.split_once('/').filter(|(_, key)| !key.is_empty());
    let (buyer, key) = parts.ok_or("an e-mail's id is BUYER/KEY, as in buyer-7/quote-email")?;
    Ok(EmailId { buyer: buyer_id(buyer)?, key: key.to_owned() })
}

fn offer_id(text: &str) -> Result<OfferId, &'static str> {
    OfferId::parse(text).map_err(|_| "an offer's id is 1 to 128 visible ASCII characters without '/'")
}

fn version(text: &str) -> Result<OfferVersion, &'static str> {
    text.parse().ok().and_then(OfferVersion::new).ok_or("a version is a whole number from 1")
}

fn buyer_id(text: &str) -> Result<BuyerId, &'static str> {
    BuyerId::parse(text).map_err(|_| "a buyer's id is 1 to 128 visible ASCII characters without '/'")
}
