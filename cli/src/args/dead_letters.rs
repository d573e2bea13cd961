use clap::{Args, Subcommand};
use jiff::SignedDuration;

use super::values::age;

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
