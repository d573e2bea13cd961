//! Signature Version 4, recomputed by `scratchstack-aws-signature`, which shares no code with the SDK.

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
use tower::BoxError;

use super::Refusal;
use crate::wire::Request;
use crate::wire::message::header;

/// Headers of one connection, which no server behind a proxy sees, beside all that begin with `proxy-`.
///
/// Sources: RFC 9110, section 7.6.1; boto/botocore#3643.
const HOP_BY_HOP: [&str; 7] =
    ["connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// Whose signature it says to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope<'a> {
    access_key: &'a str,
    region: &'a str,
    pub(super) service: &'a str,
}

/// The scope in the Authorization header.
pub(super) fn scope_of(request: &Request) -> Option<Scope<'_>> {
    let credential = parameter(request, "Credential=")?;
    let mut parts = credential.split('/');
    let (access_key, _date) = (parts.next()?, parts.next()?);
    Some(Scope { access_key, region: parts.next()?, service: parts.next()? })
}

fn parameter<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let parameters = header(&request.headers, "authorization")?.strip_prefix("AWS4-HMAC-SHA256 ")?;
    parameters.split(',').find_map(|parameter| parameter.trim().strip_prefix(name))
}

/// The region is any: nothing but the host name says which one a request is meant for, and here all are loopback.
pub(super) fn check(
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
        // AWS's words: aws/aws-sdk-go-v2#2593.
        let message =
            format!("'{name}' is named as a SignedHeader, but it does not exist in the HTTP request.");
        return Err(refuse("IncompleteSignatureException", &message));
    }
    let Some(http) = as_http(request) else {
        return Err(refuse("IncompleteSignatureException", "The request line or a header is malformed."));
    };
    let secret = secret_of(scope.access_key);
    let key_for = move |asked: GetSigningKeyRequest| {
        ready(match secret.as_deref().and_then(|secret| signing_key(secret, &asked)) {
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
    // Nothing in it waits: the key is there.
    let verified = verifying.now_or_never().unwrap();
    verified.map(|_| ()).map_err(|error| {
        let error = SignatureError::from(error);
        refuse(code_of(&error), &error.to_string())
    })
}

/// The codes of the JSON protocols; the crate has those of the older query protocol.
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

/// The crate takes secrets of 40 characters only, as AWS's are. HMAC fills a key up with zeros to 64 bytes, so that a
/// shorter secret with zeros after it is the same key. Source: RFC 2104, section 2.
fn signing_key(secret: &str, asked: &GetSigningKeyRequest) -> Option<KSigningKey> {
    let key = KSecretKey::from_str(&format!("{secret:\0<40}")).ok()?;
    Some(key.to_ksigning(asked.request_date(), asked.region(), asked.service()))
}
