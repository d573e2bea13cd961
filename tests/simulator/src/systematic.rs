//! Every call of a scenario struck by every fault, one at a time or two.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::compare::thousands;
use crate::scenarios::plan;
use crate::{Fault, Faults, Plan, Report, Site, many};

/// What was struck, and how it ended.
#[derive(Debug, Default)]
pub struct Coverage {
    /// How many runs with each fault at each kind of call; of a pair, the last one counts.
    pub runs: BTreeMap<(Site, Fault), u64>,
    /// So many ended as they must.
    pub passed: u64,
    /// So many did not.
    pub failed: u64,
    /// The first of these.
    pub first: Vec<(Vec<(usize, Fault)>, Report)>,
}

/// Plays a scenario with every fault at every call; with `pairs`, with every two of them.
#[must_use]
pub fn systematic(scenario: &str, pairs: bool) -> Coverage {
    let like = plan(scenario);
    let mut coverage = Coverage::default();
    let singles = coverage.strike(&like, &[Vec::new()]);
    if pairs {
        coverage.strike(&like, &singles);
    }
    coverage
}

/// How many runs all pairs of a scenario take, its singles among them. Plays the singles only.
#[must_use]
pub fn runs_of_pairs(scenario: &str) -> u64 {
    let like = plan(scenario);
    let singles = further(&[], &with_faults(&like, &[]).run().sites);
    let pairs = singles.iter().map(|single| further(single, &with_faults(&like, single).run().sites).len());
    (singles.len() + pairs.sum::<usize>()) as u64
}

fn with_faults(like: &Plan, faults: &[(usize, Fault)]) -> Plan {
    Plan { faults: Faults::At(faults.to_vec()), ..like.clone() }
}

/// These faults and one more, at each later call that was made in spite of them, in each way that differs there.
fn further(base: &[(usize, Fault)], sites: &[Site]) -> Vec<Vec<(usize, Fault)>> {
    let after = base.last().map_or(0, |(call, _)| call + 1);
    let calls = sites.iter().enumerate().skip(after);
    calls
        .flat_map(|(call, site)| {
            Fault::ALL.into_iter().filter(|fault| fault.differs(*site)).map(move |fault| (call, fault))
        })
        .map(|one_more| [base, &[one_more]].concat())
        .collect()
}

impl Coverage {
    /// Plays each of these with every further fault after their last; tells what was played.
    fn strike(&mut self, like: &Plan, bases: &[Vec<(usize, Fault)>]) -> Vec<Vec<(usize, Fault)>> {
        let mut struck = Vec::new();
        for base in bases {
            let report = with_faults(like, base).run();
            if !report.violations.is_empty() && base.is_empty() {
                self.failed += 1;
                self.first.push((base.clone(), report));
                return Vec::new();
            }
            for faults in further(base, &report.sites) {
                if let Some((call, fault)) = faults.last()
                    && let Some(site) = report.sites.get(*call)
                {
                    *self.runs.entry((*site, *fault)).or_default() += 1;
                }
                struck.push(faults);
            }
        }
        let of = |number: u64| usize::try_from(number).ok().and_then(|number| struck.get(number));
        let summary = many(0, struck.len() as u64, false, |number| {
            of(number).map_or_else(Plan::default, |faults| with_faults(like, faults))
        });
        self.passed += summary.passed;
        self.failed += summary.failed;
        let failing =
            summary.first.into_iter().filter_map(|(number, report)| Some((of(number)?.clone(), report)));
        self.first.extend(failing);
        struck
    }

    /// Adds what another scenario covered.
    pub fn add(&mut self, other: Self) {
        for (place, runs) in other.runs {
            *self.runs.entry(place).or_default() += runs;
        }
        self.passed += other.passed;
        self.failed += other.failed;
        self.first.extend(other.first);
    }

    /// The counts, to be kept.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut runs = Map::new();
        for ((site, fault), count) in &self.runs {
            runs.insert(format!("{site:?}/{}", fault.name()), json!(count));
        }
        json!({ "passed": self.passed, "failed": self.failed, "runs": runs })
    }

    /// Counts that were kept; `None`, if they are not of this simulator.
    #[must_use]
    pub fn of_json(json: &Value) -> Option<Self> {
        let place = |name: &str| {
            let (site, fault) = name.split_once('/')?;
            let site = Site::ALL.into_iter().find(|one| format!("{one:?}") == site)?;
            Some((site, Fault::ALL.into_iter().find(|one| one.name() == fault)?))
        };
        let runs = json["runs"].as_object()?.iter();
        Some(Self {
            runs: runs.map(|(name, count)| Some((place(name)?, count.as_u64()?))).collect::<Option<_>>()?,
            passed: json["passed"].as_u64()?,
            failed: json["failed"].as_u64()?,
            first: Vec::new(),
        })
    }
}

impl fmt::Display for Coverage {
    /// A table in Markdown: kinds of calls against faults, in runs. A fault that is the same as another one there has none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Fault::ALL.map(Fault::name);
        writeln!(f, "|call|{}|", names.join("|"))?;
        writeln!(f, "|---|{}", "---:|".repeat(names.len()))?;
        for site in Site::ALL {
            let runs = Fault::ALL.map(|fault| match self.runs.get(&(site, fault)) {
                None if !fault.differs(site) => "–".to_owned(),
                runs => thousands(runs.copied().unwrap_or(0)),
            });
            writeln!(f, "|{site:?}|{}|", runs.join("|"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Coverage, systematic};

    #[test]
    fn counts_are_kept_and_read_back() {
        let mut coverage = systematic("m0", false);
        coverage.first.clear();
        let read = Coverage::of_json(&coverage.to_json()).expect("ours");
        assert_eq!((read.runs, read.passed, read.failed), (coverage.runs, coverage.passed, coverage.failed));
    }
}
