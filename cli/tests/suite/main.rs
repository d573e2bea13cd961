//! What `leads` promises, as rules: over files, over a queue that fails as the script says, over tables in this process.
#![expect(clippy::unwrap_used, reason = "test code: what is not there fails the test")]

mod about;
mod answers;
mod audit;
mod check;
mod compare;
mod dead_letters;
mod emails;
mod everybody;
mod explain;
mod former;
mod go_live;
mod parity;
mod reset;
mod send;
mod stands;
mod takeover;
mod usage;
mod world;
