//! What this crate promises, as rules: over adapters in memory, over a DynamoDB engine, and on the wire.
#![expect(clippy::unwrap_used, reason = "test code: what is not there fails the test")]

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
mod requests;
mod ses;
mod ses_refusals;
mod sweep;
mod world;
