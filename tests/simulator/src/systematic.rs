//! Every call of a scenario struck by every fault, one at a time or two.

use std::collections::BTreeMap;
use std::fmt;

use crate::scenarios::posts;
use crate::{Fault, Faults, Plan, Report, Site, many};

/// What was struck, and how it ended.
#[derive(Debug, Default)]
pub struct Coverage {
    /// How many runs with each fault at each kind of call; of a pair, the last one counts.
    pub runs: BTreeMap<(Site, &'static str), u64>,
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
    let posts = posts(scenario);
    let plan = |faults: &[(usize, Fault)]| Plan {
        faults: Faults::At(faults.to_vec()),
        posts: Some(posts.clone()),
        ..Plan::default()
    };
    let mut coverage = Coverage::default();
    let singles = coverage.strike(&[Vec::new()], &plan);
    if pairs {
        coverage.strike(&singles, &plan);
    }
    coverage
}

impl Coverage {
    /// Plays each of these with every further fault after their last; tells what was played.
    fn strike(
        &mut self,
        bases: &[Vec<(usize, Fault)>],
        plan: &(impl Fn(&[(usize, Fault)]) -> Plan + Sync),
    ) -> Vec<Vec<(usize, Fault)>> {
        let mut struck = Vec::new();
        for base in bases {
            let report = plan(base).run();
            if !report.violations.is_empty() && base.is_empty() {
                self.failed += 1;
                self.first.push((base.clone(), report));
                return Vec::new();
            }
            let after = base.last().map_or(0, |(call, _)| call + 1);
            for (call, site) in report.sites.iter().enumerate().skip(after) {
                for fault in Fault::ALL {
                    *self.runs.entry((*site, fault.name())).or_default() += 1;
                    struck.push([base.as_slice(), &[(call, fault)]].concat());
                }
            }
        }
        let of = |number: u64| usize::try_from(number).ok().and_then(|number| struck.get(number));
        let summary = many(0, struck.len() as u64, false, |number| {
            of(number).map_or_else(Plan::default, |faults| plan(faults))
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
}

impl fmt::Display for Coverage {
    /// A table in Markdown: kinds of calls against faults, in runs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Fault::ALL.map(Fault::name);
        writeln!(f, "| call | {} |", names.join(" | "))?;
        writeln!(f, "| --- |{}", " ---: |".repeat(names.len()))?;
        for site in Site::ALL {
            let runs = names.map(|name| self.runs.get(&(site, name)).copied().unwrap_or(0).to_string());
            writeln!(f, "| {site:?} | {} |", runs.join(" | "))?;
        }
        Ok(())
    }
}
