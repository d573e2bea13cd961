use std::fmt;
use std::sync::{Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The key of Lambda's request id, in the runtime's span and in our log lines.
pub(crate) const REQUEST_ID: &str = "requestId";

/// The request id of the current invocation. An execution environment has at most one invocation at a time.
static RUNNING: Mutex<Option<String>> = Mutex::new(None);

/// The request id of the current invocation; `None` while the function starts and between invocations.
pub(crate) fn request_id() -> Option<String> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn set(request_id: Option<String>) {
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = request_id;
}

/// A layer that records the current invocation's request id. It takes it from the span that `lambda_runtime` opens
/// around each invocation, including the runtime's own handling of errors and panics
/// (`lambda_runtime::layers::TracingLayer`).
pub(crate) struct Invocations;

/// Whether a span or event is an invocation's span.
pub(crate) fn is_invocation(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.fields().field(REQUEST_ID).is_some()
}

impl<S: Subscriber> Layer<S> for Invocations {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        attributes.record(&mut RequestId);
    }

    fn on_close(&self, _: Id, _: Context<'_, S>) {
        set(None);
    }
}

struct RequestId;

impl Visit for RequestId {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == REQUEST_ID {
            set(Some(value.to_owned()));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
