//! The findings of runs, as counts that can be added up.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

/// Counts by name (for example `kills/recorder/PutItem/killed-after`) and the first violations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    counts: BTreeMap<String, u64>,
    violations: Vec<String>,
}

/// The number of violations that are kept.
const KEPT: usize = 20;

impl Report {
    /// Adds to a count.
    pub fn count(&mut self, name: impl Into<String>, times: usize) {
        *self.counts.entry(name.into()).or_default() += u64::try_from(times).unwrap_or(u64::MAX);
    }

    /// The count of a name; 0 if it was never counted.
    #[must_use]
    pub fn of(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// Counts a violation of this kind and keeps its description while fewer than `KEPT` are kept.
    pub fn violation(&mut self, name: &str, detail: &str) {
        self.count(name, 1);
        if self.violations.len() < KEPT {
            self.violations.push(format!("{name}: {detail}"));
        }
    }

    /// The violations that were kept.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Adds another report's counts and violations.
    pub fn add(&mut self, other: Self) {
        for (name, times) in other.counts {
            *self.counts.entry(name).or_default() += times;
        }
        self.violations.extend(other.violations);
        self.violations.truncate(KEPT);
    }

    /// The report in the format of its file.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "counts": self.counts, "violations": self.violations })
    }

    /// Reads the output of [`Report::to_json`]. Any other JSON yields an empty report.
    #[must_use]
    pub fn from_json(json: &Value) -> Self {
        let counts = json["counts"].as_object().into_iter().flatten();
        let violations = json["violations"].as_array().into_iter().flatten();
        Self {
            counts: counts.filter_map(|(name, times)| Some((name.clone(), times.as_u64()?))).collect(),
            violations: violations.filter_map(|text| text.as_str().map(str::to_owned)).collect(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, times) in &self.counts {
            writeln!(f, "{times:>8}  {name}")?;
        }
        Ok(())
    }
}
