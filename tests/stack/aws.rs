//! The interfaces of AWS that describe a deployed stack, signed and sent one request at a time. An SDK crate for each of
//! these services would take minutes to build, for one or two operations each.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use platform::https::{Https, Trust};
use serde_json::{Value, json};

use crate::Failed;
use crate::xml;

/// The time for one response.
const TIME_OUT: Duration = Duration::from_secs(30);

/// Attempts of a call that AWS throttles or that gets no response.
const ATTEMPTS: u32 = 5;

/// A service without an SDK crate here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// AWS CloudFormation.
    CloudFormation,
    /// Amazon CloudWatch.
    CloudWatch,
    /// Amazon DynamoDB.
    DynamoDb,
    /// Amazon EventBridge.
    Events,
    /// AWS IAM.
    Iam,
    /// AWS Lambda.
    Lambda,
    /// Amazon SES version 2.
    Ses,
    /// Amazon SNS.
    Sns,
    /// Amazon SQS.
    Sqs,
}

impl Service {
    const ALL: [Self; 9] = [
        Self::CloudFormation,
        Self::CloudWatch,
        Self::DynamoDb,
        Self::Events,
        Self::Iam,
        Self::Lambda,
        Self::Ses,
        Self::Sns,
        Self::Sqs,
    ];

    /// The prefix of IAM actions.
    const fn name(self) -> &'static str {
        match self {
            Self::CloudFormation => "cloudformation",
            Self::CloudWatch => "cloudwatch",
            Self::DynamoDb => "dynamodb",
            Self::Events => "events",
            Self::Iam => "iam",
            Self::Lambda => "lambda",
            Self::Ses => "ses",
            Self::Sns => "sns",
            Self::Sqs => "sqs",
        }
    }

    /// The name in a signature, and usually in the host.
    const fn signing_name(self) -> &'static str {
        match self {
            Self::CloudWatch => "monitoring",
            Self::CloudFormation
            | Self::DynamoDb
            | Self::Events
            | Self::Iam
            | Self::Lambda
            | Self::Ses
            | Self::Sns
            | Self::Sqs => self.name(),
        }
    }

    /// The end of the variable that names this service's own endpoint (AWS SDKs and Tools Reference Guide,
    /// "Service-specific endpoints").
    const fn id(self) -> &'static str {
        match self {
            Self::CloudFormation => "CLOUDFORMATION",
            Self::CloudWatch => "CLOUDWATCH",
            Self::DynamoDb => "DYNAMODB",
            Self::Events => "EVENTBRIDGE",
            Self::Iam => "IAM",
            Self::Lambda => "LAMBDA",
            Self::Ses => "SESV2",
            Self::Sns => "SNS",
            Self::Sqs => "SQS",
        }
    }

    /// The API version of the query protocol, from the services' API references.
    const fn version(self) -> &'static str {
        match self {
            Self::CloudFormation => "2010-05-15",
            Self::CloudWatch => "2010-08-01",
            Self::Iam => "2010-05-08",
            Self::Sns => "2010-03-31",
            Self::DynamoDb | Self::Events | Self::Lambda | Self::Ses | Self::Sqs => "",
        }
    }
}

/// Calls AWS, or the endpoint that the environment names, with the caller's credentials.
#[derive(Debug)]
pub struct Aws {
    https: Https,
    credentials: SharedCredentialsProvider,
    region: String,
    endpoint: Option<String>,
    /// Endpoints of single services, which have precedence.
    own: Vec<(Service, String)>,
}

/// Why a call failed.
#[derive(Debug)]
pub struct CallFailed {
    /// The IAM action of the call, for example `iam:GetRolePolicy`.
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
        self.code.is_empty()
            || ["Throttl", "TooManyRequests", "RequestLimitExceeded", "ServiceUnavailable"]
                .iter()
                .any(|word| self.code.contains(word))
    }
}

