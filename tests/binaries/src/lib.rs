//! Runs the built functions as processes. Lambda's Runtime API, DynamoDB, SQS and SES are simulated on loopback. A
//! proxy between a process and AWS kills the process, or damages an answer, at a chosen request. The guarantees are
//! then checked by the tables and the recorded requests alone.
#![expect(clippy::unwrap_used, reason = "test code: a failed set-up ends the run")]

mod aws;
mod check;
mod fault;
mod feed;
mod front;
mod history;
mod many;
mod process;
mod queue;
mod report;
pub mod runtime_api;
mod ses;
pub mod tables;
mod world;

pub use fault::Fault;
pub use many::{Order, many};
pub use process::{Ended, Function, Life, Process};
pub use report::Report;
pub use ses::doubtful_mails;
pub use world::{Plan, run};
