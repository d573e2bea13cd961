use clap::{Args, Subcommand};
use jiff::SignedDuration;

use super::values::age;

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
    /// Repeating the command is safe: events that are already recorded are recognised.
    #[command(
        after_help = "Example:\n  leads dead-letters redrive --reason unknown-type\n  leads dead-letters redrive --all"
    )]
    #[command(group(clap::ArgGroup::new("which").args(WHICH).required(true).multiple(true)))]
    Redrive {
        #[command(flatten)]
        picked: Picked,

        /// Select every dead letter.
        #[arg(long, conflicts_with_all = PICKED)]
        all: bool,
    },

    /// Delete dead letters permanently.
    #[command(after_help = "Example:\n  leads dead-letters drop --reason not-json --older-than 7d --yes")]
    #[command(group(clap::ArgGroup::new("which").args(WHICH).required(true).multiple(true)))]
    Drop {
        #[command(flatten)]
        picked: Picked,

        /// Select every dead letter.
        #[arg(long, conflicts_with_all = PICKED)]
        all: bool,

        /// Confirm. Without this option the letters are only listed.
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
