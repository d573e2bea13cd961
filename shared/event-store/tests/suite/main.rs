//! The guarantees of the event store: one set of rules, run against memory and against DynamoDB. Tests that need
//! DynamoDB alone cover the cost of appends and loads, and failures of the connection.
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
