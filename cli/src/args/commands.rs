//! The arguments of single commands.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use domain::BuyerId;
use jiff::SignedDuration;
use leads_store::{Pausable, Status as EmailStatus};

use super::values::{age, buyer_id, email_id, status, words};
use crate::Failure;
use crate::buyers::Which;
use crate::emails::{EmailId, Selection, Wanted};

/// Buyers named on the command line or in a file.
#[derive(Debug, Clone, Args)]
pub(crate) struct Named {
    /// The buyers' ids.
    #[arg(value_name = "BUYER", value_parser = buyer_id)]
    buyers: Vec<BuyerId>,

    /// A file of buyers' ids, one per line. Blank lines and repeats are skipped and counted. If a line is not an id,
    /// the command does nothing and lists the bad lines.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// The limits on requests while a command works through many buyers.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Pace {
    /// How many buyers to work on at once; also the maximum number of concurrent requests to the former system.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) at_once: u16,

    /// Read at most this many read units per second from the streams table while finding every buyer.
    #[arg(long, default_value_t = 200, value_name = "UNITS")]
    pub(crate) rate: u32,
}

/// Why an operator changes something.
#[derive(Debug, Clone, Args)]
pub(crate) struct Why {
    /// Why you do it. It is kept with the change, beside your identity at AWS, and shown by `leads history`.
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub(crate) because: Option<String>,
}

/// Arguments of `leads reset`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").args(["buyers", "file", "all"]).required(true)))]
pub(crate) struct Reset {
    #[command(flatten)]
    named: Named,

    /// Reset every buyer in shadow.
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    pub(crate) pace: Pace,

    /// Confirm. Without this option the buyers are only checked and counted.
    #[arg(long)]
    pub(crate) yes: bool,

    #[command(flatten)]
    pub(crate) why: Why,
}

/// Arguments of `leads go-live`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").args(["buyers", "file", "all_asked"]).required(true)))]
pub(crate) struct GoLive {
    #[command(flatten)]
    named: Named,

    /// Make live every buyer in shadow for whom an answer of the former system is recorded.
    #[arg(long)]
    all_asked: bool,

    #[command(flatten)]
    pub(crate) pace: Pace,

    /// Confirm. Without this option the buyers are only counted.
    #[arg(long)]
    pub(crate) yes: bool,

    #[command(flatten)]
    pub(crate) why: Why,
}

/// Arguments of `leads parity`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").args(["buyers", "file", "sample", "all"]).required(true)))]
pub(crate) struct Parity {
    #[command(flatten)]
    named: Named,

    /// Compare N buyers chosen by a hash of their ids, so that every run with the same buyers chooses the same sample.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,

    /// Compare every buyer.
    #[arg(long)]
    all: bool,

    /// Record each compared buyer in this file as one JSON line, and skip the buyers it already contains.
    ///
    /// An interrupted run continues from this file when it is run again. Remove the file to compare every buyer again.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,

    /// A file of known differences, one JSON object per line: `class` and `reason`, optionally `buyer`, `offer`, `here`
    /// and `there`.
    ///
    /// Example: {"class": "other-stage", "here": "closed", "there": "accepted", "reason": "…"}. A difference that
    /// matches one of the lines counts as `explained`.
    #[arg(long, value_name = "FILE")]
    pub(crate) explained: Option<PathBuf>,

    /// Exit with 0 as long as there are at most this many unexplained differences.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) allow: u64,

    /// Also write the result to this file, as one self-contained HTML page with a chart.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) pace: Pace,
}

impl Named {
    fn which(&self, otherwise: Which) -> Which {
        match &self.file {
            Some(file) => Which::File(file.clone()),
            None if self.buyers.is_empty() => otherwise,
            None => Which::Named(self.buyers.clone()),
        }
    }
}

impl Reset {
    pub(crate) fn which(&self) -> Which {
        self.named.which(Which::All)
    }
}

impl GoLive {
    pub(crate) fn which(&self) -> Which {
        self.named.which(Which::All)
    }
}

impl Parity {
    pub(crate) fn which(&self) -> Which {
        self.named.which(self.sample.map_or(Which::All, Which::Sample))
    }
}

/// The subcommands of `leads dead-letters`.
///
/// While SQS has letters of a buyer in flight, it hands out no others of that buyer. `list` and `show` therefore see at
/// most the first ten letters of each buyer; `redrive` and `drop` reach the later ones by deleting the earlier ones.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// List dead letters with their reasons, at most the first ten of each buyer.
    #[command(after_help = "Example:\n  leads dead-letters list --reason contradiction")]
    List {
        #[command(flatten)]
        picked: Picked,
    },

    /// Show one dead letter.
    #[command(after_help = "Example:\n  leads dead-letters show 0f1c… --body")]
    Show {
        /// The letter's id, as printed by `list`.
        #[arg(value_name = "ID")]
        id: String,

        /// Also show the message itself, including its personal data.
        #[arg(long)]
        body: bool,
    },

    /// Send dead letters to the queue of offer events again, in order within each buyer.
    ///
    /// A letter is deleted once that queue has it. A letter that cannot be sent stops the later letters of its buyer.
    /// Repeating the command is safe: events that are already recorded are recognised. Ctrl-C prints what was redriven
    /// and exits with 130.
    #[command(
        after_help = "Example:\n  leads dead-letters redrive --reason unknown-type\n  leads dead-letters redrive --all --yes"
    )]
    #[command(group(clap::ArgGroup::new("which").args(WHICH).required(true).multiple(true)))]
    Redrive {
        #[command(flatten)]
        picked: Picked,

        /// Select every dead letter.
        #[arg(long, conflicts_with_all = PICKED)]
        all: bool,

        /// Confirm. Without this option the letters are only listed and counted.
        #[arg(long)]
        yes: bool,
    },

    /// Delete dead letters permanently.
    ///
    /// Ctrl-C prints what was dropped and exits with 130.
    #[command(after_help = "Example:\n  leads dead-letters drop --reason not-json --older-than 7d --yes")]
    #[command(group(clap::ArgGroup::new("which").args(WHICH).required(true).multiple(true)))]
    Drop {
        #[command(flatten)]
        picked: Picked,

        /// Select every dead letter.
        #[arg(long, conflicts_with_all = PICKED)]
        all: bool,

        /// Confirm. Without this option the letters are only listed and counted.
        #[arg(long)]
        yes: bool,
    },
}

