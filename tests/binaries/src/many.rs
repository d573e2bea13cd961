//! The runs: with kills at requests chosen by seeds, and with ambiguous answers to mails.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use serde_json::json;
use testkit::{buyer, made};

use crate::aws::{Aws, Fault, Operation, proxy};
use crate::check::{Report, check, check_doubt, check_refused};
use crate::process::{Ended, Function, Process};
use crate::tables;
use crate::world::{ChangeFeed, Plan, Post, Queue, World};

/// Makes the run with this seed and checks its outcome.
///
/// # Errors
/// No port or no process is available.
pub async fn run(plan: Plan) -> io::Result<Report> {
    let mut world = World::start(plan).await?;
    let has_ended = world.play().await?;
    let mut report = check(&world, has_ended);
    report.count("invocations", world.invocations);
    Ok(report)
}

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

/// The ambiguous answers, used in turn.
const ANSWERS: [Fault; 4] = [Fault::Reset, Fault::Cut, Fault::Error, Fault::Garbage];

/// Sends one mail for each of `mails` buyers, and every answer is ambiguous. Then each doorbell rings again at a new
/// process, and the sweeper examines all buyers. Recorder, reactor and sweeper are the built ones.
///
/// # Errors
/// No port or no process is available.
pub async fn doubtful_mails(mails: usize) -> io::Result<Report> {
    let mut report = Report::default();
    let aws = Aws::start().await?;
    let posts = (0..mails).map(|number| Post::new(&buyer(&format!("b{number}")), made("car-1"))).collect();
    let mut queue = Queue::of(posts);
    let recorder = start(Function::Recorder, &aws).await?;
    while !queue.is_empty() {
        let (batch, ids) = queue.receive(10);
        if let Ended::Response(answer) = recorder.invoke(batch).await {
            queue.settle(ids, &answer);
        }
    }
    let commits = tables::commits(&aws.database);
    for _ in 0..2 {
        let reactor = start(Function::Reactor, &aws).await?;
        let mut feed = ChangeFeed::default();
        loop {
            let (doorbells, keys) = feed.receive(&commits, 100);
            if keys.is_empty() {
                break;
            }
            if matches!(reactor.invoke(doorbells).await, Ended::Response(_)) {
                feed.settle(keys);
            }
        }
    }
    tables::make_everything_due(&aws.database);
    start(Function::Sweeper, &aws).await?.invoke(json!({})).await;

    let (items, received) = (tables::leads_items(&aws.database), aws.received());
    report.count("ses/ambiguous-answers", received.requested_mails.len());
    check_refused(&received, &mut report);
    check_doubt(&items, &received, mails, &mut report);
    for (name, expected) in [("mails/asked-for", mails), ("mails/doubtful", mails)] {
        if report.of(name) != expected as u64 {
            report.violation("lost", &format!("{} {name} instead of {expected}", report.of(name)));
        }
    }
    Ok(report)
}

async fn start(function: Function, aws: &Arc<Aws>) -> io::Result<Process> {
    let aws = Arc::clone(aws);
    let number = AtomicUsize::new(0);
    let script = Arc::new(move |operation: &Operation| match operation {
        Operation::Mail(_) => ANSWERS.get(number.fetch_add(1, Ordering::Relaxed) % ANSWERS.len()).copied(),
        Operation::Table(_) | Operation::Sales(_) | Operation::DeadLetter(_) => None,
    });
    Process::start(function, |life| proxy(aws, life, script)).await
}
