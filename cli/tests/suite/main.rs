//! Tests of `leads` as rules: on files, on a scripted queue, and on tables of a DynamoDB engine in this process.
#![expect(clippy::unwrap_used, reason = "test code: a missing value fails the test")]

mod all_buyers;
mod answers;
mod audit;
mod browser;
mod bulk;
mod check;
mod cloud;
mod compare;
mod copies;
mod crowd;
mod console;
mod dead_letters;
mod emails;
mod explain;
mod pages;
mod parity;
mod resync;
mod pause;
mod send;
mod site;
mod stacks;
mod status;
mod tail;
mod stories;
mod takeover;
mod usage;
mod world;
