//! Many runs: of many seeds, and of every fault and pair of faults at every call.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde_json::{Map, Value, json};

use crate::compare::thousands;
use crate::plan::Plan;
use crate::scenarios::plan;
use crate::{Fault, Faults, Report, Sight, Site};

/// The results of many runs.
#[derive(Debug, Default)]
pub struct Summary {
    /// The number of runs without a violation.
    pub passed: u64,
    /// The number of runs with violations.
    pub failed: u64,
    /// The first failed runs, by number.
    pub first: Vec<(u64, Report)>,
    /// The violations of each failed run.
    pub found: Vec<Vec<String>>,
    /// The number of runs that met each sight, in the order of [`Sight::ALL`].
    pub met: Vec<u64>,
}

/// The number of failed runs that are kept.
const KEPT: usize = 10;

/// Runs the plans with these numbers on all processors. If `stops` is true, ends at the first failure.
pub fn many(from: u64, count: u64, stops: bool, plan: impl Fn(u64) -> Plan + Sync) -> Summary {
    let end = from.saturating_add(count);
    let (next, is_over) = (AtomicU64::new(from), AtomicBool::new(false));
    let nothing = Summary { met: vec![0; Sight::ALL.len()], ..Summary::default() };
    let summary = Mutex::new(nothing);
    let work = || {
        let mut passed = 0;
        let mut met = [0; Sight::ALL.len()];
        while !is_over.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= end {
                break;
            }
            let report = plan(number).run();
            for (met, sight) in met.iter_mut().zip(Sight::ALL) {
                *met += u64::from(report.sights.has(sight));
            }
            if report.violations.is_empty() {
                passed += 1;
                continue;
            }
            is_over.store(stops, Ordering::Relaxed);
            let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
            summary.failed += 1;
            summary.found.push(report.violations.clone());
            summary.first.push((number, report));
            summary.first.sort_by_key(|(number, _)| *number);
            summary.first.truncate(KEPT);
        }
        let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
        summary.passed += passed;
        for (all, met) in summary.met.iter_mut().zip(met) {
            *all += met;
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    summary.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The faults that were played, and how the runs ended.
#[derive(Debug, Default)]
pub struct Coverage {
    /// The number of runs with each fault at each kind of call; in a pair, the last fault counts.
    pub runs: BTreeMap<(Site, Fault), u64>,
    /// The number of runs without a violation.
    pub passed: u64,
    /// The number of runs with violations.
    pub failed: u64,
    /// The first failed runs, with their faults.
    pub first: Vec<(Vec<(usize, Fault)>, Report)>,
}

/// Plays a scenario with every fault at every call, and if `pairs` is true also with every pair of faults.
#[must_use]
pub fn systematic(scenario: &str, pairs: bool) -> Coverage {
    let template = plan(scenario);
    let mut coverage = Coverage::default();
    let singles = coverage.play_further(&template, &[Vec::new()]);
    if pairs {
        coverage.play_further(&template, &singles);
    }
    coverage
}

/// The number of runs that all pairs of a scenario take, including the single faults. Plays only the single faults.
#[must_use]
pub fn runs_of_pairs(scenario: &str) -> u64 {
    let template = plan(scenario);
    let singles = further(&[], &with_faults(&template, &[]).run().sites);
    let pairs =
        singles.iter().map(|single| further(single, &with_faults(&template, single).run().sites).len());
    (singles.len() + pairs.sum::<usize>()) as u64
}

fn with_faults(template: &Plan, faults: &[(usize, Fault)]) -> Plan {
    Plan { faults: Faults::At(faults.to_vec()), ..template.clone() }
}

/// These faults with one more: at each later call that was made despite them, each fault that differs there.
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
    /// Plays each of these bases with every further fault after its last one. Returns the faults that were played.
    fn play_further(&mut self, template: &Plan, bases: &[Vec<(usize, Fault)>]) -> Vec<Vec<(usize, Fault)>> {
        let mut played = Vec::new();
        for base in bases {
            let report = with_faults(template, base).run();
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
                played.push(faults);
            }
        }
        let of = |number: u64| usize::try_from(number).ok().and_then(|number| played.get(number));
        let summary = many(0, played.len() as u64, false, |number| {
            of(number).map_or_else(Plan::default, |faults| with_faults(template, faults))
        });
        self.passed += summary.passed;
        self.failed += summary.failed;
        let failing =
            summary.first.into_iter().filter_map(|(number, report)| Some((of(number)?.clone(), report)));
        self.first.extend(failing);
        played
    }

    /// Adds the coverage of another scenario.
    pub fn add(&mut self, other: Self) {
        for (place, runs) in other.runs {
            *self.runs.entry(place).or_default() += runs;
        }
        self.passed += other.passed;
        self.failed += other.failed;
        self.first.extend(other.first);
    }

    /// The counts as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut runs = Map::new();
        for ((site, fault), count) in &self.runs {
            runs.insert(format!("{site:?}/{}", fault.name()), json!(count));
        }
        json!({ "passed": self.passed, "failed": self.failed, "runs": runs })
    }

    /// Reads the output of [`Coverage::to_json`]; `None` if it names calls or faults that this simulator does not have.
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
    /// Writes a Markdown table of the runs by kind of call and fault. A fault that does not differ there has a dash.
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
    fn counts_are_read_back_as_written() {
        let mut coverage = systematic("m0", false);
        coverage.first.clear();
        let read = Coverage::of_json(&coverage.to_json()).expect("ours");
        assert_eq!((read.runs, read.passed, read.failed), (coverage.runs, coverage.passed, coverage.failed));
    }
}
