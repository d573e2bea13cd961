//! Which buyers a command is about, where it is about many.

use std::path::PathBuf;

use clap::Args;
use domain::BuyerId;

use super::values::buyer_id;
use crate::buyers::Which;

/// Buyers by name.
#[derive(Debug, Clone, Args)]
pub(crate) struct Named {
    /// The buyers' ids.
    #[arg(value_name = "BUYER", value_parser = buyer_id)]
    buyers: Vec<BuyerId>,

    /// A file of buyers' ids, one per line. Blank lines and repeats are skipped and counted. A line that is no id
    /// refuses the whole run before anything is done.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// How fast many buyers are worked through.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Pace {
    /// How many buyers are worked on at once, and how many requests the former system gets at once.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) at_once: u16,

    /// Read units of the streams table a second, at most, where every stream is looked for.
    #[arg(long, default_value_t = 200, value_name = "UNITS")]
    pub(crate) rate: u32,
}

/// What `leads reset` is about.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").args(["buyers", "file", "all"]).required(true)))]
pub(crate) struct Reset {
    #[command(flatten)]
    named: Named,

    /// Every buyer in shadow.
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    pub(crate) pace: Pace,

    /// Confirm. Without it the buyers are only counted.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// What `leads go-live` is about.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").args(["buyers", "file", "all_asked"]).required(true)))]
pub(crate) struct GoLive {
    #[command(flatten)]
    named: Named,

    /// Every buyer in shadow for whom an answer of the former system is recorded.
    #[arg(long)]
    all_asked: bool,

    #[command(flatten)]
    pub(crate) pace: Pace,

    /// Confirm. Without it the buyers are only counted.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// What `leads parity` is about.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").args(["buyers", "file", "sample", "all"]).required(true)))]
pub(crate) struct Parity {
    #[command(flatten)]
    named: Named,

    /// So many buyers, chosen by a hash of their ids: the same ones every time, as long as they exist.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,

    /// Every buyer.
    #[arg(long)]
    all: bool,

    /// Record each buyer compared in this file, one JSON line each, and skip the buyers that are in it already.
    ///
    /// An interrupted run goes on from it. Remove it to compare anew.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,

    /// Known differences, one JSON object per line: `class` and `reason`; optional `buyer`, `offer`, `here`, `there`.
    ///
    /// As in {"class": "other-stage", "here": "closed", "there": "accepted", "reason": "…"}. A difference that one of the lines
    /// describes counts as `explained`.
    #[arg(long, value_name = "FILE")]
    pub(crate) explained: Option<PathBuf>,

    /// How many unexplained differences still count as good.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) allow: u64,

    /// Write the result as an HTML page with a chart too. The page needs nothing from outside.
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
