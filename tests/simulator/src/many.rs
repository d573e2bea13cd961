use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::{Plan, Report, Sight};

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
