//! One decision about many buyers, one after the other or a few at once, and what became of each.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;

use domain::{BuyerId, Sequence};
use platform::telemetry::chain;
use serde_json::{Value, json};

use crate::args::Pace;
use crate::buyers::{Ended, GAVE_UP, Which, each};
use crate::interrupt::interrupted;
use crate::output::{Output, count, or_dash, table};
use crate::progress::Progress;
use crate::{Exit, Failure, Tables};

/// Up to how many buyers each has a row in the text; of more, only those that a person must look at.
const ALL_ROWS: usize = 20;

/// How many of these have a row at most.
const MOST_ROWS: usize = 50;

/// What became of one buyer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, and recorded at this sequence number.
    Done(Sequence),
    /// It would be done.
    Planned,
    /// There is nothing to do.
    Skipped {
        /// Why, in a word.
        word: &'static str,
        /// Whether a person who named this buyer expected otherwise.
        is_finding: bool,
    },
    /// It must not be done.
    Refused {
        /// Why, in a word.
        word: &'static str,
        /// Why.
        why: String,
    },
    /// It did not work, and may be tried again.
    Failed(String),
}

/// What a decision is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    /// As in `went-live`.
    pub(super) done: &'static str,
    /// As in `would-go-live`.
    pub(super) planned: &'static str,
    /// As in `making 3 buyers live`, without the buyers.
    pub(super) doing: [&'static str; 2],
}

/// What became of many buyers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bulk {
    /// By buyer.
    pub outcomes: BTreeMap<BuyerId, Outcome>,
    /// How many were meant; `None` if it was interrupted before they were found.
    pub meant: Option<u64>,
    /// Whether it was interrupted.
    pub is_interrupted: bool,
    words: [&'static str; 2],
}

