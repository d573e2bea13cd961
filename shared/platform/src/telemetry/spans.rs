use serde_json::{Value, json};

/// A finished span of a trace: something that took time. It contains ids, numbers and reasons, never personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What was done.
    pub name: &'static str,
    /// How it is related to what happened before and after.
    pub kind: SpanKind,
    /// The trace's id, as 32 hexadecimal digits.
    pub trace: String,
    /// The span's own id, as 16 hexadecimal digits.
    pub id: String,
    /// The id of the span that caused it.
    pub parent: String,
    /// When it began, in milliseconds since 1970.
    pub began: i64,
    /// When it ended, in milliseconds since 1970.
    pub ended: i64,
    /// Details, under the names that log lines use.
    pub attributes: Vec<(&'static str, String)>,
}

/// How a span is related to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// It called another system.
    Client = 3,
    /// It sent a message.
    Producer = 4,
    /// It handled a message.
    Consumer = 5,
}

/// Spans of a function as an `ExportTraceServiceRequest` in JSON.
///
/// Source: OpenTelemetry Protocol 1.0, "JSON Protobuf Encoding": ids in hexadecimal, enumerations as numbers, 64-bit
/// numbers as text.
pub(crate) fn otlp(function: &str, spans: &[Span]) -> Value {
    let attribute = |(key, value): &(&str, String)| json!({ "key": key, "value": { "stringValue": value } });
    let span = |span: &Span| {
        json!({
            "traceId": span.trace,
            "spanId": span.id,
            "parentSpanId": span.parent,
            "name": span.name,
            "kind": span.kind as u8,
            "startTimeUnixNano": nanoseconds(span.began),
            "endTimeUnixNano": nanoseconds(span.ended.max(span.began)),
            "attributes": span.attributes.iter().map(attribute).collect::<Vec<_>>(),
        })
    };
    let scope = json!({
        "scope": { "name": "leadstream" },
        "spans": spans.iter().map(span).collect::<Vec<_>>(),
    });
    let resource = json!({ "attributes": [attribute(&("service.name", function.to_owned()))] });
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [scope] }] })
}

fn nanoseconds(milliseconds: i64) -> String {
    (i128::from(milliseconds) * 1_000_000).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Span, SpanKind, otlp};

    #[test]
    fn spans_are_written_as_the_protocol_asks() {
        let span = Span {
            name: "record",
            kind: SpanKind::Consumer,
            trace: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
            id: "00f067aa0ba902b7".to_owned(),
            parent: "b7ad6b7169203331".to_owned(),
            began: 1_700_000_000_001,
            ended: 1_700_000_000_000,
            attributes: vec![("buyer", "buyer-7".to_owned())],
        };
        let expected = json!({
            "resourceSpans": [{
                "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "leadstream-recorder" } }] },
                "scopeSpans": [{
                    "scope": { "name": "leadstream" },
                    "spans": [{
                        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
                        "spanId": "00f067aa0ba902b7",
                        "parentSpanId": "b7ad6b7169203331",
                        "name": "record",
                        "kind": 5,
                        "startTimeUnixNano": "1700000000001000000",
                        "endTimeUnixNano": "1700000000001000000",
                        "attributes": [{ "key": "buyer", "value": { "stringValue": "buyer-7" } }],
                    }],
                }],
            }],
        });
        assert_eq!(
            otlp("leadstream-recorder", &[span]),
            expected,
            "a clock that goes back makes no negative time"
        );
    }
}
