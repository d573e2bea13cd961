//! The interfaces of AWS that describe a deployed stack, signed and sent one request at a time. An SDK crate for each of
//! these services would take minutes to build, for one or two operations each.

mod service;
mod xml;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_types::SdkConfig;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use platform::clock::{Clock as _, SystemClock};
use platform::https::Https;
use platform::telemetry::chain;
use serde_json::{Value, json};

pub use self::service::Service;

/// The time for one response.
const TIME_OUT: Duration = Duration::from_secs(10);

/// The time to open a connection.
const CONNECT_TIME_OUT: Duration = Duration::from_secs(5);

/// Credentials that end within this time are not used again.
const MARGIN: Duration = Duration::from_mins(5);

/// Attempts of a call that AWS throttles or that gets no response.
const ATTEMPTS: u32 = 4;

/// The pause before the second attempt; it doubles with each further one.
const PAUSE: Duration = Duration::from_millis(200);

/// The caller's access to the services of one region.
#[derive(Debug)]
pub struct Aws {
    https: Https,
    config: SdkConfig,
    /// The credentials of the last call. A provider of the SDK gets new ones each time; only clients of the SDK keep them.
    kept: Mutex<Option<Credentials>>,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFailed {
    /// The IAM action of the call, for example `cloudwatch:DescribeAlarms`.
    pub action: String,
    /// The error code; empty if no response came.
    pub code: String,
    /// The error text.
    pub message: String,
}

impl CallFailed {
    /// Whether the caller's credentials do not allow the call.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        ["AccessDenied", "Unauthorized", "NotAuthorized", "AuthorizationError"]
            .iter()
            .any(|word| self.code.contains(word))
    }

    fn is_passing(&self) -> bool {
        let passing = ["Throttl", "TooManyRequests", "RequestLimitExceeded", "ServiceUnavailable"];
        self.code.is_empty() || passing.iter().any(|word| self.code.contains(word))
    }
}

impl fmt::Display for CallFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, code, message } = self;
        if code.is_empty() {
            write!(f, "{action} got no response: {message}")
        } else if self.is_denied() {
            write!(f, "these credentials may not call {action}; allow it, or use others ({message})")
        } else {
            write!(f, "{action} failed: {code}: {message}")
        }
    }
}

impl std::error::Error for CallFailed {}

impl Aws {
    /// Calls with the region, credentials and endpoints of `config`.
    #[must_use]
    pub fn on(config: &SdkConfig, https: Https) -> Self {
        Self { https, config: config.clone(), kept: Mutex::default() }
    }

    /// The region; empty if none is set.
    #[must_use]
    pub fn region(&self) -> &str {
        self.config.region().map_or("", AsRef::as_ref)
    }

    /// Whether calls of CloudFormation go to another endpoint than AWS's own.
    #[must_use]
    pub fn is_emulated(&self) -> bool {
        Service::CloudFormation.endpoint(&self.config).is_some()
    }

