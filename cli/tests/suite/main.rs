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
mod console;
mod copies;
mod crowd;
mod ctrl_c;
mod dead_letters;
mod emails;
mod explain;
mod letters;
mod pages;
mod parity;
mod pause;
mod resync;
mod runbook;
mod schemas;
mod send;
mod site;
mod stacks;
mod status;
mod stories;
mod tail;
mod takeover;
mod usage;
mod world;
