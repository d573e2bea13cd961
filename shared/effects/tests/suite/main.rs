//! The rules of this crate, tested with adapters in memory, with a DynamoDB engine, and on the wire.
#![expect(clippy::unwrap_used, reason = "test code: a missing value fails the test")]

/// Tests of advancing a buyer with adapters in memory.
mod advance {
    mod emails;
    mod overtaken;
    mod passing;
    mod scenarios;
    mod workers;
}
mod mail;
mod pauses;
mod requests;
mod ses;
mod ses_refusals;
mod sweep;
mod world;
