//! Sends e-mails through SES and sales messages through SQS.

use std::error::Error;
use std::time::Duration;

use aws_sdk_sesv2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageTag};
use contract::receipt::tag_value;

use super::{Delivery, Outside, SalesMessage, SalesUnavailable};
use crate::mail::Email;
use contract::sha256_hex;

/// The time limit of the one attempt to send an e-mail.
pub const SES_TIME_OUT: Duration = Duration::from_secs(8);

/// SES and the sales team's queue.
#[derive(Debug, Clone)]
pub struct AwsOutside {
    ses: aws_sdk_sesv2::Client,
    sqs: aws_sdk_sqs::Client,
    queue_url: String,
    sender: String,
    configuration_set: String,
}

impl AwsOutside {
    /// Sends e-mails as `sender` with this configuration set, and sales messages to the queue at this URL. Retries of
    /// the SES client are switched off and its time-out is set to [`SES_TIME_OUT`], however it was built, because one
    /// call must never send two e-mails.
    #[must_use]
    pub fn new(
        ses: &aws_sdk_sesv2::Client,
        sqs: aws_sdk_sqs::Client,
        queue_url: String,
        sender: String,
        configuration_set: String,
    ) -> Self {
        use aws_sdk_sesv2::config::retry::RetryConfig;
        use aws_sdk_sesv2::config::timeout::TimeoutConfig;
        let once = ses
            .config()
            .to_builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(SES_TIME_OUT).build())
            .build();
        Self { ses: aws_sdk_sesv2::Client::from_conf(once), sqs, queue_url, sender, configuration_set }
    }
}

impl Outside for AwsOutside {
    async fn send_email(&self, email: &Email) -> Delivery {
        let text = |data: &str| Content::builder().data(data).charset("UTF-8").build();
        let content = || -> Result<EmailContent, aws_sdk_sesv2::error::BuildError> {
            let body = Body::builder().text(text(&email.text)?).html(text(&email.html)?).build();
            let message = Message::builder().subject(text(email.subject)?).body(body).build();
            Ok(EmailContent::builder().simple(message).build())
        };
        let tags = || {
            email
                .tags
                .iter()
                .map(|(name, value)| MessageTag::builder().name(*name).value(tag_value(value)).build())
                .collect::<Result<Vec<_>, _>>()
        };
        let (Ok(content), Ok(tags)) = (content(), tags()) else {
            return Delivery::NotSent { reason: "request cannot be built".to_owned() };
        };
        let answer = self
            .ses
            .send_email()
            .from_email_address(&self.sender)
            .destination(Destination::builder().to_addresses(&email.to).build())
            .configuration_set_name(&self.configuration_set)
            .set_email_tags(Some(tags))
            .content(content)
            .send()
            .await;
        match answer {
            Ok(sent) => match sent.message_id() {
                Some(message_id) => Delivery::Accepted { message_id: message_id.to_owned() },
                None => Delivery::Unknown { reason: "answer without a message id".to_owned() },
            },
            Err(error) => delivery_after(&error),
        }
    }

    async fn notify_sales(&self, message: &SalesMessage) -> Result<(), SalesUnavailable> {
        self.sqs
            .send_message()
            .queue_url(&self.queue_url)
            .message_group_id(message.buyer.as_str())
            .message_deduplication_id(sha256_hex(&message.effect_id))
            .message_body(&message.body)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| SalesUnavailable {
                effect_id: message.effect_id.clone(),
                source: Box::new(error),
            })
    }
}

