use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::interceptors::InterceptorContext;
use aws_sdk_dynamodb::config::retry::{ClassifyRetry, RetryAction, RetryConfig};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use jiff::Timestamp;

use crate::clock::Deadline;
use crate::endpoints::Endpoints;
use crate::https::{Https, Trust};
use crate::{BadSetting, Settings};

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
    /// Reads the variables that Lambda sets, and for local stacks `SSL_CERT_FILE` and those that name endpoints.
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
        let config = SdkConfig::builder()
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
            )
            .service_config(Endpoints::from_settings(settings)?);
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

/// A retry classifier for `TransactionConflict`: a put, update or transaction that collided with a transaction on the
/// same key. The SDK does not retry it.
///
/// The recorder's put collides with the reactor's claim, which checks the key of the next commit. Such a conflict lasts
/// milliseconds, so it is retried in place with the SDK's own back-off and jitter, like throttling.
/// Source: Amazon DynamoDB Developer Guide, "Transaction conflict handling in DynamoDB".
#[derive(Debug, Clone, Copy, Default)]
pub struct RetryConflicts;

impl ClassifyRetry for RetryConflicts {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else {
            return RetryAction::NoActionIndicated;
        };
        let Some(error) = error.as_operation_error() else {
            return RetryAction::NoActionIndicated;
        };
        if is_conflict(error) { RetryAction::throttling_error() } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "retry transaction conflicts"
    }
}

fn is_conflict(error: &aws_smithy_runtime_api::client::interceptors::context::Error) -> bool {
    use aws_sdk_dynamodb::operation::put_item::PutItemError;
    use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
    use aws_sdk_dynamodb::operation::update_item::UpdateItemError;

    if let Some(error) = error.downcast_ref::<PutItemError>() {
        return error.is_transaction_conflict_exception();
    }
    if let Some(error) = error.downcast_ref::<UpdateItemError>() {
        return error.is_transaction_conflict_exception();
    }
    if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.downcast_ref() {
        // A failed condition is an answer, not a conflict: retry only if every reason is temporary.
        let codes: Vec<&str> =
            canceled.cancellation_reasons().iter().filter_map(|reason| reason.code()).collect();
        return codes.iter().any(|code| is_temporary(code))
            && codes.iter().all(|code| is_temporary(code) || *code == "None");
    }
    false
}

fn is_temporary(code: &str) -> bool {
    matches!(code, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
}