impl fmt::Display for CallFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, code, message } = self;
        if self.is_denied() {
            write!(f, "these credentials may not call {action}; allow it, or use others ({message})")
        } else if code.is_empty() {
            write!(f, "{action} got no response: {message}")
        } else {
            write!(f, "{action} failed with {code}: {message}")
        }
    }
}

impl std::error::Error for CallFailed {}

impl Aws {
    /// Calls with the region, credentials and endpoint of `config`.
    pub fn on(config: &SdkConfig) -> Result<Self, Failed> {
        let region = config.region().ok_or("no AWS region is set: set AWS_REGION")?;
        if ["cn-", "us-gov-", "us-iso", "eu-isoe-"].iter().any(|other| region.as_ref().starts_with(other)) {
            return Err(
                format!("{region} is of another partition than `aws`, the only one supported here").into()
            );
        }
        let credentials = config.credentials_provider().ok_or("no AWS credentials are set")?;
        Ok(Self {
            https: Https::trusting(Trust::BuiltIn)?,
            credentials,
            region: region.to_string(),
            endpoint: config.endpoint_url().map(str::to_owned),
            own: Self::own_endpoints(|name| std::env::var(name).ok().filter(|value| !value.is_empty())),
        })
    }

    fn own_endpoints(variable: impl Fn(&str) -> Option<String>) -> Vec<(Service, String)> {
        if variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
            .is_some_and(|word| word.eq_ignore_ascii_case("true"))
        {
            return Vec::new();
        }
        let own =
            |service: &Service| Some((*service, variable(&format!("AWS_ENDPOINT_URL_{}", service.id()))?));
        Service::ALL.iter().filter_map(own).collect()
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Whether the calls go to another endpoint than AWS's own.
    #[must_use]
    pub const fn is_emulated(&self) -> bool {
        self.endpoint.is_some() || !self.own.is_empty()
    }

    /// Calls an operation of the query protocol. The result is the content of its `…Result` element: lists as arrays,
    /// everything else as objects and strings.
    pub async fn query(
        &self,
        service: Service,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Value, CallFailed> {
        let mut form = format!("Action={action}&Version={}", service.version());
        for (name, value) in parameters {
            form.extend(["&", name, "="]);
            form.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        }
        let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned())];
        let call = Call { service, action, method: "POST", path: "/", headers: headers.into(), body: form };
        let document =
            xml::read(&self.send(&call).await?).map_err(|error| call.failed("", &error.to_string()))?;
        Ok(document[format!("{action}Result")].clone())
    }

    /// Calls an operation of the JSON protocol; `target` is for example `DynamoDB_20120810.DescribeTable`.
    pub async fn json(&self, service: Service, target: &str, input: &Value) -> Result<Value, CallFailed> {
        let action = target.split('.').next_back().unwrap_or_default();
        let version = if service == Service::Events { "1.1" } else { "1.0" };
        let headers = [
            ("content-type", format!("application/x-amz-json-{version}")),
            ("x-amz-target", target.to_owned()),
        ];
        let body = input.to_string();
        self.parsed(&Call { service, action, method: "POST", path: "/", headers: headers.into(), body }).await
    }

    /// Calls an operation of a REST interface.
    pub async fn rest(
        &self,
        service: Service,
        action: &str,
        (method, path): (&str, &str),
        input: Option<&Value>,
    ) -> Result<Value, CallFailed> {
        let headers = input.map(|_| ("content-type", "application/json".to_owned())).into_iter().collect();
        let body = input.map(ToString::to_string).unwrap_or_default();
        self.parsed(&Call { service, action, method, path, headers, body }).await
    }

    /// The JSON of the answer; an empty object if it has no body.
    async fn parsed(&self, call: &Call<'_>) -> Result<Value, CallFailed> {
        let text = self.send(call).await?;
        if text.trim().is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_str(&text).map_err(|error| call.failed("", &error.to_string()))
    }

