//! The arguments of commands that give data back: messages again, rows as they happen, and whole streams.

use std::path::PathBuf;

use clap::Args;
use domain::BuyerId;
use jiff::Timestamp;
use platform::clock::{Clock as _, SystemClock};

use super::values::{age, buyer_id};

/// Arguments of `leads resync`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("to").args(["to_queue", "to_file"])))]
pub(crate) struct Resync {
    /// Repeat only the messages of this buyer. May be repeated.
    #[arg(long, value_name = "BUYER", value_parser = buyer_id)]
    pub(crate) buyer: Vec<BuyerId>,

    /// Repeat only messages for events recorded since then: a time as in `2026-11-29T06:00:00Z`, or an age as in `2h`.
    ///
    /// Begin earlier than the loss: the message of a buyer who was behind is later than its event. An age is counted from
    /// each start, so use a time for a run that may have to go on with --from.
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(crate) since: Option<Timestamp>,

    /// Go on with this buyer, in the order of ids, as an interrupted run names it.
    #[arg(long, value_name = "BUYER", value_parser = buyer_id)]
    pub(crate) from: Option<BuyerId>,

    /// Send the messages to the sales team's queue.
    #[arg(long)]
    pub(crate) to_queue: bool,

    /// Write the messages to this new file, one per line; with --from, append to it. They contain personal data.
    #[arg(long, value_name = "FILE")]
    pub(crate) to_file: Option<PathBuf>,

    /// Send or write at most this many messages per second.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: u32,

    /// Read at most this many read units per second from the streams table while finding buyers.
    #[arg(long, default_value_t = 200, value_name = "UNITS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) read_rate: u32,

    /// Confirm. Without this option the messages are only counted.
    #[arg(long, requires = "to")]
    pub(crate) yes: bool,
}

/// Arguments of `leads tail`.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Show only this buyer, read from its stream instead of the index.
    #[arg(long, value_parser = buyer_id)]
    pub(crate) buyer: Option<BuyerId>,

    /// Begin with what was recorded since then, instead of now: a time as in `2026-11-29T06:00:00Z`, or an age as in
    /// `2h`.
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(crate) since: Option<Timestamp>,

    /// Also show names, e-mail addresses and phone numbers.
    #[arg(long)]
    pub(crate) contact: bool,

    /// Make at most this many requests to DynamoDB per second.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: u32,
}

/// Arguments of `leads export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Export only this buyer.
    #[arg(value_name = "BUYER", value_parser = buyer_id)]
    pub(crate) buyer: Option<BuyerId>,

    /// Write to this file instead of standard output. An interrupted export of the same file goes on.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,

    /// Write the commits whole, with names, e-mail addresses, phone numbers and free text.
    #[arg(long)]
    pub(crate) contact: bool,

    /// Read at most this many read units per second from the streams table.
    #[arg(long, default_value_t = 200, value_name = "UNITS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: u32,
}

/// Arguments of `leads import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// A file written by `leads export --contact`. It is read twice, so it cannot be standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Write at most this many commits, or read at most this many read units, per second.
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: u32,

    /// Confirm. Without this option the file and the stack are only checked.
    #[arg(long)]
    pub(crate) yes: bool,
}

fn since(text: &str) -> Result<Timestamp, &'static str> {
    let before = |age| SystemClock.now().saturating_sub(age).unwrap_or(Timestamp::MIN);
    let time = text.parse().or_else(|_| age(text).map(before));
    time.map_err(|_| "a time is as in 2026-11-29T06:00:00Z, or an age as in 90m, 12h or 2d")
}