const WHICH: [&str; 6] = ["all", "reason", "buyer", "id", "older_than", "newer_than"];
const PICKED: [&str; 5] = ["reason", "buyer", "id", "older_than", "newer_than"];

/// A selection of dead letters. A letter is selected if it matches every option given.
#[derive(Debug, Clone, Args)]
pub(crate) struct Picked {
    /// Select letters with this reason; `too-many-receives` selects those that SQS moved. May be repeated; any match
    /// counts.
    #[arg(long)]
    pub(crate) reason: Vec<String>,

    /// Select letters whose message group is this buyer. May be repeated; any match counts.
    #[arg(long)]
    pub(crate) buyer: Vec<String>,

    /// Select the letter with this id. May be repeated; any match counts.
    #[arg(long)]
    pub(crate) id: Vec<String>,

    /// Select letters sent at least this long ago, as in `90m` or `2d`.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) older_than: Option<SignedDuration>,

    /// Select letters sent at most this long ago.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) newer_than: Option<SignedDuration>,
}

/// Arguments of `leads status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Look again every so many seconds, until Ctrl-C. With --json, each look is one line.
    ///
    /// A look costs about 0.0002 dollars for metrics.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "30",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) watch: Option<u64>,

    /// The width of the screen; by default that of the terminal.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(20..))]
    pub(crate) columns: Option<u16>,
}

/// Arguments of `leads console`.
#[derive(Debug, Args)]
pub(crate) struct Console {
    /// The port on 127.0.0.1; by default a free one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,

    /// How often a page that is live is read again.
    ///
    /// A page is live only once its button was pressed, and while it is visible.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) every: u64,

    /// Also show names, e-mail addresses and phone numbers.
    #[arg(long)]
    pub(crate) contact: bool,
}

/// What `leads pause` and `leads resume` are about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Paused {
    /// E-mails to buyers
    Emails,
    /// Messages to the sales team
    Sales,
    /// Both
    #[default]
    All,
}

impl Paused {
    pub(crate) const fn kinds(self) -> &'static [Pausable] {
        match self {
            Self::Emails => &[Pausable::Emails],
            Self::Sales => &[Pausable::Sales],
            Self::All => &Pausable::ALL,
        }
    }
}

pub(super) const EMAILS_EXAMPLES: &str = "\
Example:
  leads emails --status unknown
  leads emails --status rejected --newer-than 2h
  leads emails --resend buyer-7/quote-email --yes
  leads emails --resend --status rejected --reason BadRequest --newer-than 2d
  leads emails --allow buyer-7";

/// Arguments of `leads emails`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").args(["status", "resend", "allow"]).required(true).multiple(true)))]
pub(crate) struct Emails {
    /// Select e-mails with this status.
    #[arg(long, value_parser = status())]
    pub(crate) status: Option<EmailStatus>,

    /// Select e-mails that have had this status for at most this long, as in `90m` or `2d`.
    #[arg(long, value_name = "AGE", value_parser = age, requires = "status")]
    pub(crate) newer_than: Option<SignedDuration>,

    /// Select e-mails whose reason begins with this text. May be repeated; any match counts.
    #[arg(long, requires = "status")]
    pub(crate) reason: Vec<String>,

    /// Send e-mails again: the one with this id or, without an id, all that are selected. Only `unknown`, `abandoned`
    /// and `rejected` e-mails can be sent again.
    ///
    /// Without --yes they are only listed and counted. With --yes each becomes `retry` and due, unless it changed
    /// meanwhile; the next sweeps send it if its premise still holds. An `unknown` or `abandoned` e-mail may reach the
    /// buyer twice.
    #[arg(long, value_name = "BUYER/KEY", value_parser = email_id, num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "absent, given without an id, or given with one")]
    pub(crate) resend: Option<Option<EmailId>>,

    /// Lift the stop on this buyer's addresses, so that addresses stopped by a permanent bounce or a complaint get
    /// e-mails again.
    ///
    /// E-mails that were rejected because of the stop stay rejected; send them again with --resend.
    #[arg(long, value_name = "BUYER", value_parser = buyer_id, conflicts_with_all = ["status", "resend"])]
    pub(crate) allow: Option<BuyerId>,

    /// Confirm --resend.
    #[arg(long, requires = "resend")]
    pub(crate) yes: bool,

    #[command(flatten)]
    pub(crate) why: Why,
}

impl Emails {
    /// What the combination of options asks for.
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
                "`{}` e-mails cannot be sent again: use --status unknown, abandoned or rejected",
                status.name()
            ))),
            (None, Some(None), Some(status)) => {
                Ok(Wanted::ResendMany { selection: selection(status), is_confirmed })
            }
            (None, None, Some(status)) => Ok(Wanted::List(selection(status))),
            (None, Some(None) | None, None) => Err(Failure::Usage(
                "no e-mail is selected: use --resend BUYER/KEY for one, or --status for all with a status"
                    .to_owned(),
            )),
        }
    }
}
