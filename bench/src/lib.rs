//! Counts what an event costs (requests, capacity units and bytes) with our recorder and with peers, in one run on the
//! same local DynamoDB. Times are shown as information only, because machines are noisy.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a measurement that cannot be taken ends the run"
)]

pub mod corpus;
pub mod cost;
pub mod count;
pub mod engine;
pub mod figures;
pub mod instructions;
pub mod large;
pub mod picture;
pub mod reactor;
pub mod recorders;
pub mod report;
pub mod scenario;
pub mod walk;
