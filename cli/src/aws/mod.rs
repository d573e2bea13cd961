//! CloudFormation and CloudWatch in AWS's query protocol, signed and sent one request at a time. Their SDK crates would
//! take minutes to build, for three operations in all.

mod xml;

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_types::SdkConfig;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use platform::clock::{Clock as _, SystemClock};
use platform::https::Https;
use platform::telemetry::chain;
use serde_json::Value;

/// The time for one response.
const TIME_OUT: Duration = Duration::from_secs(10);

/// The time to open a connection.
const CONNECT_TIME_OUT: Duration = Duration::from_secs(5);

/// Attempts of a call that AWS throttles or that gets no response.
const ATTEMPTS: u32 = 3;

/// The pause before the second attempt; it doubles with each further one.
const PAUSE: Duration = Duration::from_millis(200);

/// A service with the query protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    CloudFormation,
    CloudWatch,
}

impl Service {
    /// The prefix of IAM actions.
    const fn name(self) -> &'static str {
        match self {
            Self::CloudFormation => "cloudformation",
            Self::CloudWatch => "cloudwatch",
        }
    }

    /// The name in a signature and in the host.
    const fn signing_name(self) -> &'static str {
        match self {
            Self::CloudFormation => "cloudformation",
            Self::CloudWatch => "monitoring",
        }
    }

    /// The version of the interface, from the service's API reference.
    const fn version(self) -> &'static str {
        match self {
            Self::CloudFormation => "2010-05-15",
            Self::CloudWatch => "2010-08-01",
        }
    }
}

/// The caller's access to the services of one region.
#[derive(Debug)]
pub(crate) struct Aws {
    https: Https,
    credentials: Option<SharedCredentialsProvider>,
    region: String,
    endpoint: Option<String>,
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
    fn is_passing(&self) -> bool {
        self.code.is_empty() || ["Throttl", "ServiceUnavailable"].iter().any(|word| self.code.contains(word))
    }
}

impl fmt::Display for CallFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, code, message } = self;
        match code.as_str() {
            "" => write!(f, "{action} got no response: {message}"),
            code => write!(f, "{action} failed: {code}: {message}"),
        }
    }
}

impl std::error::Error for CallFailed {}

impl Aws {
    /// Calls with the region, credentials and endpoint of `config`.
    pub(crate) fn on(config: &SdkConfig, https: Https) -> Self {
        Self {
            https,
            credentials: config.credentials_provider(),
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            endpoint: config.endpoint_url().map(|url| url.trim_end_matches('/').to_owned()),
        }
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// Calls an operation. The result is the content of its `…Result` element: lists as arrays, everything else as
    /// objects and strings.
    pub(crate) async fn call(
        &self,
        service: Service,
        operation: &str,
        parameters: &[(String, String)],
    ) -> Result<Value, CallFailed> {
        let action = [("Action", operation), ("Version", service.version())];
        let named = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let field = |(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
        let form = action.into_iter().chain(named).map(field).collect::<Vec<String>>().join("&");
        let failed = |code: &str, message: &str| CallFailed {
            action: format!("{}:{operation}", service.name()),
            code: code.to_owned(),
            message: message.to_owned(),
        };
        let result = |answer: Value| answer.get(format!("{operation}Result")).cloned().unwrap_or_default();
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match self.attempt(service, &form, &failed).await {
                Err(error) if error.is_passing() => tokio::time::sleep(pause).await,
                ended => return ended.map(result),
            }
            pause *= 2;
        }
        self.attempt(service, &form, &failed).await.map(result)
    }

    async fn attempt(
        &self,
        service: Service,
        form: &str,
        failed: &impl Fn(&str, &str) -> CallFailed,
    ) -> Result<Value, CallFailed> {
        let credentials = self.credentials.as_ref();
        let credentials = credentials.ok_or_else(|| failed("NoCredentials", "no AWS credentials are set"))?;
        let credentials = credentials.provide_credentials().await;
        let identity = credentials.map_err(|error| failed("NoCredentials", &chain(&error)))?.into();
        let request = self.signed(service, form, &identity);
        let request = request.map_err(|error| failed("Unsigned", &error.to_string()))?;
        let answer = tokio::time::timeout(TIME_OUT, async {
            let answer = self.https.ask(request, CONNECT_TIME_OUT).await;
            let answer = answer.map_err(|error| failed("", &chain(&error)))?;
            let status = answer.status();
            let body = ByteStream::new(answer.into_body()).collect().await;
            let body = body.map_err(|error| failed("", &chain(&error)))?;
            Ok((status, String::from_utf8_lossy(&body.to_vec()).into_owned()))
        });
        let (status, text) = answer.await.map_err(|_| failed("", "timed out"))??;
        let document = xml::read(&text);
        if status.is_success() {
            return document.ok_or_else(|| failed("Unreadable", "the response is not XML"));
        }
        let error = document.unwrap_or_default();
        let error = &error["Error"];
        let code = error["Code"].as_str().map_or_else(|| format!("HTTP{}", status.as_u16()), str::to_owned);
        Err(failed(&code, error["Message"].as_str().unwrap_or_default()))
    }

    fn signed(
        &self,
        service: Service,
        form: &str,
        identity: &aws_smithy_runtime_api::client::identity::Identity,
    ) -> Result<HttpRequest, Box<dyn std::error::Error + Send + Sync>> {
        let region = &self.region;
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let url = match &self.endpoint {
            Some(endpoint) => format!("{endpoint}/"),
            None => format!("https://{}.{region}.{domain}/", service.signing_name()),
        };
        let now = Duration::try_from(SystemClock.now().as_duration())?;
        let signing = v4::SigningParams::builder()
            .identity(identity)
            .region(region)
            .name(service.signing_name())
            .time(UNIX_EPOCH + now)
            .settings(SigningSettings::default())
            .build()?
            .into();
        let kind = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        let body = SignableBody::Bytes(form.as_bytes());
        let signable = SignableRequest::new("POST", &url, [kind].into_iter(), body)?;
        let (instructions, _) = sign(signable, &signing)?.into_parts();
        let request = http::Request::builder().method("POST").uri(&url).header(kind.0, kind.1);
        let mut request = request.body(SdkBody::from(form))?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(HttpRequest::try_from(request)?)
    }
}
