//! The functions as they are deployed, as processes: Lambda's Runtime API, DynamoDB, SQS and SES are played on loopback,
//! and between a process and AWS sits a front that kills the process, or spoils an answer, at a chosen request. What is
//! promised is then read off the tables and the recorded requests alone.
#![expect(clippy::unwrap_used, reason = "test code: what cannot be set up ends the run")]

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
