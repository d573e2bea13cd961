use domain::{BuyerId, Sequence};
use jiff::Timestamp;
use leads_store::Behind;
use serde_json::{Value, json};

use crate::output::{count, moment, table};

/// What an audit read, and what it found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Audit {
    /// By buyer.
    pub findings: Vec<(BuyerId, Finding)>,
    /// How many streams there are; one cursor was read for each.
    pub streams: u64,
    /// How many commits.
    pub commits: u64,
    /// Read units of the streams table.
    pub read_units: f64,
    /// Whether everything was read. If not, each finding is certain, and there may be more.
    pub is_complete: bool,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Effects are pending that nothing will retry.
    Short {
        /// How far they are settled.
        through: Sequence,
        /// The last fact of the last commit that must be looked at, as far as the stream was read.
        head: Sequence,
        /// When the first of those that are not settled was recorded, as far as the stream was read.
        since: Timestamp,
        /// It is marked behind now, and due.
        is_repaired: bool,
    },
    /// Effects are not settled, and it is tried again.
    Behind {
        /// How far they are settled.
        through: Sequence,
        /// When the first commit that is not settled was recorded; `None` if there is none that must be looked at.
        since: Option<Timestamp>,
        /// The mark.
        behind: Behind,
    },
    /// Commits are missing between two others.
    Gap {
        /// The first sequence number that is missing.
        from: Sequence,
        /// The last one that is missing.
        to: Sequence,
    },
}

impl Finding {
    /// `short`, `behind` or `gap`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Short { .. } => "short",
            Self::Behind { .. } => "behind",
            Self::Gap { .. } => "gap",
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Short { through, head, since, is_repaired } => format!(
                "settled through {through} of {head}, since {}; {}",
                moment(*since),
                if *is_repaired { "marked behind, the next sweep goes on" } else { "no retry is scheduled" }
            ),
            Self::Behind { through, since, behind } => format!(
                "settled through {through}{}; {} in vain, next at {}: {}",
                since.map(|since| format!(", since {}", moment(since))).unwrap_or_default(),
                count(u64::from(behind.attempts), "attempt"),
                moment(behind.not_before),
                behind.reason
            ),
            Self::Gap { from, to } if from == to => format!("no commit for {from}"),
            Self::Gap { from, to } => format!("no commit for {from} to {to}"),
        }
    }

    pub(super) fn json(&self, buyer: &BuyerId) -> Value {
        let mut row = json!({ "buyerId": buyer.as_str(), "finding": self.name() });
        match self {
            Self::Short { through, head, since, is_repaired } => {
                row["through"] = json!(through.get());
                row["head"] = json!(head.get());
                row["since"] = json!(since.to_string());
                row["isRepaired"] = json!(is_repaired);
            }
            Self::Behind { through, since, behind } => {
                row["through"] = json!(through.get());
                row["since"] = json!(since.map(|since| since.to_string()));
                row["behind"] = crate::show::behind_json(behind);
            }
            Self::Gap { from, to } => {
                row["from"] = json!(from.get());
                row["to"] = json!(to.get());
            }
        }
        row
    }
}

impl Audit {
    /// What was found, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let found = match self.findings.len() {
            0 => "nothing found".to_owned(),
            number => count(number as u64, "finding"),
        };
        let read = format!(
            "{}, {}: {found}. Read units: {} for the streams, {} for the cursors.",
            count(self.streams, "stream"),
            count(self.commits, "commit"),
            self.read_units,
            self.streams,
        );
        let rows = self
            .findings
            .iter()
            .map(|(buyer, finding)| [buyer.to_string(), finding.name().to_owned(), finding.text()]);
        let findings = (!self.findings.is_empty()).then(|| table(&["buyer", "finding", ""], rows));
        let incomplete = (!self.is_complete).then(|| INCOMPLETE.to_owned());
        let parts = [findings, Some(read), incomplete];
        parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
    }

    /// The same for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let findings: Vec<Value> = self.findings.iter().map(|(buyer, finding)| finding.json(buyer)).collect();
        json!({
            "isComplete": self.is_complete,
            "streams": self.streams,
            "commits": self.commits,
            "readUnits": self.read_units,
            "findings": findings,
        })
    }
}

const INCOMPLETE: &str = "INCOMPLETE: interrupted before everything was read. Each finding listed is certain, and there may be \
                          more. Gaps are looked for at the end: most of them, if any, are not listed.";
