//! The report: what was checked, and whether the stack keeps its promises.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::operation::{Timing, summary, times};
use crate::promise::{Check, Ended, Promise};
use crate::target::Target;

/// Everything that a run found.
pub(crate) struct Report<'a> {
    pub(crate) target: &'a Target,
    /// `A local AWS`, or `AWS account` and its number.
    pub(crate) place: String,
    pub(crate) prefix: &'a str,
    pub(crate) started: Timestamp,
    pub(crate) checks: Vec<Check>,
    pub(crate) timings: Vec<Timing>,
    pub(crate) most_dollars: f64,
    /// What could not be cleaned up.
    pub(crate) left: Vec<String>,
    /// Why the run did not finish its checks.
    pub(crate) ended_early: Option<String>,
}

impl Report<'_> {
    pub(crate) fn passes(&self) -> bool {
        self.left.is_empty() && self.ended_early.is_none() && !self.checks.iter().any(Check::differs)
    }

    fn of(&self, promise: Promise) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(move |check| check.promise == promise)
    }

    fn count(&self, is: impl Fn(&Ended) -> bool) -> usize {
        self.checks.iter().filter(|check| is(&check.ended)).count()
    }

    fn verdict(&self) -> String {
        let passed = self.count(|ended| matches!(ended, Ended::Passed(_)));
        let differ = self.count(|ended| matches!(ended, Ended::Differs { .. }));
        let impossible = self.count(|ended| matches!(ended, Ended::NotPossible(_)));
        let word = if self.passes() { "Pass" } else { "Fail" };
        let early = self.ended_early.as_ref().map(|why| format!(" The run ended early: {why}."));
        format!(
            "{word}: {passed} checks passed, {differ} failed, {impossible} were not possible here.{}",
            early.unwrap_or_default()
        )
    }

    /// The report as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let Target { name, region, .. } = self.target;
        let mut text = format!(
            "# Acceptance of {name}\n\n{} in {region}, begun {}. Buyers: `{}-…`.\n\n**{}**\n",
            self.place,
            self.started.strftime("%Y-%m-%d %H:%M:%S UTC"),
            self.prefix,
            self.verdict()
        );
        for promise in Promise::ALL {
            let _ = write!(text, "\n## {}\n\n", promise.sentence());
            let mut is_empty = true;
            for Check { what, ended, .. } in self.of(promise) {
                is_empty = false;
                let _ = match ended {
                    Ended::Passed(seen) => writeln!(text, "- passed: {what}: {seen}"),
                    Ended::Differs { expected, seen, advice } => {
                        writeln!(
                            text,
                            "- **failed**: {what}. Expected: {expected}. Seen: {seen}. To do: {advice}."
                        )
                    }
                    Ended::NotPossible(reason) => writeln!(text, "- not possible here: {what}: {reason}"),
                };
            }
            if is_empty {
                text.push_str("- not checked in this run\n");
            }
        }
        if !self.left.is_empty() {
            let _ = writeln!(text, "\n## Left behind\n\n- {}", self.left.join("\n- "));
        }
        let _ = writeln!(text, "\nAt most ${:.2} by AWS's list prices.", self.most_dollars);
        text
    }

    fn json(&self) -> Value {
        let (settled, mailed) = times(&self.timings);
        let check = |check: &Check| {
            let ended = match &check.ended {
                Ended::Passed(seen) => json!({ "ended": "passed", "seen": seen }),
                Ended::Differs { expected, seen, advice } => {
                    json!({ "ended": "differs", "expected": expected, "seen": seen, "advice": advice })
                }
                Ended::NotPossible(reason) => json!({ "ended": "not-possible", "reason": reason }),
            };
            let mut document = json!({ "promise": check.promise.sentence(), "what": check.what });
            for (name, value) in ended.as_object().into_iter().flatten() {
                document[name.as_str()] = value.clone();
            }
            document
        };
        json!({
            "stack": self.target.name,
            "region": self.target.region,
            "place": self.place,
            "started": self.started.to_string(),
            "buyers": self.prefix,
            "passes": self.passes(),
            "checks": self.checks.iter().map(check).collect::<Vec<_>>(),
            "millisecondsFromPostedToSettled": summary(settled),
            "millisecondsFromRecordedToMailed": summary(mailed),
            "dollarsAtMost": self.most_dollars,
            "left": self.left,
        })
    }

    /// Writes both files and returns the last lines for the terminal.
    pub(crate) fn write(&self, path: &Path) -> io::Result<String> {
        let markdown = path.with_extension("md");
        fs::write(&markdown, self.markdown())?;
        fs::write(path.with_extension("json"), format!("{:#}\n", self.json()))?;
        let mut text = String::new();
        for Check { promise, what, ended } in &self.checks {
            if let Ended::Differs { expected, seen, advice } = ended {
                let _ =
                    write!(text, "✗ {}\n  {what}. Expected: {expected}. Seen: {seen}. ", promise.sentence());
                let _ = writeln!(text, "To do: {advice}.");
            }
        }
        for one in &self.left {
            let _ = writeln!(text, "✗ Left behind: {one}");
        }
        let _ = write!(text, "{} Report: {}", self.verdict(), markdown.display());
        Ok(text)
    }
}
