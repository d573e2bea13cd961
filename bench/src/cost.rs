//! Dollars for a million events, from what was counted.

use crate::figures::{Measured, OURS};
use crate::scenario::Scenario;

/// Prices in dollars for a million, us-east-1, November 2026; AWS's own pages: Amazon DynamoDB on-demand, Amazon SQS FIFO,
/// AWS Lambda arm64, Amazon SES, Amazon CloudWatch Logs.
pub mod prices {
    /// Write request units.
    pub const WRITE: f64 = 0.625;
    /// Read request units.
    pub const READ: f64 = 0.125;
    /// Requests to FIFO queues.
    pub const QUEUE: f64 = 0.50;
    /// Invocations.
    pub const INVOCATION: f64 = 0.20;
    /// Gigabytes for a second.
    pub const GIGABYTE_SECOND: f64 = 13.3334;
    /// E-mails.
    pub const EMAIL: f64 = 100.0;
    /// Kilobytes of logs.
    pub const LOG_KILOBYTE: f64 = 0.50;
}

/// What is not counted but assumed: said beside every table.
pub mod assumed {
    /// An invocation's memory in gigabytes: the template's.
    pub const MEMORY: f64 = 0.256;
    /// How long an invocation lasts in seconds: two round trips to DynamoDB and a little.
    pub const DURATION: f64 = 0.015;
    /// Of a hundred batches, how many find the buyer's head not remembered.
    pub const COLD: f64 = 0.5;
    /// Kilobytes that an invocation and that an event write to the log.
    pub const LOG_OF_INVOCATION: f64 = 0.9;
    /// Of an event.
    pub const LOG_OF_EVENT: f64 = 0.25;
}

/// What a million events are like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Traffic {
    /// Events of one buyer in a batch.
    pub batch: f64,
    /// The share of commits that call for effects.
    pub effectful: f64,
    /// E-mails for an event.
    pub emails: f64,
}

/// Dollars for a million events, by what they are paid for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dollars {
    /// Queue and invocations of the recorder, with its logs.
    pub around: f64,
    /// What the recorder reads and writes.
    pub recording: f64,
    /// What the reactor reads, writes and invokes, and its messages to the sales team.
    pub reacting: f64,
    /// SES.
    pub emails: f64,
}

impl Dollars {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.around + self.recording + self.reacting + self.emails
    }
}

/// A figure for batches of this size: what was counted for one and for ten, and between them what a part for each batch and
/// a part for each event come to.
fn at(measured: &Measured, store: &str, figure: &str, batch: f64) -> Option<f64> {
    let alone = measured.of(store, Scenario::Alone, figure)?;
    let tens = measured.of(store, Scenario::Tens, figure)?;
    let of_batch = (alone - tens) / (1.0 - 0.1);
    Some(alone - of_batch + of_batch / batch)
}

/// Reading and writing of the recorder, in dollars for a million events.
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

/// The index is written for the effectful commits only: of ours by their share, of others as counted.
fn index(measured: &Measured, store: &str, temperature: &str, traffic: &Traffic) -> Option<f64> {
    if store == OURS {
        Some(traffic.effectful / traffic.batch)
    } else {
        at(measured, store, &format!("{temperature}.indexWrites"), traffic.batch)
    }
}

/// Queue, invocations and logs: the same for everybody.
fn around(traffic: &Traffic) -> f64 {
    // Sent one by one, received and deleted by the batch.
    let queue = (1.0 + 2.0 / traffic.batch) * prices::QUEUE;
    let invocation = invocation() / traffic.batch;
    let logs = (assumed::LOG_OF_INVOCATION / traffic.batch + assumed::LOG_OF_EVENT) * prices::LOG_KILOBYTE;
    queue + invocation + logs
}

fn invocation() -> f64 {
    prices::INVOCATION + assumed::MEMORY * assumed::DURATION * prices::GIGABYTE_SECOND
}

/// All of ours.
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
    let telling = (commits * traffic.effectful - mailing).max(0.0);
    let silent = commits - mailing - telling;
    Some(Dollars {
        around: around(traffic),
        recording: recording(measured, OURS, traffic)?,
        reacting: mailing * of("withEmail")?
            + telling * of("withoutEmail")?
            + silent * of("withoutEffects")?
            + commits * (invocation() + assumed::LOG_OF_INVOCATION * prices::LOG_KILOBYTE),
        emails: traffic.emails * prices::EMAIL,
    })
}

/// A store that only records, as the peers do, with the queue and the invocations before it.
#[must_use]
pub fn only_recording(measured: &Measured, store: &str, traffic: &Traffic) -> Option<f64> {
    Some(around(traffic) + recording(measured, store, traffic)?)
}
