use std::fmt;

use serde_json::json;

use super::{Refusal, Service};
use crate::wire::{Reply, Request};

/// The error with which AWS would refuse a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The service that refuses the request.
    pub service: Service,
    /// The operation, for example `PutItem`, or the path.
    pub operation: String,
    /// The HTTP status.
    pub status: u16,
    /// The error code.
    pub code: &'static str,
    /// What is wrong with the request.
    pub message: String,
}

impl Refused {
    pub(super) fn of(service: Service, request: &Request, refusal: Refusal) -> Self {
        let is_rest = service == Service::Ses;
        let (status, code, message) = match refusal {
            Refusal::NoLength => {
                (411, "MissingContentLength", "You must provide the Content-Length HTTP header.".to_owned())
            }
            // Sources: Amazon DynamoDB Developer Guide, "Error messages and codes", which lists these errors with
            // status 400; async-aws/aws#1948 for SQS.
            Refusal::Signature { code, message } => {
                (if service == Service::DynamoDb { 400 } else { 403 }, code, message)
            }
            Refusal::Operation => {
                let message = "The strict wire's model has no such operation; see its models/README.md.";
                (if is_rest { 404 } else { 400 }, "UnknownOperationException", message.to_owned())
            }
            Refusal::Type(message) => (400, "SerializationException", message),
            Refusal::Missing(message) if service == Service::Sqs => (400, "MissingParameter", message),
            Refusal::Missing(message) | Refusal::Value(message) => (
                400,
                match service {
                    Service::DynamoDb => "ValidationException",
                    Service::Sqs => "InvalidParameterValue",
                    Service::Ses => "BadRequestException",
                },
                message,
            ),
        };
        Self { service, operation: request.operation().to_owned(), status, code, message }
    }

    /// The response in the service's protocol: the code is in the body for DynamoDB and SQS, in a header for SES.
    #[must_use]
    pub fn reply(&self) -> Reply {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let (headers, body) = match self.service {
            Service::DynamoDb | Service::Sqs => {
                let space = if self.code == "ValidationException" { "validate" } else { "service" };
                let mut headers = vec![header("content-type", "application/x-amz-json-1.0")];
                if self.service == Service::Sqs {
                    headers.push(header("x-amzn-query-error", &format!("{};Sender", self.code)));
                }
                let kind = format!("com.amazon.coral.{space}#{}", self.code);
                (headers, json!({ "__type": kind, "message": self.message }))
            }
            Service::Ses => (
                vec![header("content-type", "application/json"), header("x-amzn-errortype", self.code)],
                json!({ "message": self.message }),
            ),
        };
        Reply { status: self.status, headers, body: body.to_string().into_bytes() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, operation, status, code, message } = self;
        write!(f, "{} refuses {operation} with {status} {code}: {message}", service.signing_name())
    }
}
