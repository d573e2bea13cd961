//! The recorder over streams and dead letters in memory: what is recorded, what is set aside, what comes back.
#![expect(clippy::unwrap_used, reason = "test code")]

mod beside;
mod faults;
mod given;
mod memory;
mod properties;
mod rules;
