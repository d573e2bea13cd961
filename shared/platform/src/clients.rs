use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use jiff::Timestamp;

use crate::clock::Deadline;
use crate::https::{Https, Trust};
use crate::{BadSetting, RetryConflicts, Settings};

/// The number of attempts per call, with the SDK's back-off and jitter between them.
const ATTEMPTS: u32 = 4;

/// The time limit of one attempt.
const ATTEMPT: Duration = Duration::from_millis(1500);

/// The time limit of a call with all its attempts. No call is started unless slightly more than this is left of the
/// invocation.
const CALL: Duration = Duration::from_secs(5);

/// Region, credentials and endpoint of AWS, and the HTTPS client that all AWS clients share.
#[derive(Debug, Clone)]
pub struct Access {
    config: SdkConfig,
    https: Https,
}

impl Access {
    /// Reads the variables that Lambda sets, and `AWS_ENDPOINT_URL` and `SSL_CERT_FILE`, which are for local stacks.
    ///
    /// # Errors
    /// [`BadSetting`] if a variable is missing or invalid.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, BadSetting> {
        let credentials = Credentials::new(
            settings.required("AWS_ACCESS_KEY_ID", "set by Lambda")?,
            settings.required("AWS_SECRET_ACCESS_KEY", "set by Lambda")?,
            settings.optional("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        let trust = match settings.optional("SSL_CERT_FILE") {
            Some(file) => Trust::File(file.into()),
            None => Trust::BuiltIn,
        };
        let https = Https::trusting(trust).map_err(|_| BadSetting::Invalid {
            name: "SSL_CERT_FILE",
            rule: "the path of a PEM file with certificates, or absent",
        })?;
        let mut config = SdkConfig::builder()
            .http_client(https.clone())
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .region(Region::new(settings.required("AWS_REGION", "an AWS region")?))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(ATTEMPT)
                    .operation_attempt_timeout(ATTEMPT)
                    .operation_timeout(CALL)
                    .build(),
            );
        if settings.optional("AWS_ENDPOINT_URL").is_some() {
            config = config.endpoint_url(settings.url("AWS_ENDPOINT_URL")?);
        }
        Ok(Self { config: config.build(), https })
    }

    /// The configuration from which AWS clients are built.
    #[must_use]
    pub const fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// HTTPS client for everything except AWS.
    #[must_use]
    pub const fn https(&self) -> &Https {
        &self.https
    }

    /// A DynamoDB client that also retries `TransactionConflict`.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let config =
            aws_sdk_dynamodb::config::Builder::from(&self.config).retry_classifier(RetryConflicts).build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }
}

/// Converts Lambda's deadline, in milliseconds since 1970, to a [`Deadline`].
#[must_use]
pub fn deadline_of(milliseconds: u64) -> Deadline {
    let moment = i64::try_from(milliseconds).ok().and_then(|value| Timestamp::from_millisecond(value).ok());
    Deadline::at(moment.unwrap_or(Timestamp::MAX))
}
