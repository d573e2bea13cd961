//! How an advance ended, and its report: log lines, metrics and spans.

use contract::metric;
use contract::trace::TraceParent;
use domain::{BuyerId, Effect, Sequence};
use jiff::Timestamp;
use leads_store::Outcome;
use platform::telemetry::{Metrics, Span, SpanKind};

/// How an advance ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advanced {
    /// The sequence number through which all effects are settled.
    pub through: Sequence,
    /// Why some effects must be tried again later; `None` if all are settled.
    pub behind: Option<String>,
    /// Whether the buyer is behind only because sales messages are paused.
    pub is_paused: bool,
    /// The settled effects in order. A message that was sent twice, under the same id, appears twice.
    pub performed: Vec<Performed>,
}

/// An effect that was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Performed {
    /// The effect.
    pub effect: Effect,
    /// The sender's id of the event that called for the effect; `None` if another fact called for it.
    pub event_id: Option<String>,
    /// Where that event was recorded in a trace; `None` if its sender gave no trace.
    pub trace: Option<TraceParent>,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether this look settled it. Otherwise another worker, a receipt or an earlier look has settled and counted it.
    pub is_ours: bool,
    /// When its commit was recorded.
    pub recorded_at: Timestamp,
}

impl Advanced {
    /// Logs and counts each effect, and logs whether the buyer is settled or behind.
    pub fn report(&self, buyer: &BuyerId, now: Timestamp, metrics: &mut Metrics) {
        for performed in &self.performed {
            let (kind, outcome) = (performed.effect.kind.name(), performed.outcome.name());
            metrics.count(
                metric::EFFECTS,
                vec![("kind", kind.to_owned()), ("outcome", outcome.to_owned())],
                1,
            );
            let lag = now.duration_since(performed.recorded_at).as_millis();
            metrics.longest(metric::FEED_LAG, u64::try_from(lag).unwrap_or_default());
            if performed.effect.kind.is_email() && performed.outcome == Outcome::Rejected && performed.is_ours
            {
                metrics.count_for_stack(metric::EMAILS_REJECTED, 1);
            }
            let (effect, sequence) = (performed.effect.key(), performed.effect.sequence.get());
            let event_id = performed.event_id.as_deref();
            let trace = performed.trace.map(|trace| trace.trace_id());
            tracing::info!(%buyer, effect, sequence, eventId = event_id, traceId = trace, outcome, "effect");
            metrics.spans(performed.span(buyer, now));
        }
        let through = self.through.get();
        match &self.behind {
            None => tracing::info!(%buyer, through, "settled"),
            Some(reason) if self.is_paused => tracing::info!(%buyer, through, reason, "behind"),
            Some(reason) => {
                metrics.count(metric::BUYERS_BEHIND, vec![], 1);
                tracing::warn!(%buyer, through, reason, "behind");
            }
        }
    }
}

impl Performed {
    /// The span of the effect, from its commit to now; `None` if the sender of its event records no spans.
    fn span(&self, buyer: &BuyerId, now: Timestamp) -> Option<Span> {
        let recorded = self.trace.filter(TraceParent::is_sampled)?;
        let kind = &self.effect.kind;
        Some(Span {
            name: kind.name(),
            kind: if kind.is_email() { SpanKind::Client } else { SpanKind::Producer },
            trace: recorded.trace_id(),
            id: recorded.effect(buyer, &self.effect).span_id(),
            parent: recorded.span_id(),
            began: self.recorded_at.as_millisecond(),
            ended: now.as_millisecond(),
            attributes: vec![
                ("buyer", buyer.to_string()),
                ("sequence", self.effect.sequence.to_string()),
                ("effect", self.effect.key()),
                ("outcome", self.outcome.name().to_owned()),
            ],
        })
    }
}
