use aws_sdk_dynamodb::config::interceptors::InterceptorContext;
use aws_sdk_dynamodb::config::retry::{ClassifyRetry, RetryAction};

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
