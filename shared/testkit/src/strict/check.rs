use std::fmt;
use std::future::ready;
use std::str::FromStr as _;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use http::{HeaderName, HeaderValue};
use scratchstack_aws_signature::errors::ServiceError as _;
use scratchstack_aws_signature::{
    GetSigningKeyRequest, GetSigningKeyResponse, KSecretKey, KSigningKey, SignatureError, SignatureOptions,
    VecSignedHeaderRequirements, service_for_signing_key_fn, sigv4_validate_request,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tower::BoxError;

use super::model;
use super::request::{Refusal, Service, parameter, scope_of};
use crate::message::{Reply, Request, header};

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
    check_signature(request, service.signing_name(), secret_of).map_err(refuse)?;
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
            // Sources: AntonShuvaev/intellij-dynamodb#29 and pulumi/pulumi-aws#1987 for DynamoDB, symfony/symfony#51461 and
            // usdigitalresponse/usdr-gost#3080 for SES, aws/serverless-application-model#3633 for SQS.
            Refusal::Denied { signer, action, resource } => (
                if service == Service::DynamoDb { 400 } else { 403 },
                "AccessDeniedException",
                if is_rest {
                    format!(
                        "User `{signer}' is not authorized to perform `{action}' on resource `{resource}'"
                    )
                } else {
                    let action = if service == Service::Sqs { action.to_lowercase() } else { action };
                    format!(
                        "User: {signer} is not authorized to perform: {action} on resource: {resource} because no \
                         identity-based policy allows the {action} action"
                    )
                },
            ),
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
                    // SQS also gives the code of its older protocol, which the SDKs report.
                    let code = if self.code == "AccessDeniedException" { "AccessDenied" } else { self.code };
                    headers.push(header("x-amzn-query-error", &format!("{code};Sender")));
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

/// Hop-by-hop headers, which a server behind a proxy does not receive. Headers that begin with `proxy-` also count.
///
/// Sources: RFC 9110, section 7.6.1; boto/botocore#3643.
const HOP_BY_HOP: [&str; 7] =
    ["connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// Checks the signature of a request. Any region is accepted: only the host name of a request states its region, and
/// here every host is loopback.
fn check_signature(
    request: &Request,
    service: &str,
    secret_of: impl Fn(&str) -> Option<String>,
) -> Result<(), Refusal> {
    let refuse = |code, message: &str| Refusal::Signature { code, message: message.to_owned() };
    let Some(scope) = scope_of(request) else {
        return Err(refuse("MissingAuthenticationTokenException", "Missing Authentication Token"));
    };
    let mut signed = parameter(request, "SignedHeaders=").unwrap_or_default().split(';');
    if let Some(name) = signed.find(|name| HOP_BY_HOP.contains(name) || name.starts_with("proxy-")) {
        // AWS's own message; source: aws/aws-sdk-go-v2#2593.
        let message =
            format!("'{name}' is named as a SignedHeader, but it does not exist in the HTTP request.");
        return Err(refuse("IncompleteSignatureException", &message));
    }
    let Some(http) = as_http(request) else {
        return Err(refuse("IncompleteSignatureException", "The request line or a header is malformed."));
    };
    let secret = secret_of(scope.access_key);
    let key_for = move |requested: GetSigningKeyRequest| {
        ready(match secret.as_deref().and_then(|secret| signing_key(secret, &requested)) {
            Some(key) => Ok(GetSigningKeyResponse::builder().signing_key(key).build().unwrap()),
            None => Err(BoxError::from(SignatureError::InvalidClientTokenId(
                "The security token included in the request is invalid.".to_owned(),
            ))),
        })
    };
    let mut keys = service_for_signing_key_fn(key_for);
    let must_be_signed = VecSignedHeaderRequirements::new(&["host"], &["content-type"], &["x-amz-"]);
    let now = DateTime::<Utc>::from(SystemTime::now());
    let options = SignatureOptions::default();
    let verifying =
        sigv4_validate_request(http, scope.region, service, &mut keys, now, &must_be_signed, options);
    // The future is ready at once, because looking up the key does not wait.
    let verified = verifying.now_or_never().unwrap();
    verified.map(|_| ()).map_err(|error| {
        let error = SignatureError::from(error);
        refuse(code_of(&error), &error.to_string())
    })
}

/// The error code in the JSON protocols; the crate uses the codes of the older query protocol.
fn code_of(error: &SignatureError) -> &'static str {
    match error.error_code() {
        "SignatureDoesNotMatch" => "InvalidSignatureException",
        "InvalidClientTokenId" => "UnrecognizedClientException",
        "IncompleteSignature" => "IncompleteSignatureException",
        "MissingAuthenticationToken" => "MissingAuthenticationTokenException",
        "ExpiredToken" => "ExpiredTokenException",
        other => other,
    }
}

fn as_http(request: &Request) -> Option<http::Request<Vec<u8>>> {
    let mut built = http::Request::builder().method(request.method.as_str()).uri(&request.path);
    for (name, value) in &request.headers {
        built = built.header(HeaderName::from_str(name).ok()?, HeaderValue::from_str(value).ok()?);
    }
    built.body(request.body.clone()).ok()
}

/// The signing key of a secret of up to 40 characters.
///
/// The crate accepts only secrets of exactly 40 characters, the length of AWS's. Padding a shorter one with zeros does
/// not change the key, because HMAC pads keys with zeros to 64 bytes. Source: RFC 2104, section 2.
fn signing_key(secret: &str, request: &GetSigningKeyRequest) -> Option<KSigningKey> {
    let key = KSecretKey::from_str(&format!("{secret:\0<40}")).ok()?;
    Some(key.to_ksigning(request.request_date(), request.region(), request.service()))
}
