//! Tests of `leads` as rules: on files, on a scripted queue, and on tables of a DynamoDB engine in this process.
#![expect(clippy::unwrap_used, reason = "test code: a missing value fails the test")]

mod all_buyers;
mod answers;
mod audit;
mod bulk;
mod check;
mod cloud;
mod compare;
mod dead_letters;
mod emails;
mod explain;
mod parity;
mod pause;
mod send;
mod stacks;
mod status;
mod takeover;
mod usage;
mod world;
