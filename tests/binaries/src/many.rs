//! Many runs at once, in several threads. The report always covers the runs from the first one on without a gap, so
//! that a stopped command can continue.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::report::Report;
use crate::world::{Plan, run};

/// The runs to make.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// The minimum number of kills.
    pub kills: u64,
    /// The number of the first run.
    pub from: u64,
    /// This machine's share `(i, n)`: the seeds `i`, `i + n`, `i + 2n` and so on.
    pub shard: (u64, u64),
    /// Whether answers may be withheld, which takes seconds each.
    pub may_be_silent: bool,
}

struct Done {
    report: Report,
    next: u64,
    ahead: BTreeMap<u64, Report>,
}

/// Makes runs until the report contains the ordered number of kills. `begun` is the report so far, and `keep` is called
/// after each run. Returns the report and the number of the first run that it does not contain.
///
/// # Panics
/// No port, process or thread is available.
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
        // Half of the time a run waits for a process to start or for a back-off, hence two threads per processor.
        for _ in 0..2 * thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    (done.report, done.next)
}
