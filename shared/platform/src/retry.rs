use aws_sdk_dynamodb::config::interceptors::InterceptorContext;
use aws_sdk_dynamodb::config::retry::{ClassifyRetry, RetryAction};

/// Retries what the SDK does not: a put or a transaction that met another transaction on the same key.
///
/// The recorder's put meets the reactor's claim, which checks the key of the next commit. Such a meeting is over in
/// milliseconds; it is retried in place with the SDK's own back-off and jitter, like throttling.
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
        // A failed condition is a decision, not a meeting: retry only if nothing else stood in the way.
        let codes: Vec<&str> =
            canceled.cancellation_reasons().iter().filter_map(|reason| reason.code()).collect();
        return codes.iter().any(|code| is_passing(code))
            && codes.iter().all(|code| is_passing(code) || *code == "None");
    }
    false
}

fn is_passing(code: &str) -> bool {
    matches!(code, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
}
