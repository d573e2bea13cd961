//! Computes dollars for a million events from the counts.

use crate::figures::{Measured, OURS};
use crate::scenario::Scenario;

/// Prices in dollars per million, us-east-1, November 2026. Source: AWS's pricing pages for Amazon DynamoDB on-demand,
/// Amazon SQS FIFO, AWS Lambda arm64, Amazon SES, Amazon CloudWatch Logs.
pub mod prices {
    /// Write request units.
    pub const WRITE: f64 = 0.625;
    /// Read request units.
    pub const READ: f64 = 0.125;
    /// Requests to FIFO queues.
    pub const QUEUE: f64 = 0.50;
    /// Invocations.
    pub const INVOCATION: f64 = 0.20;
    /// Gigabyte-seconds.
    pub const GIGABYTE_SECOND: f64 = 13.3334;
    /// E-mails.
    pub const EMAIL: f64 = 100.0;
    /// Kilobytes of logs.
    pub const LOG_KILOBYTE: f64 = 0.50;
}

/// The assumptions, which the page states beside the tables.
pub mod assumed {
    /// The memory of an invocation in gigabytes, as in the template.
    pub const MEMORY: f64 = 0.256;
    /// The duration of an invocation in seconds: two round trips to DynamoDB and a little more.
    pub const DURATION: f64 = 0.015;
    /// The share of batches that do not find the buyer's head remembered.
    pub const COLD: f64 = 0.5;
    /// The kilobytes that an invocation logs.
    pub const LOG_OF_INVOCATION: f64 = 0.9;
    /// The kilobytes that an event logs.
    pub const LOG_OF_EVENT: f64 = 0.25;
}

/// The characteristics of the traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Traffic {
    /// The events of one buyer per batch.
    pub batch: f64,
    /// The share of commits that call for effects.
    pub effectful: f64,
    /// The e-mails per event.
    pub emails: f64,
}

/// Dollars for a million events, by purpose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dollars {
    /// The recorder's queue, invocations and logs.
    pub overhead: f64,
    /// The recorder's reads and writes.
    pub recording: f64,
    /// The reactor's reads, writes, invocations and sales messages.
    pub reacting: f64,
    /// E-mails through SES.
    pub emails: f64,
}

impl Dollars {
    /// The sum.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.overhead + self.recording + self.reacting + self.emails
    }
}

/// A figure for batches of this size. It is interpolated from the counts for batches of one and of ten, as a part per
/// batch and a part per event.
fn at(measured: &Measured, store: &str, figure: &str, batch: f64) -> Option<f64> {
    let alone = measured.of(store, Scenario::Alone, figure)?;
    let tens = measured.of(store, Scenario::Tens, figure)?;
    let of_batch = (alone - tens) / (1.0 - 0.1);
    Some(alone - of_batch + of_batch / batch)
}

/// The dollars for the reads and writes of a store per million events.
#[must_use]
pub fn recording(measured: &Measured, store: &str, traffic: &Traffic) -> Option<f64> {
    let figure = |name: &str| at(measured, store, name, traffic.batch);
    let of = |temperature: &str| {
        let writes =
            figure(&format!("{temperature}.writes"))? + index(measured, store, temperature, traffic)?;
        Some(writes * prices::WRITE + figure(&format!("{temperature}.reads"))? * prices::READ)
    };
    Some(of("cold")? * assumed::COLD + of("warm")? * (1.0 - assumed::COLD))
}

/// The write units of the index. Ours is written only for commits with effects, so it depends on their share; for peers
/// the counts are used.
fn index(measured: &Measured, store: &str, temperature: &str, traffic: &Traffic) -> Option<f64> {
    if store == OURS {
        Some(traffic.effectful / traffic.batch)
    } else {
        at(measured, store, &format!("{temperature}.indexWrites"), traffic.batch)
    }
}

/// The dollars for queue, invocations and logs, which are the same for all stores.
fn overhead(traffic: &Traffic) -> f64 {
    // Messages are sent one by one, but received and deleted by the batch.
    let queue = (1.0 + 2.0 / traffic.batch) * prices::QUEUE;
    let invocation = invocation() / traffic.batch;
    let logs = (assumed::LOG_OF_INVOCATION / traffic.batch + assumed::LOG_OF_EVENT) * prices::LOG_KILOBYTE;
    queue + invocation + logs
}

fn invocation() -> f64 {
    prices::INVOCATION + assumed::MEMORY * assumed::DURATION * prices::GIGABYTE_SECOND
}

/// All costs of Leadstream.
#[must_use]
pub fn ours(measured: &Measured, traffic: &Traffic) -> Option<Dollars> {
    let of = |which: &str| {
        let figure = |name: &str| measured.of_reactor(which, name);
        let writes = figure("mean.writes")? + figure("mean.indexWrites")?;
        let (reads, messages) = (figure("mean.reads")?, figure("messages")?);
        Some(writes * prices::WRITE + reads * prices::READ + messages * prices::QUEUE)
    };
    let commits = 1.0 / traffic.batch;
    let mailing = traffic.emails.min(commits);
    let messaging = (commits * traffic.effectful - mailing).max(0.0);
    let silent = commits - mailing - messaging;
    Some(Dollars {
        overhead: overhead(traffic),
        recording: recording(measured, OURS, traffic)?,
        reacting: mailing * of("withEmail")?
            + messaging * of("withoutEmail")?
            + silent * of("withoutEffects")?
            + commits * (invocation() + assumed::LOG_OF_INVOCATION * prices::LOG_KILOBYTE),
        emails: traffic.emails * prices::EMAIL,
    })
}

/// The costs of a store that only records, as the peers do, including queue, invocations and logs.
#[must_use]
pub fn only_recording(measured: &Measured, store: &str, traffic: &Traffic) -> Option<f64> {
    Some(overhead(traffic) + recording(measured, store, traffic)?)
}