/// Works on all the buyers meant and writes what became of them.
pub(super) async fn run<O: Write, E: Write>(
    which: &Which,
    (pace, is_confirmed, words): (Pace, bool, Words),
    tables: &Tables,
    output: &mut Output<'_, O, E>,
    work: impl AsyncFn(&BuyerId) -> Result<Outcome, Failure>,
) -> Result<Exit, Failure> {
    let listed = which.listed()?;
    let mut interrupted = Box::pin(interrupted());
    let names = [words.done, words.planned];
    let mut bulk = Bulk { outcomes: BTreeMap::new(), meant: None, is_interrupted: true, words: names };
    let mut ended = Ended::Interrupted;
    if let Some(buyers) = which.resolve(listed, pace.rate, tables, &mut interrupted, output).await? {
        bulk.meant = Some(buyers.len() as u64);
        let progress =
            Progress::towards(buyers.len() as u64, if is_confirmed { words.done } else { "counted" });
        let work = async |buyer| work(buyer).await.unwrap_or_else(|failure| Outcome::Failed(chain(&failure)));
        ended = each(&buyers, (pace.at_once, !is_confirmed), &mut interrupted, work, |buyer, outcome| {
            let is_failed = matches!(outcome, Outcome::Failed(_));
            bulk.outcomes.insert(buyer.clone(), outcome);
            progress.at(bulk.outcomes.len() as u64);
            Ok::<_, Failure>(if is_failed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
        .await?;
        progress.end();
        bulk.is_interrupted = ended == Ended::Interrupted;
    }
    if output.is_json {
        output.json(&bulk.json())?;
    } else {
        output.line(&bulk.text())?;
    }
    if ended == Ended::GaveUp {
        output.aside(GAVE_UP)?;
    }
    let planned = bulk.number(&Outcome::Planned);
    if !is_confirmed && planned > 0 && !bulk.is_interrupted {
        let [before, after] = words.doing;
        let what = format!("{before} {}{after}", count(planned, "buyer"));
        return Err(Failure::NotConfirmed { what });
    }
    Ok(bulk.exit(which.names_each()))
}

impl Outcome {
    fn word(&self, [done, planned]: [&'static str; 2]) -> &'static str {
        match self {
            Self::Done(_) => done,
            Self::Planned => planned,
            Self::Skipped { word, .. } | Self::Refused { word, .. } => word,
            Self::Failed(_) => "failed",
        }
    }

    const fn sequence(&self) -> Option<Sequence> {
        match self {
            Self::Done(sequence) => Some(*sequence),
            Self::Planned | Self::Skipped { .. } | Self::Refused { .. } | Self::Failed(_) => None,
        }
    }

    fn why(&self) -> Option<&str> {
        match self {
            Self::Refused { why, .. } | Self::Failed(why) => Some(why),
            Self::Done(_) | Self::Planned | Self::Skipped { .. } => None,
        }
    }
}

impl Bulk {
    fn number(&self, wanted: &Outcome) -> u64 {
        self.outcomes.values().filter(|outcome| *outcome == wanted).count() as u64
    }

    fn not_tried(&self) -> u64 {
        self.meant.unwrap_or_default().saturating_sub(self.outcomes.len() as u64)
    }

    fn exit(&self, names_each: bool) -> Exit {
        let is_any = |is: fn(&Outcome) -> bool| self.outcomes.values().any(is);
        if self.is_interrupted {
            Exit::Interrupted
        } else if is_any(|outcome| matches!(outcome, Outcome::Failed(_))) {
            Exit::Failed
        } else if is_any(|outcome| matches!(outcome, Outcome::Refused { .. }))
            || names_each && is_any(|outcome| matches!(outcome, Outcome::Skipped { is_finding: true, .. }))
        {
            Exit::Findings
        } else {
            Exit::Good
        }
    }

    fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for outcome in self.outcomes.values() {
            *counts.entry(outcome.word(self.words)).or_default() += 1;
        }
        counts
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let is_short = self.outcomes.len() <= ALL_ROWS;
        let mut rows = self.outcomes.iter().filter(|(_, outcome)| is_short || outcome.why().is_some());
        let shown: Vec<[String; 4]> = rows
            .by_ref()
            .take(MOST_ROWS)
            .map(|(buyer, outcome)| {
                let sequence = or_dash(outcome.sequence());
                let word = outcome.word(self.words).to_owned();
                [buyer.to_string(), word, sequence, or_dash(outcome.why())]
            })
            .collect();
        let more = rows.count() as u64;
        let mut parts = Vec::new();
        if !shown.is_empty() {
            parts.push(table(&["buyer", "outcome", "recorded at", "why"], shown));
        }
        if more > 0 {
            parts.push(format!("{more} more like these; --json lists every buyer."));
        }
        let counts: Vec<String> =
            self.counts().into_iter().map(|(word, number)| format!("{number} {word}")).collect();
        let counts = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
        parts.push(match self.meant {
            Some(meant) => format!("{}: {counts}", count(meant, "buyer")),
            None => "No buyer was looked at.".to_owned(),
        });
        let not_tried = self.not_tried();
        if self.is_interrupted {
            let rest = count(not_tried, "buyer");
            parts.push(format!(
                "INTERRUPTED: {rest} not tried. Run it again to go on; what is done is skipped."
            ));
        } else if not_tried > 0 {
            parts.push(format!("{} not tried.", count(not_tried, "buyer")));
        }
        parts.join("\n")
    }

    /// For programs: every buyer.
    #[must_use]
    pub fn json(&self) -> Value {
        let row = |(buyer, outcome): (&BuyerId, &Outcome)| {
            json!({
                "buyerId": buyer.as_str(),
                "outcome": outcome.word(self.words),
                "sequence": outcome.sequence().map(Sequence::get),
                "why": outcome.why(),
            })
        };
        json!({
            "isComplete": !self.is_interrupted && self.not_tried() == 0,
            "counts": self.counts(),
            "notTried": self.not_tried(),
            "buyers": self.outcomes.iter().map(row).collect::<Vec<_>>(),
        })
    }
}
