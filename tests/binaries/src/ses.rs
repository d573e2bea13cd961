//! Mails whose answers leave it in doubt whether they were sent. They must never be requested a second time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use testkit::{buyer, made};

use crate::aws::{Aws, Operation};
use crate::check::{check_doubt, check_refused};
use crate::fault::Fault;
use crate::feed::ChangeFeed;
use crate::front;
use crate::history::Post;
use crate::process::{Ended, Function, Process};
use crate::queue::Queue;
use crate::report::Report;
use crate::tables;

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
    Process::start(function, |life| front::start(aws, life, script)).await
}
