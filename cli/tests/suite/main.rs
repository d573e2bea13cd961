//! Tests of `leads` as rules: on files, on a scripted queue, and on tables of a DynamoDB engine in this process.
#![expect(clippy::unwrap_used, reason = "test code: a missing value fails the test")]

mod about;
mod all_buyers;
mod answers;
mod audit;
mod check;
mod compare;
mod dead_letters;
mod emails;
mod explain;
mod former;
mod go_live;
mod mode;
mod parity;
mod reset;
mod send;
mod takeover;
mod usage;
mod world;
