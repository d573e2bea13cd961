//! What this crate promises, as rules: over adapters in memory, over a DynamoDB engine, and on the wire.
#![expect(clippy::unwrap_used, reason = "test code: what is not there fails the test")]

mod advance;
mod around;
mod attempts;
mod clauses;
mod dynamo;
mod leads;
mod logs;
mod mail;
mod requests;
mod ses;
mod ses_refusals;
mod sweep;
mod world;
