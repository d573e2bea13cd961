//! SES and SQS.

use std::error::Error;
use std::time::Duration;

use aws_sdk_sesv2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageTag};
use contract::receipt::tag_value;

use super::{Delivery, Outside, SalesMessage, SalesUnavailable};
use crate::mail::Email;
use contract::sha256_hex;

/// How long the one attempt may take. The client must be built with it, and with retries off.
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
    /// SES as `sender` with this configuration set, and the queue of this URL. The SES client is given retries off and
    /// [`SES_TIME_OUT`], whatever it was built with: one call must never send two mails.
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

    async fn tell_sales(&self, message: &SalesMessage) -> Result<(), SalesUnavailable> {
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

/// What an error tells of the mail. Only what is certain counts: anything else is `unknown`.
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
        // The SDK's enum is open: what a later version adds is not certain either.
        SdkError::ResponseError(_) | _ => Delivery::Unknown { reason: "answer cannot be read".to_owned() },
    }
}

/// What a refusal means, by its code; by its message only where one code stands for several things.
///
/// Sources: Amazon SES API v2, `SendEmail`, "Errors", and "Common Error Types"; Amazon SES Developer Guide, "Amazon SES
/// email sending errors" and "Errors related to the sending quotas for your Amazon SES account".
fn after_refusal(error: &SendEmailError) -> Delivery {
    let code = error.code().unwrap_or("unknown error");
    let message = error.message().unwrap_or_default();
    let reason = code.to_owned();
    match code {
        // A configuration set's pause has a code of its own in version 1 of the API, and `SendingPausedException` in
        // version 2 (floci-io/floci#1193).
        _ if code.contains("SendingPaused") || code.contains("Suspended") => Delivery::Paused { reason },
        // A pause by AWS comes like this (GoodDollar/GoodServer#419, hcengineering/platform#8899).
        "MessageRejected" | "BadRequestException" if names_a_pause(message) => {
            Delivery::Paused { reason: "sending paused".to_owned() }
        }
        // The sandbox, or a sender not verified yet, answers with the same code: that passes.
        "MessageRejected" if message.contains("not verified") => {
            Delivery::NotSent { reason: "not verified".to_owned() }
        }
        "BadRequestException"
        | "MessageRejected"
        | "RequestEntityTooLargeException"
        | "ValidationError"
        | "ValidationException" => Delivery::Refused { reason },
        // The quota of 24 hours shares its code with the rate per second, which the next second lifts.
        "TooManyRequestsException" | "Throttling" | "ThrottlingException"
            if names_the_daily_quota(message) =>
        {
            Delivery::Paused { reason: "daily quota used up".to_owned() }
        }
        // One mail to one recipient exceeds no limit but that quota.
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

/// As in "Sending paused for this account." and "Sending suspended for this account." Whole words count: SES's messages
/// name addresses, and `paused@example.com` is no pause.
fn names_a_pause(message: &str) -> bool {
    let mut words = message.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    words.any(|word| ["paused", "suspended"].iter().any(|pause| word.eq_ignore_ascii_case(pause)))
}

/// "Daily message quota exceeded", or "Daily sending quota exceeded" as AWS's Knowledge Center has it.
fn names_the_daily_quota(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("daily") && message.contains("quota")
}

/// Whether the name was not found, the connection refused or timed out, or the hand-shake failed: no request was begun.
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
