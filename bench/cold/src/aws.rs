//! AWS as far as a starting recorder uses it: a table in a DynamoDB engine and a queue that takes every message. A
//! proxy in front of them forwards the bytes, with or without TLS, and counts connections.
//!
//! The certificates for loopback are made for each run. They have the shape of those of AWS's endpoints: a chain of RSA
//! keys whose root the client finds among all others that the system trusts.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use dynoxide::Database;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256, RsaKeySize,
};
use serde_json::{Value, json};
use testkit::wire::{Answer, Reply, Wire};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// The name of the streams table.
pub(crate) const STREAMS: &str = "streams";

/// The protocol over which AWS is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// Plain HTTP.
    Plain,
    /// HTTPS.
    Tls,
}

impl Line {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "TLS",
        }
    }
}

/// A moment in the traffic: the requests and connections before it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mark {
    requests: usize,
    connections: u64,
}

/// The traffic to AWS between two moments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// The operations requested, as in `["Query", "PutItem"]`.
    pub(crate) operations: Vec<String>,
    /// The number of connections opened.
    pub(crate) connections: u64,
}

/// An AWS for one process.
pub(crate) struct Aws {
    wire: Wire,
    url: String,
    certificates: PathBuf,
    opened: Arc<AtomicU64>,
    serving: [JoinHandle<()>; 2],
}

impl Aws {
    /// Starts an AWS with an empty table. The file `trusted` contains the root certificates for its client.
    pub(crate) async fn start(
        line: Line,
        certificates: &Certificates,
        trusted: &Path,
    ) -> Result<Self, Box<dyn Error>> {
        let database = Database::memory()?;
        database.create_table(serde_json::from_value(table())?)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let engine = format!("http://{}", listener.local_addr()?);
        let engine_serving = tokio::spawn(dynoxide::server::serve_on(listener, database));
        let wire = Wire::start(move |request| {
            let is_sqs = request
                .headers
                .iter()
                .any(|(name, value)| name == "x-amz-target" && value.starts_with("AmazonSQS"));
            if is_sqs {
                Answer::Reply(Reply::json(200, &json!({ "MessageId": "sqs-1" })))
            } else {
                Answer::Forward(engine.clone())
            }
        })
        .await;

        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (acceptor, scheme) = match line {
            Line::Plain => (None, "http"),
            Line::Tls => (Some(certificates.acceptor.clone()), "https"),
        };
        let url = format!("{scheme}://{}", listener.local_addr()?);
        let opened = Arc::new(AtomicU64::new(0));
        let upstream = wire.url().trim_start_matches("http://").to_owned();
        let front = tokio::spawn(pass_on(listener, acceptor, upstream, Arc::clone(&opened)));
        Ok(Self { wire, url, certificates: trusted.to_owned(), opened, serving: [engine_serving, front] })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The value for `SSL_CERT_FILE`.
    pub(crate) fn trusted(&self) -> &Path {
        &self.certificates
    }

    /// The traffic since the mark, which is moved to now. The default mark is the beginning.
    pub(crate) fn traffic_since(&self, mark: &mut Mark) -> Traffic {
        let operations: Vec<String> = self.wire.operations().into_iter().skip(mark.requests).collect();
        let connections = self.opened.load(Ordering::Relaxed);
        let traffic = Traffic { connections: connections - mark.connections, operations };
        *mark = Mark { requests: mark.requests + traffic.operations.len(), connections };
        traffic
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.serving.iter().for_each(JoinHandle::abort);
    }
}

async fn pass_on(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    upstream: String,
    opened: Arc<AtomicU64>,
) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        opened.fetch_add(1, Ordering::Relaxed);
        let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
        connections.spawn(async move {
            stream.set_nodelay(true)?;
            match acceptor {
                Some(acceptor) => pump(acceptor.accept(stream).await?, &upstream).await,
                None => pump(stream, &upstream).await,
            }
        });
    }
}

async fn pump(mut stream: impl AsyncRead + AsyncWrite + Unpin, upstream: &str) -> io::Result<()> {
    let mut upstream = TcpStream::connect(upstream).await?;
    upstream.set_nodelay(true)?;
    copy_bidirectional(&mut stream, &mut upstream).await?;
    Ok(())
}

/// The definition of the streams table, as in the template.
fn table() -> Value {
    let attribute = |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    json!({
        "TableName": STREAMS,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            attribute("buyer", "S"), attribute("sequence", "N"), attribute("feed", "S"), attribute("recordedAt", "S"),
        ],
        "KeySchema": [key("buyer", "HASH"), key("sequence", "RANGE")],
        "GlobalSecondaryIndexes": [{
            "IndexName": "feed",
            "KeySchema": [key("feed", "HASH"), key("recordedAt", "RANGE")],
            "Projection": { "ProjectionType": "KEYS_ONLY" },
        }],
    })
}

/// The acceptor for 127.0.0.1, and the root certificates that its clients must trust.
pub(crate) struct Certificates {
    /// The acceptor that terminates TLS.
    pub(crate) acceptor: TlsAcceptor,
    /// The throwaway root, as PEM.
    pub(crate) root: String,
    /// The throwaway root together with all roots that Mozilla trusts, as PEM, for a client that uses its machine's
    /// roots.
    pub(crate) machine: String,
}

impl Certificates {
    /// Makes a root, an intermediate authority, and a certificate for 127.0.0.1.
    pub(crate) fn make() -> Result<Self, Box<dyn Error>> {
        let root = CertifiedIssuer::self_signed(authority("Throwaway root"), key()?)?;
        let between = CertifiedIssuer::signed_by(authority("Throwaway authority"), key()?, &root)?;
        let key = key()?;
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &between)?;

        let chain = vec![leaf.der().clone(), between.der().clone()];
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        // DynamoDB and SQS offer only HTTP/1.1.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];

        let machine = TLS_SERVER_ROOT_CERTS.iter().chain([root.der()]).map(|root| pem(root)).collect();
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), root: pem(root.der()), machine })
    }
}

fn key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = BASE64_STANDARD.encode(certificate);
    let lines = text.as_bytes().chunks(64).filter_map(|line| str::from_utf8(line).ok());
    let lines: Vec<&str> = lines.collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