    async fn send(&self, call: &Call<'_>) -> Result<String, CallFailed> {
        let mut pause = Duration::from_millis(200);
        for _ in 1..ATTEMPTS {
            match self.attempt(call).await {
                Err(error) if error.is_passing() => tokio::time::sleep(pause).await,
                ended => return ended,
            }
            pause *= 3;
        }
        self.attempt(call).await
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<String, CallFailed> {
        let unsent = |error: Failed| call.failed("", &error.to_string());
        let request = self.signed(call).await.map_err(unsent)?;
        let answering = self.https.ask(request, Duration::from_secs(5));
        let answer = tokio::time::timeout(TIME_OUT, answering)
            .await
            .map_err(|_| call.failed("", "no response within 30 seconds"))?
            .map_err(|error| call.failed("", &platform::telemetry::chain(&error)))?;
        let status = answer.status();
        let kind = answer.headers().get("x-amzn-errortype").unwrap_or_default().to_owned();
        let bytes = aws_smithy_types::byte_stream::ByteStream::new(answer.into_body()).collect().await;
        let bytes = bytes.map_err(|error| call.failed("", &error.to_string()))?.to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if status.is_success() {
            return Ok(text);
        }
        let error = serde_json::from_str(&text).or_else(|_| xml::read(&text)).unwrap_or_else(|_| json!({}));
        let error = error.get("Error").unwrap_or(&error);
        let field = |names: &[&str]| {
            names.iter().find_map(|name| error[*name].as_str()).unwrap_or_default().to_owned()
        };
        let code = if kind.is_empty() { field(&["__type", "Code", "code"]) } else { kind };
        let code = code.split(':').next().unwrap_or_default();
        let code = code.rsplit('#').next().filter(|code| !code.is_empty());
        let code = code.map_or_else(|| format!("HTTP{}", status.as_u16()), str::to_owned);
        Err(call.failed(&code, &field(&["Message", "message"])))
    }

    async fn signed(&self, call: &Call<'_>) -> Result<HttpRequest, Failed> {
        let Call { service, method, path, ref headers, ref body, .. } = *call;
        // IAM has one endpoint, in us-east-1 (AWS General Reference, "IAM endpoints and quotas").
        let region = if service == Service::Iam { "us-east-1" } else { &self.region };
        let own = self.own.iter().find(|(of, _)| *of == service).map(|(_, url)| url);
        let base = match (own.or(self.endpoint.as_ref()), service) {
            (Some(endpoint), _) => endpoint.trim_end_matches('/').to_owned(),
            (None, Service::Iam) => "https://iam.amazonaws.com".to_owned(),
            (None, Service::Ses) => format!("https://email.{region}.amazonaws.com"),
            (None, other) => format!("https://{}.{region}.amazonaws.com", other.signing_name()),
        };
        let url = format!("{base}{path}");
        let identity = self.credentials.provide_credentials().await?.into();
        let signing = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service.signing_name())
            .time(SystemTime::now())
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

/// One call before it is signed.
struct Call<'a> {
    service: Service,
    action: &'a str,
    method: &'a str,
    path: &'a str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Call<'_> {
    fn failed(&self, code: &str, message: &str) -> CallFailed {
        let action = format!("{}:{}", self.service.name(), self.action);
        CallFailed { action, code: code.to_owned(), message: message.to_owned() }
    }
}

#[cfg(test)]
mod tests_of_endpoints {
    use super::{Aws, Service};

    #[test]
    fn single_services_may_have_endpoints_of_their_own() {
        let sqs = "http://127.0.0.1:1".to_owned();
        let own = Aws::own_endpoints(|name| (name == "AWS_ENDPOINT_URL_SQS").then(|| sqs.clone()));
        assert_eq!(own, [(Service::Sqs, sqs.clone())]);
        let ignored = Aws::own_endpoints(|name| match name {
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" => Some("true".to_owned()),
            _ => Some(sqs.clone()),
        });
        assert_eq!(ignored, []);
    }
}
