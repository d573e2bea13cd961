//! The strict wire: checks requests to DynamoDB, SQS and SES v2 the way AWS does and local emulators do not.
//!
//! A request must state its length, sign no hop-by-hop header, have a signature that an implementation other than the
//! SDK's recomputes, and have parameters that the service's own model allows. A refused request is answered as AWS
//! would answer it ([`Refused::reply`]) and fails the test run: in adapter tests through [`Wire`](crate::wire::Wire),
//! for the built functions through `binaries`, and for the deployed stack through the program `strict-wire`.
//!
//! Requests to other services pass unchecked, for example to SNS, `EventBridge`, Lambda and CloudWatch Logs. Rules that
//! a model does not state are not checked either: the grammar of expressions, that an attribute value has exactly one
//! type, size limits.

mod model;
mod refused;
mod signature;

pub use refused::Refused;
use sha2::{Digest as _, Sha256};

use crate::wire::Request;
use crate::wire::message::header;

/// A service whose requests are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// DynamoDB, without DynamoDB Streams.
    DynamoDb,
    /// SQS, in its JSON protocol.
    Sqs,
    /// SES version 2.
    Ses,
}

impl Service {
    /// All services.
    pub const ALL: [Self; 3] = [Self::DynamoDb, Self::Sqs, Self::Ses];

    /// The service of a request, by its target header, its path or the scope of its signature; `None` if that service
    /// is not checked.
    #[must_use]
    pub fn of(request: &Request) -> Option<Self> {
        match header(&request.headers, "x-amz-target").and_then(|target| target.split_once('.')) {
            Some(("DynamoDB_20120810", _)) => Some(Self::DynamoDb),
            Some(("AmazonSQS", _)) => Some(Self::Sqs),
            Some(_) => None,
            None if request.path.starts_with("/v2/email/") => Some(Self::Ses),
            None => {
                let scope = signature::scope_of(request)?;
                Self::ALL.into_iter().find(|service| service.signing_name() == scope.service)
            }
        }
    }

    /// The service's name in the scope of a signature.
    #[must_use]
    pub const fn signing_name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Sqs => "sqs",
            Self::Ses => "ses",
        }
    }
}

/// Checks a request and returns its service; `None` if that service is not checked. `secret_of` returns the secret of
/// an access key.
///
/// # Errors
/// [`Refused`] if AWS would refuse the request.
pub fn check(
    request: &Request,
    secret_of: impl Fn(&str) -> Option<String>,
) -> Result<Option<Service>, Refused> {
    let Some(service) = Service::of(request) else { return Ok(None) };
    let refuse = |refusal| Refused::of(service, request, refusal);
    check_length(request).map_err(refuse)?;
    signature::check(request, service.signing_name(), secret_of).map_err(refuse)?;
    model::check(service, request).map_err(refuse)?;
    Ok(Some(service))
}

/// The secrets of the access keys used in tests and on the local AWS. There, an account number has the secret `test`,
/// and a role's secret is derived from its access key (`infra/local/emulated.py`).
#[must_use]
pub fn dummy_secret(access_key: &str) -> Option<String> {
    match access_key {
        "test" => Some("test".to_owned()),
        "key" => Some("secret".to_owned()),
        account if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some("test".to_owned())
        }
        role if role.starts_with("ASIA") => {
            Some(format!("{:x}", Sha256::digest(role.as_bytes())).chars().take(40).collect())
        }
        _ => None,
    }
}

/// Why a request is refused, independent of the service's error codes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refusal {
    /// The request does not state the length of its body.
    NoLength,
    /// The signature is missing, malformed or wrong, or its key is unknown.
    Signature { code: &'static str, message: String },
    /// The model does not contain the operation.
    Operation,
    /// The body is not JSON, or a parameter has the wrong type.
    Type(String),
    /// A parameter is missing.
    Missing(String),
    /// A parameter is unknown, or its value is not allowed.
    Value(String),
}

/// A request whose method allows a body must state its length; `Transfer-Encoding` does not replace it.
///
/// The status and code are those of Amazon S3 ("Error responses", `MissingContentLength`); AWS documents none for the
/// services checked here.
fn check_length(request: &Request) -> Result<(), Refusal> {
    let may_have_body = !matches!(request.method.as_str(), "GET" | "HEAD" | "DELETE" | "OPTIONS" | "TRACE");
    let length = header(&request.headers, "content-length").and_then(|length| length.parse().ok());
    if may_have_body && length != Some(request.body.len()) {
        return Err(Refusal::NoLength);
    }
    Ok(())
}
