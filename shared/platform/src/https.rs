//! One HTTPS client for the whole process, AWS clients included.
//!
//! The SDK's own client reads and parses every certificate that the machine trusts, twice for each service: nine tenths
//! of the work of a cold start. This client has the same roots built in and already parsed. It speaks HTTP/1.1, as
//! DynamoDB, SQS and SES do, and does not support proxies.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use hyper::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{self, CaptureConnection, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tower_service::Service;
use webpki_roots::TLS_SERVER_ROOTS;

/// An HTTPS client. Its clones share connections.
#[derive(Clone)]
pub struct Https {
    tls: Arc<ClientConfig>,
    reuse: Reuse,
    /// One connector for each connect time-out.
    connectors: Arc<Mutex<BTreeMap<Option<Duration>, SharedHttpConnector>>>,
}

impl Https {
    /// A client that trusts these roots.
    ///
    /// # Errors
    /// [`Untrusted`] if the roots cannot be used.
    pub fn trusting(trust: Trust) -> Result<Self, Untrusted> {
        Ok(Self { tls: Arc::new(trust.config()?), reuse: Reuse::Kept, connectors: Arc::default() })
    }

    /// A client with the same roots that opens a new connection for each request. It is for requests that must not run
    /// into a connection that died while the function was frozen.
    #[must_use]
    pub fn without_reuse(&self) -> Self {
        Self { tls: Arc::clone(&self.tls), reuse: Reuse::Never, connectors: Arc::default() }
    }

    /// Sends a request once, without retries. `connect_timeout` limits only the opening of a connection; the caller
    /// must limit the time for the response.
    ///
    /// # Errors
    /// [`ConnectorError`] if no response came.
    pub async fn ask(
        &self,
        request: HttpRequest,
        connect_timeout: Duration,
    ) -> Result<HttpResponse, ConnectorError> {
        self.connector(Some(connect_timeout)).call(request).await
    }

    fn connector(&self, connect_timeout: Option<Duration>) -> SharedHttpConnector {
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let connector = connectors.entry(connect_timeout).or_insert_with(|| {
            SharedHttpConnector::new(Connector::new(Arc::clone(&self.tls), connect_timeout, self.reuse))
        });
        connector.clone()
    }
}

impl HttpClient for Https {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.connector(settings.connect_timeout())
    }
}

impl fmt::Debug for Https {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Https").finish_non_exhaustive()
    }
}

/// The root certificates that a client trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Mozilla's roots at the time of the build, which include AWS's.
    BuiltIn,
    /// Only the certificates in this PEM file.
    File(PathBuf),
    /// Only these roots.
    Roots(Vec<CertificateDer<'static>>),
}

/// Why a client with the requested roots cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// The file is missing or not in PEM format.
    #[error("cannot read PEM certificates from {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// None of the certificates is usable as a root.
    #[error("no usable root certificate")]
    NoRoots,
    /// The built-in cryptography supports no safe TLS version.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

impl Trust {
    pub(crate) fn config(self) -> Result<ClientConfig, Untrusted> {
        let roots = match self {
            Self::BuiltIn => RootCertStore { roots: TLS_SERVER_ROOTS.to_vec() },
            Self::File(path) => usable(read(&path)?),
            Self::Roots(roots) => usable(roots),
        };
        if roots.is_empty() {
            return Err(Untrusted::NoRoots);
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Untrusted::Tls)?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}

fn usable(certificates: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A machine's own store may contain certificates that cannot be parsed.
    roots.add_parsable_certificates(certificates);
    roots
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, Untrusted> {
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    certificates.map_err(|source| Untrusted::Unreadable { path: path.to_owned(), source })
}

/// Whether a connection is reused after its first response.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reuse {
    /// The connection is reused for as long as the server keeps it open.
    Kept,
    /// The connection is closed after one response.
    Never,
}

/// A pool of connections that share one connect time-out.
pub(crate) struct Connector {
    client: Client<TimeLimit<HttpsConnector<connect::HttpConnector>>, SdkBody>,
}

impl Connector {
    pub(crate) fn new(tls: Arc<ClientConfig>, limit: Option<Duration>, reuse: Reuse) -> Self {
        let mut tcp = connect::HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = TimeLimit { connector: HttpsConnector::from((tcp, tls)), limit };
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_timer(TokioTimer::new());
        if matches!(reuse, Reuse::Never) {
            client.pool_max_idle_per_host(0);
        }
        Self { client: client.build(connector) }
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || metadata(&connection));
        }
        let answering = self.client.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answering.await.map_err(failure)?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Metadata through which the SDK can close a connection that it no longer trusts, for example after a server error.
fn metadata(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    connection.connection_metadata().as_ref()?;
    let connection = connection.clone();
    let poison = move || {
        if let Some(connection) = connection.connection_metadata().as_ref() {
            connection.poison();
        }
    };
    Some(ConnectionMetadata::builder().proxied(false).poison_fn(poison).build())
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

type BoxError = Box<dyn Error + Send + Sync>;

/// A connector with a time limit that covers both the TCP connection and the TLS handshake.
#[derive(Clone)]
pub(crate) struct TimeLimit<C> {
    pub(crate) connector: C,
    pub(crate) limit: Option<Duration>,
}

/// No connection was opened within the time limit.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {0:?}")]
pub(crate) struct TooLate(Duration);

impl<C> Service<Uri> for TimeLimit<C>
where
    C: Service<Uri, Error = BoxError, Future: Send + 'static>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.connector.call(uri);
        let limit = self.limit;
        Box::pin(async move {
            match limit {
                Some(limit) => timeout(limit, connecting).await.map_err(|_| TooLate(limit))?,
                None => connecting.await,
            }
        })
    }
}

/// Classifies a client error as the SDK's own HTTP client does.
pub(crate) fn failure(error: legacy::Error) -> ConnectorError {
    let is_timed_out = cause::<TooLate>(&error).is_some();
    let is_of_the_connection = error.is_connect() || cause::<io::Error>(&error).is_some();
    let http = cause::<hyper::Error>(&error);
    let is_user = http.is_some_and(hyper::Error::is_user);
    let is_over = http.is_some_and(|http| http.is_closed() || http.is_canceled());
    let is_cut_off = http.is_some_and(hyper::Error::is_incomplete_message);
    let error = Box::new(error);
    if is_timed_out {
        ConnectorError::timeout(error)
    } else if is_user {
        ConnectorError::user(error)
    } else if is_of_the_connection || is_over {
        ConnectorError::io(error)
    } else {
        ConnectorError::other(error, is_cut_off.then_some(ErrorKind::TransientError))
    }
}

/// The first error of type `E` in the chain of causes, the error itself included.
fn cause<E: Error + 'static>(error: &legacy::Error) -> Option<&E> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Trust, Untrusted};

    #[test]
    fn the_built_in_roots_are_usable() {
        assert!(Trust::BuiltIn.config().is_ok());
    }

    #[test]
    fn a_missing_file_or_no_roots_is_an_error() {
        let missing = Trust::File("no/such/file.pem".into()).config();
        assert!(matches!(missing, Err(Untrusted::Unreadable { .. })));
        assert!(matches!(Trust::Roots(Vec::new()).config(), Err(Untrusted::NoRoots)));
    }
}
