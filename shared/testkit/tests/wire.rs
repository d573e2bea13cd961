//! The guarantees of [`Wire`] that other tests rely on. The client here is a plain socket without retries or pooling.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::io::ErrorKind;
use std::time::Duration;

use serde_json::json;
use testkit::wire::{Answer, Reply, Wire, in_turn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PUT: &str =
    "POST / HTTP/1.1\r\nX-Amz-Target: Nowhere_20120810.PutItem\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
const CHUNKED: &str =
    "POST /mails?x=1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";

fn ok() -> Reply {
    Reply::json(200, &json!({ "is": "ok" }))
}

async fn connect(wire: &Wire) -> TcpStream {
    TcpStream::connect(wire.url().trim_start_matches("http://")).await.unwrap()
}

/// Sends a request and reads a response whose body ends in `}`.
async fn exchange(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with('}') {
        let mut part = [0; 1024];
        let length = stream.read(&mut part).await.unwrap();
        assert_ne!(length, 0, "the connection ended after {answer:?}");
        answer.push_str(std::str::from_utf8(part.get(..length).unwrap()).unwrap());
    }
    answer
}

#[tokio::test]
async fn every_request_on_a_connection_is_recorded_chunked_or_not() {
    let wire = Wire::start(in_turn([Answer::Reply(ok())])).await;
    let mut stream = connect(&wire).await;
    for request in [PUT, CHUNKED, PUT] {
        let answer = exchange(&mut stream, request).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n{\"is\":\"ok\"}"),
            "{answer}"
        );
    }
    assert_eq!(wire.operations(), ["PutItem", "/mails?x=1", "PutItem"]);
    for exchange in wire.exchanges() {
        assert_eq!(exchange.request.json(), json!({ "a": 1 }));
        assert_eq!(exchange.reply, Some(ok()));
    }
}

#[tokio::test]
async fn answers_follow_the_script_and_the_last_one_repeats() {
    let error = || Answer::Reply(Reply::error(400, "ThrottlingException"));
    let wire = Wire::start(in_turn([error(), error(), Answer::Reply(ok())])).await;
    let mut stream = connect(&wire).await;
    for status in ["400", "400", "200", "200"] {
        assert!(exchange(&mut stream, PUT).await.starts_with(&format!("HTTP/1.1 {status} ")));
    }
}

#[tokio::test]
async fn the_script_changes_what_is_forwarded_but_not_what_is_recorded() {
    let upstream = Wire::start(in_turn([Answer::Reply(ok())])).await;
    let url = upstream.url().to_owned();
    let wire = Wire::start(move |request| {
        request.body = json!({ "b": 2 }).to_string().into_bytes();
        Answer::Forward(url.clone())
    })
    .await;
    assert!(exchange(&mut connect(&wire).await, PUT).await.ends_with("{\"is\":\"ok\"}"));
    let (recorded, forwarded) = (wire.exchanges().remove(0), upstream.exchanges().remove(0));
    assert_eq!((recorded.request.json(), recorded.request.operation()), (json!({ "a": 1 }), "PutItem"));
    assert_eq!((forwarded.request.json(), forwarded.request.operation()), (json!({ "b": 2 }), "PutItem"));
    assert_eq!(recorded.reply.unwrap().body, ok().body);
}

#[tokio::test]
async fn forward_then_reset_reaches_the_upstream_and_resets_the_connection() {
    let upstream = Wire::start(in_turn([Answer::Reply(ok())])).await;
    let wire = Wire::start(in_turn([Answer::ForwardThenReset(upstream.url().to_owned())])).await;
    let mut stream = connect(&wire).await;
    stream.write_all(PUT.as_bytes()).await.unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(upstream.operations(), ["PutItem"]);
    assert_eq!(wire.exchanges().remove(0).reply.unwrap().body, ok().body);
}

#[tokio::test]
async fn reset_after_reading_resets_without_an_answer() {
    let wire = Wire::start(in_turn([Answer::ResetAfterReading])).await;
    let mut stream = connect(&wire).await;
    stream.write_all(CHUNKED.as_bytes()).await.unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let exchange = wire.exchanges().remove(0);
    assert_eq!((exchange.request.json(), exchange.reply), (json!({ "a": 1 }), None));
}

#[tokio::test]
async fn never_stays_silent_until_the_wire_is_dropped() {
    let wire = Wire::start(in_turn([Answer::Never])).await;
    let mut stream = connect(&wire).await;
    stream.write_all(PUT.as_bytes()).await.unwrap();
    let silence = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut [0; 1])).await;
    assert!(silence.is_err(), "{silence:?}");
    assert_eq!(wire.operations(), ["PutItem"]);
    drop(wire);
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn an_unreachable_upstream_is_a_502() {
    let gone = Wire::start(in_turn([Answer::Never])).await.url().to_owned();
    let wire = Wire::start(in_turn([Answer::Forward(gone)])).await;
    assert!(exchange(&mut connect(&wire).await, PUT).await.starts_with("HTTP/1.1 502 "));
}
