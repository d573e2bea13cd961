//! Verifies Signature Version 4 with `scratchstack-aws-signature`, which shares no code with the SDK.

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

/// Hop-by-hop headers, which a server behind a proxy does not receive. Headers that begin with `proxy-` also count.
///
/// Sources: RFC 9110, section 7.6.1; boto/botocore#3643.
const HOP_BY_HOP: [&str; 7] =
    ["connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// The scope that a signature claims.
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

/// Checks the signature of a request. Any region is accepted: only the host name of a request states its region, and
/// here every host is loopback.
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
