//! What streams promise: one set of rules, run against memory and against DynamoDB; and, against DynamoDB alone, what
//! an append costs and what becomes of it when the wire is cut.
#![expect(clippy::unwrap_used, reason = "test code")]

mod appending;
mod capacity;
mod clauses;
mod faults;
mod feed;
mod heads;
mod keys;
mod meter;
mod operations;
mod reading;
mod retries;
mod story;
mod streams;
mod table;
mod time;
