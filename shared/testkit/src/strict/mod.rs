//! The strict wire: checks requests to DynamoDB, SQS and SES v2 the way AWS does and local emulators do not.
//!
//! A request must state its length, sign no hop-by-hop header, have a signature that an implementation other than the
//! SDK's recomputes, and have parameters that the service's own model allows. A refused request is answered as AWS
//! would answer it ([`Refused::reply`]) and fails the test run: in adapter tests through [`Wire`](crate::wire::Wire),
//! for the built functions through `binaries`, and for the deployed stack through the program `strict-wire`.
//!
//! The program also has IAM's decision on each request of a function ([`permit`]).
//!
//! Requests to other services pass unchecked, for example to SNS, `EventBridge`, Lambda and CloudWatch Logs. Rules that
//! a model does not state are not checked either: the grammar of expressions, that an attribute value has exactly one
//! type, size limits.

mod check;
mod iam;
mod model;
mod request;

pub use check::{Refused, check, dummy_secret};
pub use iam::{Need, Role, access_key, needs, permit};
pub use request::Service;
