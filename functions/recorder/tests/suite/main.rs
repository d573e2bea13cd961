//! Tests of the recorder with streams and dead letters in memory: what is recorded, dead-lettered or returned.
#![expect(clippy::unwrap_used, reason = "test code")]

mod beside;
mod faults;
mod given;
mod queue;
mod rules;
mod secret;
