//! The rules of this crate, tested with adapters in memory, with a DynamoDB engine, and on the wire.
#![expect(clippy::unwrap_used, reason = "test code: a missing value fails the test")]

mod advance;
mod around;
#[expect(dead_code, reason = "shared with the tests of the leads store, which use all of it")]
#[path = "../../../leads-store/tests/suite/attempts.rs"]
mod attempts;
#[expect(dead_code, reason = "shared with the tests of the leads store, which use all of it")]
#[path = "../../../leads-store/tests/suite/dynamo.rs"]
mod dynamo;
mod logs;
mod mail;
#[path = "../../../leads-store/tests/suite/memory.rs"]
mod memory;
mod requests;
mod ses;
mod ses_refusals;
mod sweep;
mod world;
