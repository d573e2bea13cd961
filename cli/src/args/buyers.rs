//! Arguments of the commands that work on many buyers.

use std::path::PathBuf;

use clap::Args;
use domain::BuyerId;

use super::values::buyer_id;
use crate::buyers::Which;

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

    /// Confirm. Without this option the buyers are only counted.
    #[arg(long)]
    pub(crate) yes: bool,
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
