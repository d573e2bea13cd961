//! The meaning of each SES refusal for the e-mail and for the e-mails after it.
//!
//! Sources: Amazon SES API v2, `SendEmail`, "Errors", and "Common Error Types"; Amazon SES Developer Guide, "Amazon SES
//! email sending errors". The messages are AWS's own, as found in public reports.

use effects::outside::Delivery::{self, NotSent, Paused, Refused, Unknown};
use testkit::strict::Service;
use testkit::wire::{Answer, Reply};

use crate::ses::assert_delivery;

type Outcome = fn(String) -> Delivery;

const NOT_SENT: Outcome = |reason| NotSent { reason };
const PAUSED: Outcome = |reason| Paused { reason };
const REFUSED: Outcome = |reason| Refused { reason };
const UNKNOWN: Outcome = |reason| Unknown { reason };

/// HTTP status, error code, and the outcome if only the code matters.
const BY_CODE: [(u16, &str, Outcome); 42] = [
    // The errors that the model lists for `SendEmail`.
    (400, "AccountSuspendedException", PAUSED),
    (400, "BadRequestException", REFUSED),
    (400, "LimitExceededException", PAUSED),
    (400, "MailFromDomainNotVerifiedException", NOT_SENT),
    (400, "MessageRejected", REFUSED),
    (404, "NotFoundException", NOT_SENT),
    (400, "SendingPausedException", PAUSED),
    (429, "TooManyRequestsException", NOT_SENT),
    // The same errors as version 1 of the API names them.
    (400, "AccountSendingPausedException", PAUSED),
    (400, "ConfigurationSetSendingPausedException", PAUSED),
    (400, "AccountSuspended", PAUSED),
    (400, "TenantSuspendedException", PAUSED),
    // Errors common to all AWS services.
    (400, "Throttling", NOT_SENT),
    (400, "ThrottlingException", NOT_SENT),
    (403, "AccessDenied", NOT_SENT),
    (403, "AccessDeniedException", NOT_SENT),
    (401, "NotAuthorized", NOT_SENT),
    (403, "OptInRequired", NOT_SENT),
    (403, "UnrecognizedClientException", NOT_SENT),
    (403, "InvalidClientTokenId", NOT_SENT),
    (403, "ExpiredToken", NOT_SENT),
    (403, "ExpiredTokenException", NOT_SENT),
    (400, "RequestExpired", NOT_SENT),
    (403, "IncompleteSignature", NOT_SENT),
    (403, "IncompleteSignatureException", NOT_SENT),
    (403, "InvalidSignatureException", NOT_SENT),
    (403, "MissingAuthenticationToken", NOT_SENT),
    (403, "MissingAuthenticationTokenException", NOT_SENT),
    (403, "SignatureDoesNotMatch", NOT_SENT),
    (404, "UnknownOperationException", NOT_SENT),
    (400, "ValidationError", REFUSED),
    (400, "ValidationException", REFUSED),
    (413, "RequestEntityTooLargeException", REFUSED),
    (400, "MalformedHttpRequestException", UNKNOWN),
    (400, "RequestAbortedException", UNKNOWN),
    (408, "RequestTimeoutException", UNKNOWN),
    (500, "InternalFailure", UNKNOWN),
    (500, "InternalServiceErrorException", UNKNOWN),
    (503, "ServiceUnavailable", UNKNOWN),
    (503, "ServiceUnavailableException", UNKNOWN),
    // Undocumented codes.
    (400, "SomethingNew", UNKNOWN),
    (500, "SomethingNew", UNKNOWN),
];

#[tokio::test]
async fn each_ses_error_code_has_its_outcome_and_is_the_reason() {
    for (status, code, outcome) in BY_CODE {
        assert_delivery(Answer::Reply(Reply::refusal(status, code, "no")), outcome(code.to_owned())).await;
    }
}

#[test]
fn every_error_of_the_model_is_in_the_table() {
    let errors: Vec<&str> = Service::Ses.errors_of("SendEmail").collect();
    assert_eq!(errors.len(), 8);
    for error in errors {
        assert!(BY_CODE.iter().any(|(_, code, _)| *code == error), "{error}");
    }
}

#[tokio::test]
async fn the_message_decides_if_a_code_has_several_meanings() {
    let see =
        "For more information, please check the inbox of the email address associated with your AWS account.";
    for (status, code, message, outcome, reason) in [
        (400, "MessageRejected", format!("Sending paused for this account. {see}"), PAUSED, "sending paused"),
        (400, "MessageRejected", format!("Sending suspended for this account. {see}"), PAUSED, "sending paused"),
        (400, "MessageRejected", "Account is paused".to_owned(), PAUSED, "sending paused"),
        (
            400,
            "BadRequestException",
            "Sending is paused for configuration set leadstream".to_owned(),
            PAUSED,
            "sending paused",
        ),
        (
            400,
            "MessageRejected",
            "Email address is not verified. The following identities failed the check in region US-EAST-1: \
             paused@example.com, ada.canary@example.com"
                .to_owned(),
            NOT_SENT,
            "not verified",
        ),
        (400, "MessageRejected", "Address blacklisted: suspended@example.com".to_owned(), REFUSED, "MessageRejected"),
        (
            429,
            "TooManyRequestsException",
            "Maximum sending rate exceeded.".to_owned(),
            NOT_SENT,
            "TooManyRequestsException",
        ),
        (429, "TooManyRequestsException", "Daily message quota exceeded.".to_owned(), PAUSED, "daily quota used up"),
        (400, "ThrottlingException", "Daily message quota exceeded".to_owned(), PAUSED, "daily quota used up"),
        (400, "Throttling", "Daily sending quota exceeded".to_owned(), PAUSED, "daily quota used up"),
        (400, "ThrottlingException", "Maximum sending rate exceeded".to_owned(), NOT_SENT, "ThrottlingException"),
        (
            400,
            "LimitExceededException",
            "Daily message quota exceeded.".to_owned(),
            PAUSED,
            "LimitExceededException",
        ),
        (
            403,
            "AccessDeniedException",
            "User `arn:aws:sts::111122223333:assumed-role/stack-ReactorRole/stack-reactor' is not authorized to \
             perform `ses:SendEmail' on resource `arn:aws:ses:us-east-1:111122223333:identity/recipient@example.com'"
                .to_owned(),
            NOT_SENT,
            "AccessDeniedException",
        ),
    ] {
        assert_delivery(Answer::Reply(Reply::refusal(status, code, &message)), outcome(reason.to_owned())).await;
    }
}