/// The result of an attempt that ended in an error. If it is not certain that nothing was sent, the result is
/// `Unknown`.
fn delivery_after<R>(error: &SdkError<SendEmailError, R>) -> Delivery {
    match error {
        SdkError::ServiceError(answer) => after_refusal(answer.err()),
        SdkError::ConstructionFailure(_) => {
            Delivery::NotSent { reason: "request cannot be built".to_owned() }
        }
        SdkError::DispatchFailure(failure) => {
            if failure.as_connector_error().is_some_and(|error| has_never_connected(error)) {
                Delivery::NotSent { reason: "no connection".to_owned() }
            } else {
                Delivery::Unknown { reason: "connection broken".to_owned() }
            }
        }
        SdkError::TimeoutError(_) => Delivery::Unknown { reason: "timed out".to_owned() },
        // The SDK's enum is non-exhaustive, and a variant added later is not certain either.
        SdkError::ResponseError(_) | _ => Delivery::Unknown { reason: "answer cannot be read".to_owned() },
    }
}

/// The result of an attempt that SES refused. It depends on the error code, and on the message only if one code has
/// several meanings.
///
/// Sources: Amazon SES API v2, `SendEmail`, "Errors", and "Common Error Types"; Amazon SES Developer Guide, "Amazon SES
/// email sending errors" and "Errors related to the sending quotas for your Amazon SES account".
fn after_refusal(error: &SendEmailError) -> Delivery {
    let code = error.code().unwrap_or("unknown error");
    let message = error.message().unwrap_or_default();
    let reason = code.to_owned();
    match code {
        // The pause of a configuration set has its own code in version 1 of the API, and `SendingPausedException` in
        // version 2 (floci-io/floci#1193).
        _ if code.contains("SendingPaused") || code.contains("Suspended") => Delivery::Paused { reason },
        // AWS reports a pause of the account this way (GoodDollar/GoodServer#419, hcengineering/platform#8899).
        "MessageRejected" | "BadRequestException" if names_a_pause(message) => {
            Delivery::Paused { reason: "sending paused".to_owned() }
        }
        // The sandbox and a sender that is not verified yet cause the same code; both are temporary.
        "MessageRejected" if message.contains("not verified") => {
            Delivery::NotSent { reason: "not verified".to_owned() }
        }
        "BadRequestException"
        | "MessageRejected"
        | "RequestEntityTooLargeException"
        | "ValidationError"
        | "ValidationException" => Delivery::Refused { reason },
        // The 24-hour quota has the same code as the rate per second, but only the latter is lifted within a second.
        "TooManyRequestsException" | "Throttling" | "ThrottlingException"
            if names_the_daily_quota(message) =>
        {
            Delivery::Paused { reason: "daily quota used up".to_owned() }
        }
        // An e-mail to one recipient can exceed no other limit than that quota.
        "LimitExceededException" => Delivery::Paused { reason },
        "TooManyRequestsException"
        | "Throttling"
        | "ThrottlingException"
        | "MailFromDomainNotVerifiedException"
        | "NotFoundException"
        | "AccessDenied"
        | "AccessDeniedException"
        | "NotAuthorized"
        | "OptInRequired"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "SignatureDoesNotMatch"
        | "UnknownOperationException" => Delivery::NotSent { reason },
        _ => Delivery::Unknown { reason },
    }
}

/// Whether a message reports a pause, like "Sending paused for this account." and "Sending suspended for this account."
/// Only whole words count, because SES's messages contain addresses, and `paused@example.com` is not a pause.
fn names_a_pause(message: &str) -> bool {
    let mut words = message.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    words.any(|word| ["paused", "suspended"].iter().any(|pause| word.eq_ignore_ascii_case(pause)))
}

/// Whether a message reports the daily quota: "Daily message quota exceeded", or "Daily sending quota exceeded" as in
/// AWS's Knowledge Center.
fn names_the_daily_quota(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("daily") && message.contains("quota")
}

/// Whether no request was ever sent, because the name was not found, the connection was refused or timed out, or the TLS
/// handshake failed.
fn has_never_connected(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let http = error.downcast_ref::<hyper_util::client::legacy::Error>();
        if http.is_some_and(hyper_util::client::legacy::Error::is_connect) {
            return true;
        }
        cause = error.source();
    }
    false
}
