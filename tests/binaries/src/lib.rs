//! Runs the built functions as processes. Lambda's Runtime API, DynamoDB, SQS and SES are simulated on loopback. A
//! proxy between a process and AWS kills the process, or damages an answer, at a chosen request. The guarantees are
//! then checked by the tables and the recorded requests alone.
#![expect(clippy::unwrap_used, reason = "test code: a failed set-up ends the run")]

mod aws;
mod check;
mod many;
mod process;
pub mod tables;
mod world;

pub use aws::Fault;
pub use check::Report;
pub use many::{Order, doubtful_mails, many, run};
pub use process::{Answered, Ended, Function, Life, Process, RuntimeApi};
pub use world::Plan;