    /// Calls an operation of the query protocol. The result is the content of its `…Result` element: lists as arrays,
    /// everything else as objects and strings.
    ///
    /// # Errors
    /// [`CallFailed`], also if the response is not XML.
    pub async fn query(
        &self,
        service: Service,
        operation: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Value, CallFailed> {
        let mut form = format!("Action={operation}&Version={}", service.version());
        for (name, value) in parameters {
            form.extend(["&", name, "="]);
            form.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        }
        let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned())];
        let call =
            Call { service, operation, method: "POST", path: "/", headers: headers.into(), body: form };
        let answer = xml::read(&self.send(&call).await?);
        let answer = answer.ok_or_else(|| call.failed("Unreadable", "the response is not XML"))?;
        Ok(answer[format!("{operation}Result")].clone())
    }

    /// Calls an operation of the JSON protocol; `target` is for example `DynamoDB_20120810.DescribeTable`.
    ///
    /// # Errors
    /// [`CallFailed`], also if the response is not JSON.
    pub async fn json(&self, service: Service, target: &str, input: &Value) -> Result<Value, CallFailed> {
        let operation = target.split('.').next_back().unwrap_or_default();
        let version = if service == Service::Events { "1.1" } else { "1.0" };
        let kind = format!("application/x-amz-json-{version}");
        let headers = vec![("content-type", kind), ("x-amz-target", target.to_owned())];
        self.parsed(&Call { service, operation, method: "POST", path: "/", headers, body: input.to_string() })
            .await
    }

    /// Calls an operation of a REST interface.
    ///
    /// # Errors
    /// [`CallFailed`], also if the response is not JSON.
    pub async fn rest(
        &self,
        service: Service,
        operation: &str,
        (method, path): (&str, &str),
        input: Option<&Value>,
    ) -> Result<Value, CallFailed> {
        let headers = input.map(|_| ("content-type", "application/json".to_owned())).into_iter().collect();
        let body = input.map(ToString::to_string).unwrap_or_default();
        self.parsed(&Call { service, operation, method, path, headers, body }).await
    }

    /// The JSON of the response; an empty object if it has no body.
    async fn parsed(&self, call: &Call<'_>) -> Result<Value, CallFailed> {
        let text = self.send(call).await?;
        if text.trim().is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_str(&text).map_err(|error| call.failed("Unreadable", &error.to_string()))
    }

    async fn send(&self, call: &Call<'_>) -> Result<String, CallFailed> {
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match self.attempt(call).await {
                Err(error) if error.is_passing() => tokio::time::sleep(pause).await,
                ended => return ended,
            }
            pause *= 2;
        }
        self.attempt(call).await
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<String, CallFailed> {
        let identity = self.credentials().await;
        let identity = identity.map_err(|message| call.failed("NoCredentials", &message))?.into();
        let request = self.signed(call, &identity);
        let request = request.map_err(|error| call.failed("Unsigned", &error.to_string()))?;
        let answer = tokio::time::timeout(TIME_OUT, async {
            let answer = self.https.ask(request, CONNECT_TIME_OUT).await;
            let answer = answer.map_err(|error| call.failed("", &chain(&error)))?;
            let kind = answer.headers().get("x-amzn-errortype").unwrap_or_default().to_owned();
            let status = answer.status();
            let body = ByteStream::new(answer.into_body()).collect().await;
            let body = body.map_err(|error| call.failed("", &chain(&error)))?;
            Ok((status, kind, String::from_utf8_lossy(&body.to_vec()).into_owned()))
        });
        let (status, kind, text) = answer.await.map_err(|_| call.failed("", "timed out"))??;
        if status.is_success() {
            return Ok(text);
        }
        let document = serde_json::from_str(&text).ok().or_else(|| xml::read(&text)).unwrap_or_default();
        let error = document.get("Error").unwrap_or(&document);
        let field = |names: &[&str]| names.iter().find_map(|name| error[*name].as_str()).unwrap_or_default();
        let code = if kind.is_empty() { field(&["__type", "Code", "code"]) } else { &kind };
        // `com.amazonaws.dynamodb.v20120810#ResourceNotFoundException:http://…`
        let code = code.split(':').next().and_then(|code| code.rsplit('#').next()).unwrap_or_default();
        let unnamed = format!("HTTP{}", status.as_u16());
        Err(call.failed(if code.is_empty() { &unnamed } else { code }, field(&["Message", "message"])))
    }

    /// The caller's credentials, those of the last call as long as they last.
    async fn credentials(&self) -> Result<Credentials, String> {
        let soon = UNIX_EPOCH + now() + MARGIN;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(kept) = kept.filter(|kept| kept.expiry().is_none_or(|at| at > soon)) {
            return Ok(kept);
        }
        let provider = self.config.credentials_provider().ok_or("no AWS credentials are set")?;
        let credentials = provider.provide_credentials().await.map_err(|error| chain(&error))?;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(credentials.clone());
        Ok(credentials)
    }

    fn signed(
        &self,
        call: &Call<'_>,
        identity: &Identity,
    ) -> Result<HttpRequest, Box<dyn std::error::Error + Send + Sync>> {
        let Call { service, method, path, ref headers, ref body, .. } = *call;
        // IAM has one endpoint, in us-east-1 (AWS General Reference, "IAM endpoints and quotas").
        let region = if service == Service::Iam { "us-east-1" } else { self.region() };
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let place = if service == Service::Iam {
            "iam".to_owned()
        } else {
            format!("{}.{region}", service.host_name())
        };
        let base = service.endpoint(&self.config).unwrap_or_else(|| format!("https://{place}.{domain}"));
        let url = format!("{base}{path}");
        let signing = v4::SigningParams::builder()
            .identity(identity)
            .region(region)
            .name(service.signing_name())
            .time(UNIX_EPOCH + now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let named = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let signable = SignableRequest::new(method, &url, named, SignableBody::Bytes(body.as_bytes()))?;
        let (instructions, _) = sign(signable, &signing)?.into_parts();
        let mut request = http::Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let mut request = request.body(SdkBody::from(body.as_str()))?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(HttpRequest::try_from(request)?)
    }
}

/// The time since 1970.
fn now() -> Duration {
    Duration::try_from(SystemClock.now().as_duration()).unwrap_or_default()
}

/// One call before it is signed.
struct Call<'a> {
    service: Service,
    operation: &'a str,
    method: &'a str,
    path: &'a str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Call<'_> {
    fn failed(&self, code: &str, message: &str) -> CallFailed {
        let action = format!("{}:{}", self.service.name(), self.operation);
        CallFailed { action, code: code.to_owned(), message: message.to_owned() }
    }
}
