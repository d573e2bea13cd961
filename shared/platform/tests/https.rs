//! Tests on loopback connections: which servers are trusted, and how failed requests are classified.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use platform::https::{Https, Trust};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use testkit::wire::{Answer, Reply, Wire, in_turn};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const CONNECT_TIMEOUT: Duration = Duration::from_millis(200);

async fn status_of(https: &Https, url: &str) -> Result<u16, ConnectorError> {
    let request = HttpRequest::get(url).unwrap();
    https.ask(request, CONNECT_TIMEOUT).await.map(|answer| answer.status().as_u16())
}

async fn failure(url: &str) -> ConnectorError {
    status_of(&Https::trusting(Trust::BuiltIn).unwrap(), url).await.unwrap_err()
}

/// Starts a TLS server with a self-signed certificate that answers each connection once. Returns the certificate in PEM
/// and the server's URL.
async fn self_signed_server() -> (String, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust the certificate aborts the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        }
    });
    (cert.pem(), url)
}

#[tokio::test]
async fn only_trusted_servers_get_requests() {
    let (pem, url) = self_signed_server().await;
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("self-signed.pem");
    std::fs::write(&file, pem).unwrap();
    assert_eq!(status_of(&Https::trusting(Trust::File(file)).unwrap(), &url).await.unwrap(), 204);

    let error = failure(&url).await;
    assert!(error.is_io(), "{error:?}");
}

#[tokio::test]
async fn a_slow_handshake_is_a_timeout() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let error = failure(&format!("https://{}", listener.local_addr().unwrap())).await;
    assert!(error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn connection_errors_and_truncated_responses_are_different_errors() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let nowhere = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert!(failure(&nowhere).await.is_io());

    let wire = Wire::start(in_turn([Answer::ResetAfterReading])).await;
    assert!(failure(wire.url()).await.is_io());

    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
    });
    let error = failure(&url).await;
    assert!(error.as_other().is_some(), "{error:?}");
}

#[tokio::test]
async fn an_invalid_request_is_not_sent() {
    let https = Https::trusting(Trust::BuiltIn).unwrap();
    let wire = Wire::start(in_turn([Answer::Reply(Reply::json(200, &json!({})))])).await;
    assert_eq!(status_of(&https, wire.url()).await.unwrap(), 200);
    assert!(status_of(&https, "ftp://127.0.0.1/").await.is_err());
    assert_eq!(wire.exchanges().len(), 1);
}
