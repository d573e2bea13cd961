//! Makes many buyers live, or resets many, a few at a time, and prints what became of each. Both commands use this code.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;

use domain::{BuyerId, Sequence};
use platform::telemetry::chain;
use serde_json::{Value, json};

use crate::args::Pace;
use crate::buyers::{Ended, GAVE_UP, Which, each};
use crate::output::{Output, Progress, count, interrupted, or_dash, table};
use crate::{Exit, Failure, Tables};

/// With at most this many buyers, the text has a row for each. With more, it has rows only for refused and failed ones.
const ALL_ROWS: usize = 20;

/// The maximum number of rows in the text.
const MOST_ROWS: usize = 50;

/// The outcome for one buyer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The decision was recorded at this sequence number.
    Done(Sequence),
    /// The decision would be recorded after a confirmation.
    Planned,
    /// The buyer needs no change.
    Skipped {
        /// The reason as a word.
        word: &'static str,
        /// Whether this is a finding if the operator named the buyer.
        is_finding: bool,
    },
    /// The decision is not allowed for this buyer.
    Refused {
        /// The reason as a word.
        word: &'static str,
        /// The reason as a sentence.
        why: String,
    },
    /// A request failed with this error; the command may be run again.
    Failed(String),
}

/// The words for a decision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    /// The outcome, as in `went-live`.
    pub(super) done: &'static str,
    /// The outcome without a confirmation, as in `would-go-live`.
    pub(super) planned: &'static str,
    /// The words before and after the buyers, as in `making 3 buyers live`.
    pub(super) doing: [&'static str; 2],
}

/// The outcomes for many buyers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bulk {
    /// The outcome of each buyer that was tried.
    pub outcomes: BTreeMap<BuyerId, Outcome>,
    /// The number of selected buyers; `None` if the run was interrupted before they were found.
    pub selected: Option<u64>,
    /// Whether the run was interrupted.
    pub is_interrupted: bool,
    words: [&'static str; 2],
}

/// Runs `work` on all selected buyers and prints the outcomes.
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
    let mut bulk = Bulk { outcomes: BTreeMap::new(), selected: None, is_interrupted: true, words: names };
    let mut ended = Ended::Interrupted;
    if let Some(buyers) = which.resolve(listed, pace.rate, tables, &mut interrupted, output).await? {
        bulk.selected = Some(buyers.len() as u64);
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
        self.selected.unwrap_or_default().saturating_sub(self.outcomes.len() as u64)
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

    /// The outcomes as text.
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
            parts.push(format!("{more} more rows are not shown; --json lists every buyer."));
        }
        let counts: Vec<String> =
            self.counts().into_iter().map(|(word, number)| format!("{number} {word}")).collect();
        let counts = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
        parts.push(match self.selected {
            Some(selected) => format!("{}: {counts}", count(selected, "buyer")),
            None => "No buyer was tried.".to_owned(),
        });
        let not_tried = self.not_tried();
        if self.is_interrupted {
            let rest = count(not_tried, "buyer");
            parts.push(format!(
                "INTERRUPTED: {rest} not tried. Run it again to continue; finished buyers are skipped."
            ));
        } else if not_tried > 0 {
            parts.push(format!("{} not tried.", count(not_tried, "buyer")));
        }
        parts.join("\n")
    }

    /// The outcomes of every buyer as JSON.
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
