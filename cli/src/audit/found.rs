use domain::{BuyerId, Sequence};
use jiff::Timestamp;
use leads_store::Behind;
use serde_json::{Value, json};

use crate::output::{count, moment, table};

/// The result of an audit: its findings, and how much it read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Audit {
    /// The findings, sorted by buyer.
    pub findings: Vec<(BuyerId, Finding)>,
    /// The number of streams; one cursor was read for each.
    pub streams: u64,
    /// The number of commits read.
    pub commits: u64,
    /// The read units that the streams table consumed.
    pub read_units: f64,
    /// Whether the whole table was read. If not, the findings are still certain, but there may be more.
    pub is_complete: bool,
}

/// A finding of an audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The buyer has pending effects that nothing will retry.
    Short {
        /// The sequence number through which effects are settled.
        through: Sequence,
        /// The last fact of the last commit with work, as far as the stream was read.
        head: Sequence,
        /// When the first unsettled commit with work was recorded, as far as the stream was read.
        since: Timestamp,
        /// Whether the audit marked the buyer as behind and due.
        is_repaired: bool,
    },
    /// The buyer has pending effects that are being retried.
    Behind {
        /// The sequence number through which effects are settled.
        through: Sequence,
        /// When the first unsettled commit with work was recorded; `None` if there is none.
        since: Option<Timestamp>,
        /// The mark in the leads table.
        behind: Behind,
    },
    /// Some sequence numbers of the stream are missing: no commit contains them.
    Gap {
        /// The first missing sequence number.
        from: Sequence,
        /// The last missing sequence number.
        to: Sequence,
    },
}

impl Finding {
    /// The name of the finding: `short`, `behind` or `gap`.
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
                "settled through {through} of {head}, pending since {}; {}",
                moment(*since),
                if *is_repaired {
                    "marked behind, the next sweep retries them"
                } else {
                    "no retry is scheduled"
                }
            ),
            Self::Behind { through, since, behind } => format!(
                "settled through {through}{}; {}, next at {}: {}",
                since.map(|since| format!(", pending since {}", moment(since))).unwrap_or_default(),
                count(u64::from(behind.attempts), "failed attempt"),
                moment(behind.not_before),
                behind.reason
            ),
            Self::Gap { from, to } if from == to => format!("no commit has sequence number {from}"),
            Self::Gap { from, to } => format!("no commit has the sequence numbers {from} to {to}"),
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
    /// The result as text.
    #[must_use]
    pub fn text(&self) -> String {
        let found = match self.findings.len() {
            0 => "no findings".to_owned(),
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

    /// The result as JSON.
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

const INCOMPLETE: &str = "INCOMPLETE: interrupted before the whole table was read. The findings listed are certain, but there may \
                          be more. Gaps are confirmed only at the end, so most of them are not listed.";
