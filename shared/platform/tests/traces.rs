//! The export of spans to a collector on loopback. Nothing that the collector does may fail the invocation.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::time::Duration;

use platform::https::{Https, Trust};
use platform::telemetry::{Metrics, Span, SpanKind};
use platform::{BadSetting, Settings, Traces};
use serde_json::{Value, json};
use testkit::TestClock;
use testkit::wire::{Answer, Reply, Wire, in_turn};
use tokio::time::timeout;

fn traces(url: &str) -> Result<Traces, BadSetting> {
    let lookup = |name: &str| match name {
        "TRACES_URL" => Some(url.to_owned()),
        "AWS_LAMBDA_FUNCTION_NAME" => Some("leadstream-recorder".to_owned()),
        _ => None,
    };
    Traces::from_settings(&Settings::from_lookup(&lookup), &Https::trusting(Trust::BuiltIn).unwrap())
}

fn one_span() -> Metrics {
    let mut metrics = Metrics::default();
    metrics.spans([Span {
        name: "record",
        kind: SpanKind::Consumer,
        trace: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
        id: "00f067aa0ba902b7".to_owned(),
        parent: "b7ad6b7169203331".to_owned(),
        began: 1,
        ended: 2,
        attributes: Vec::new(),
    }]);
    metrics
}

/// Exports to a collector that answers in this way; returns what it got: method, path, content type and body.
async fn exported(metrics: &Metrics, seconds: i64, answer: Answer) -> Vec<(String, String, String, Value)> {
    let wire = Wire::start(in_turn([answer])).await;
    let clock = TestClock::default();
    let traces = traces(&format!("{}/v1/traces", wire.url())).unwrap();
    traces.export(metrics, clock.deadline_in(seconds), &clock).await;
    let requests = wire.exchanges().into_iter().map(|exchange| exchange.request);
    let seen = |request: testkit::wire::Request| {
        let kind = testkit::wire::header(&request.headers, "content-type").unwrap().to_owned();
        (request.method, request.path, kind, serde_json::from_slice(&request.body).unwrap())
    };
    requests.map(seen).collect()
}

fn taken() -> Answer {
    Answer::Reply(Reply::json(200, &json!({})))
}

#[tokio::test]
async fn spans_are_posted_to_the_collector_in_one_request() {
    let got = exported(&one_span(), 30, taken()).await;
    let [(method, path, kind, body)] = got.as_slice() else { panic!("{got:?}") };
    assert_eq!((method.as_str(), path.as_str(), kind.as_str()), ("POST", "/v1/traces", "application/json"));
    let resource = &body["resourceSpans"][0];
    assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "leadstream-recorder");
    let spans = resource["scopeSpans"][0]["spans"].as_array().unwrap();
    assert_eq!((spans.len(), &spans[0]["name"], &spans[0]["kind"]), (1, &json!("record"), &json!(5)));
}

#[tokio::test]
async fn nothing_is_sent_without_spans_or_without_time() {
    assert_eq!(exported(&Metrics::default(), 30, taken()).await.len(), 0);
    assert_eq!(exported(&one_span(), 1, taken()).await.len(), 0);
}

#[tokio::test]
async fn an_export_ends_after_one_attempt_even_if_the_collector_fails_or_is_silent() {
    for answer in [Answer::Reply(Reply::json(503, &json!({}))), Answer::ResetAfterReading, Answer::Never] {
        let ended = timeout(Duration::from_secs(10), exported(&one_span(), 30, answer)).await;
        assert_eq!(ended.unwrap().len(), 1);
    }
}

#[test]
fn spans_are_sent_only_over_https_or_to_this_machine() {
    for good in ["", "https://collector.example/v1/traces", "http://127.0.0.1:4318/v1/traces"] {
        assert!(traces(good).is_ok(), "{good}");
    }
    for bad in ["http://collector.example/v1/traces", "collector", "http://127.0.0.1.example/"] {
        let error = traces(bad).unwrap_err().to_string();
        assert!(error.contains("TRACES_URL") && error.contains("OTLP"), "{error}");
    }
}
