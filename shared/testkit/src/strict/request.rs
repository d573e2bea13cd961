use crate::message::{Request, header};

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
                let scope = scope_of(request)?;
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

/// Why a request is refused, independent of the service's error codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No policy allows the signer the action on the resource; both are named by their ARN.
    Denied { signer: String, action: String, resource: String },
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

/// The scope that a signature claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope<'a> {
    pub(super) access_key: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// The scope in the Authorization header.
pub(super) fn scope_of(request: &Request) -> Option<Scope<'_>> {
    let credential = parameter(request, "Credential=")?;
    let mut parts = credential.split('/');
    let (access_key, _date) = (parts.next()?, parts.next()?);
    Some(Scope { access_key, region: parts.next()?, service: parts.next()? })
}

pub(super) fn parameter<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let parameters = header(&request.headers, "authorization")?.strip_prefix("AWS4-HMAC-SHA256 ")?;
    parameters.split(',').find_map(|parameter| parameter.trim().strip_prefix(name))
}
