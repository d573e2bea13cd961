//! What the recorder reports of each message: a line of its log, metrics, and a span.

use std::error::Error;
use std::sync::{Mutex, PoisonError};

use contract::incoming::IncomingEvent;
use contract::metric;
use contract::trace::TraceParent;
use domain::Sequence;
use platform::clock::Clock;
use platform::telemetry::{Metrics, Span, SpanKind, chain};

use crate::batch::Message;
use crate::decide::Decision;

/// Logs that a message is returned because its dead letter cannot be sent now.
pub(crate) fn report_return(message: &Message, error: &(dyn Error + 'static)) {
    let (event_id, error) = (message.event_id(), chain(error));
    tracing::warn!(
        messageId = message.id,
        eventId = event_id,
        error,
        "this message and later ones are returned"
    );
}

/// Logs and counts the decision on a message. If the message is not a valid event, only the event id in it is logged,
/// so that the sender can search for it.
pub(crate) fn report(
    message: &Message,
    read: Option<&IncomingEvent>,
    decision: &Decision,
    clock: &impl Clock,
    metrics: &Mutex<Metrics>,
) {
    let mut metrics = metrics.lock().unwrap_or_else(PoisonError::into_inner);
    let refused = if read.is_none() { message.event_id() } else { None };
    let event_id = read.map(|incoming| incoming.event.id.as_str()).or(refused.as_deref());
    let id = message.id.as_str();
    let buyer = read.map(|incoming| tracing::field::display(&incoming.buyer));
    let offer = read.map(|incoming| tracing::field::display(&incoming.event.offer));
    let version = read.map(|incoming| incoming.event.version.get());
    let trace = read.and_then(|incoming| incoming.trace).map(|trace| trace.trace_id());
    if let (Some(incoming), Some(sequence)) = (read, decision.sequence()) {
        metrics.spans(span(message, incoming, sequence, clock));
    }
    if let (Some(incoming), Decision::Recorded(_) | Decision::Held(_)) = (read, decision) {
        for field in &incoming.dropped {
            metrics.count(metric::FIELDS_DROPPED, vec![("field", (*field).to_owned())], 1);
            tracing::warn!(
                messageId = id,
                eventId = event_id,
                traceId = trace,
                buyer,
                offer,
                version,
                field,
                "malformed field dropped"
            );
        }
    }
    let mut count = |name| metrics.count(name, vec![], 1);
    match decision {
        Decision::Recorded(sequence) => {
            count(metric::EVENTS_RECORDED);
            let sequence = sequence.get();
            tracing::info!(
                messageId = id,
                eventId = event_id,
                traceId = trace,
                buyer,
                offer,
                version,
                sequence,
                "recorded"
            );
        }
        Decision::Held(sequence) => {
            count(metric::EVENTS_RECORDED);
            count(metric::EVENTS_HELD);
            let sequence = sequence.get();
            tracing::info!(
                messageId = id,
                eventId = event_id,
                traceId = trace,
                buyer,
                offer,
                version,
                sequence,
                "held"
            );
        }
        Decision::Duplicate => {
            count(metric::DUPLICATES);
            tracing::info!(
                messageId = id,
                eventId = event_id,
                traceId = trace,
                buyer,
                offer,
                version,
                "duplicate"
            );
        }
        Decision::Dead(cause) => {
            let reason = cause.reason().name();
            metrics.count(metric::DEAD_LETTERED, vec![("reason", reason.to_owned())], 1);
            tracing::warn!(
                messageId = id,
                eventId = event_id,
                traceId = trace,
                buyer,
                offer,
                version,
                reason,
                "dead letter"
            );
        }
    }
}

/// The span of a recorded event, from its sending to now; `None` if its sender records no spans.
fn span(message: &Message, incoming: &IncomingEvent, sequence: Sequence, clock: &impl Clock) -> Option<Span> {
    let trace = incoming.trace.filter(TraceParent::is_sampled)?;
    let ended = clock.now().as_millisecond();
    Some(Span {
        name: "record",
        kind: SpanKind::Consumer,
        trace: trace.trace_id(),
        id: trace.recorded(&incoming.buyer, sequence).span_id(),
        parent: trace.span_id(),
        began: message.sent_at.as_deref().and_then(|sent| sent.parse().ok()).unwrap_or(ended),
        ended,
        attributes: vec![
            ("eventId", incoming.event.id.to_string()),
            ("buyer", incoming.buyer.to_string()),
            ("offer", incoming.event.offer.to_string()),
            ("version", incoming.event.version.to_string()),
            ("sequence", sequence.to_string()),
        ],
    })
}
