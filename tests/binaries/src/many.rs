//! Many runs at once, in a thread each; what is counted is always the runs from the first seed on without a gap, so that
//! a stopped order can go on where it was.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::report::Report;
use crate::world::{Plan, run};

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// So many kills, at least.
    pub kills: u64,
    /// The first number of a run.
    pub from: u64,
    /// This machine's share: runs `i`, `i + n`, ... of `n`.
    pub shard: (u64, u64),
    /// Whether answers may be left out, which costs seconds.
    pub may_be_silent: bool,
}

struct Done {
    report: Report,
    next: u64,
    ahead: BTreeMap<u64, Report>,
}

/// Runs until the report, begun before or not, has all kills; returns it with the number of the first run that is not in
/// it. `keep` is called after each run.
///
/// # Panics
/// This machine has no port, process or thread to give.
pub fn many(order: Order, begun: Report, keep: impl Fn(&Report, u64) + Sync) -> (Report, u64) {
    let done = Mutex::new(Done { report: begun, next: order.from, ahead: BTreeMap::new() });
    let next = AtomicU64::new(order.from);
    let is_over = AtomicBool::new(false);
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        while !is_over.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let seed = order.shard.0 + number * order.shard.1;
            let plan = Plan { seed, may_be_silent: order.may_be_silent };
            let mut report = runtime.block_on(run(plan)).unwrap();
            let has_passed = report.violations().is_empty();
            report.count(if has_passed { "passed" } else { "failed" }, 1);
            if !has_passed {
                report.violation("seed", &seed.to_string());
            }
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.ahead.insert(number, report);
            while done.report.of("kills") < order.kills {
                let number = done.next;
                let Some(report) = done.ahead.remove(&number) else { break };
                done.report.add(report);
                done.next += 1;
            }
            is_over.store(done.report.of("kills") >= order.kills, Ordering::Relaxed);
            keep(&done.report, done.next);
        }
    };
    thread::scope(|scope| {
        // Half of the time a run waits for a process that starts or a back-off.
        for _ in 0..2 * thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    (done.report, done.next)
}
